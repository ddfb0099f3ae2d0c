"""The user's own code: files that a config names, run only if the user trusts them; errors name file and line."""

import ast
import hashlib
import inspect
import logging
import re
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dltrain import cache, untrusted
from dltrain.errors import KeyProblem, UserError, said
from dltrain.importing import import_tensorflow
from dltrain.plugins.keras_classes import offer
from dltrain.registry import KINDS, suggestion

_log = logging.getLogger("dltrain")

loaded: dict[Path, bytes] = {}
"""The files that were run in this process, with their content."""

MOST_BYTES = 4 * 2**20
"""How large a file of code may be."""

KEPT = "plugins"
"""The folder in a run folder with copies of them."""

trusts_all = False
"""Whether the user typed --trust."""

ask: Callable[[str], bool] | None = None
"""Asks the user for trust; set by commands that talk to a person at a terminal."""


def load(paths: list[Path], named_in: str) -> None:
    """Runs files as modules named by their stems; a config can then choose the classes that they register or define.

    A Keras class that such a module defines (model, layer, loss, metric, optimizer, callback) is registered as
    `module.Class`, with the arguments of its `__init__` as keys.

    Args:
        paths: the files, in their order: a later one may import an earlier one by its stem.
        named_in: the name of the config that lists them, for messages.

    Raises:
        KeyProblem: if one is not trusted, cannot be read or fails, with its place in the list.
    """
    contents: dict[Path, bytes] = {}
    read: dict[Path, Path] = {}
    for path in paths:
        if path not in loaded:
            with _blaming(paths.index(path)):
                _check_kind(path)
                read[path], contents[path] = _read(path, Path(named_in).parent / KEPT)
            if any(path.stem == other.stem and contents[path] == content for other, content in loaded.items()):
                loaded[path] = contents.pop(path)  # the same file at another place
    for path in contents:
        with _blaming(paths.index(path)):
            _check_name(path)
    _check_trust({read[path]: content for path, content in contents.items()}, named_in)
    for path, content in contents.items():
        with _blaming(paths.index(path)):
            _check_name(path)  # again: an earlier file may have the same name, or import it from elsewhere
            _run(path, content)


@contextmanager
def _blaming(place: int) -> Iterator[None]:
    """Turns what is wrong with a file into a problem of its place in `plugins`."""
    try:
        yield
    except UserError as error:
        raise KeyProblem(f"plugins[{place}]", f": {error}") from None


def of(paths: Iterable[Path]) -> dict[Path, bytes]:
    """Returns the content of the files that a config names as they were run; other configs may have run others."""
    return {path: loaded[path] for path in paths}


def is_copy(path: Path, content: bytes) -> bool:
    """Whether a file is there and holds the same code."""
    try:
        return untrusted.content(path, MOST_BYTES) == content
    except OSError:
        return False


def fault(error: BaseException) -> str | None:
    """Returns file, line and message of an error from one of the user's files; none for other errors."""
    seen: BaseException | None = error
    while seen is not None:
        for frame in reversed(traceback.extract_tb(seen.__traceback__)):
            if Path(frame.filename) in loaded:
                return f"{frame.filename}:{frame.lineno}: in {frame.name}: {type(error).__name__}: {said(error)}"
        # Of traced code only TensorFlow's message names the user's lines.
        told = re.findall(r'File "([^"]+)", line (\d+), in (\w+)', str(seen))
        for file, line, name in reversed(told):
            if Path(file) in loaded:
                return f"{file}:{line}: in {name}: {type(error).__name__}: {said(error)}"
        seen = seen.__cause__ or seen.__context__
    return None


def function(name: str) -> Callable[..., Any]:
    """Finds a function in one of the user's files.

    Args:
        name: its module and name, for example my_data.load.

    Raises:
        KeyProblem: if it does not exist.
    """
    stem, _, last = name.rpartition(".")
    if stem not in {path.stem for path in loaded}:
        raise KeyProblem("function", f"must be module.function, with the module a file in plugins, got {name!r}")
    own = {key: each for key, each in vars(sys.modules[stem]).items() if getattr(each, "__module__", None) == stem}
    functions = {key: each for key, each in own.items() if inspect.isfunction(each)}
    if last not in functions:
        raise KeyProblem("function", f"is not a function of {stem}: {last!r}{suggestion(last, list(functions))}")
    return functions[last]


def _read(path: Path, kept: Path) -> tuple[Path, bytes]:
    """Returns the file and its content; of one that is gone, those of the copy that a run kept."""
    copy = kept / path.name
    try:
        return path, untrusted.content(path, MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError) as error:
        if not copy.is_file():
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    try:
        content = untrusted.content(copy, MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path} is gone, and its copy {copy} cannot be read: {error.strerror}") from None
    _log.warning("%s", f"plugins: {path} is gone: its copy as it was run is used, {copy}")
    return copy, content


def _check_kind(path: Path) -> None:
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UserError(f"{path} must be a Python file whose name is a word, for example my_net.py")


def _check_name(path: Path) -> None:
    stem = path.stem
    if stem in sys.modules or stem in sys.stdlib_module_names:
        raise UserError(
            f"{path} has the name of the module {stem}, which is already loaded; rename it, or list it before "
            "the file that imports it"
        )


def _check_trust(contents: dict[Path, bytes], named_in: str) -> None:
    """Checks that the user trusts the files.

    Raises:
        KeyProblem: if not.
    """
    place = cache.folder("trusted")
    strange = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    try:
        is_believed = not place.exists() or cache.is_private(place)
        strange = {path: digest for path, digest in strange.items() if not (is_believed and (place / digest).is_file())}
    except OSError:
        is_believed = False
    if not strange:
        return
    words = f"{named_in} runs code from {' and '.join(map(str, strange))}"
    if not trusts_all and not (ask and ask(words)):
        remembered = (
            "which is remembered until the file changes"
            if is_believed
            else f"which is not remembered: others may write into {place}; make it yours alone with chmod 700"
        )
        raise KeyProblem("plugins", f": {words}: read it, then add --trust, {remembered}")
    for digest in strange.values() if is_believed else ():
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            (place / digest).touch()
        except OSError:
            return  # where the home cannot be written to, the user is asked again


def _run(path: Path, content: bytes) -> None:
    """Runs a file as a module; where it fails, nothing of it stays."""
    before = {registry: set(registry.names()) for registry in KINDS}  # what is built in stays
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    sys.modules[path.stem] = module
    loaded[path] = content
    try:
        code = compile(content, str(path), "exec")
        if _imports_tensorflow(content):
            import_tensorflow()
        exec(code, module.__dict__)
        offer(module)
    except (Exception, SystemExit) as error:
        words = _syntax(path, error) or fault(error) or f"{path}: {error}"
        del sys.modules[path.stem], loaded[path]
        for registry, known in before.items():
            registry.forget_all_but(known)
        raise UserError(words) from None


def _syntax(path: Path, error: BaseException) -> str | None:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}: {type(error).__name__}: {error.msg}"
    return None


def _imports_tensorflow(content: bytes) -> bool:
    names = []
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    return any(name.split(".")[0] in ("tensorflow", "keras") for name in names)
