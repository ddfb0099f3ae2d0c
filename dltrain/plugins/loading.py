"""The user's own code: files that a config names, run only when the user has said so, blamed by file and line."""

import ast
import hashlib
import inspect
import re
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dltrain import cache
from dltrain.errors import KeyProblem, UserError, said
from dltrain.importing import import_tensorflow
from dltrain.plugins.keras_classes import offer
from dltrain.registry import KINDS, suggestion

loaded: dict[Path, bytes] = {}
"""The files that were run in this process, and what they held then."""

KEPT = "plugins"
"""The folder in a run's own that keeps copies of them."""

trusts_all = False
"""Whether the user said --trust."""

ask: Callable[[str], bool] | None = None
"""Asks the user; whoever talks to a person at a terminal sets it."""


def load(paths: list[Path], named_in: str) -> None:
    """Runs files as modules called by their stems; what they register and define can then be chosen in a config.

    A Keras class that such a module defines (model, layer, loss, metric, optimizer, callback) is registered as
    `module.Class`, with the arguments of its `__init__` as keys.

    Args:
        paths: the files, in their order: a later one may import an earlier one by its stem.
        named_in: the config that names them, as messages call it.

    Raises:
        UserError: if one is not trusted, cannot be read or fails.
    """
    contents = {path: _read(path, Path(named_in).parent / KEPT) for path in paths if path not in loaded}
    for path in contents:
        _check_name(path)
    _require_trust(contents, named_in)
    for path, content in contents.items():
        _check_name(path)  # again: one before it may be called so too, or import it from elsewhere
        _run(path, content)


def fault(error: BaseException) -> str | None:
    """Returns file, line and words of an error that comes from a file of the user's; none where none is involved."""
    seen: BaseException | None = error
    while seen is not None:
        for frame in reversed(traceback.extract_tb(seen.__traceback__)):
            if Path(frame.filename) in loaded:
                return f"{frame.filename}:{frame.lineno}: in {frame.name}: {type(error).__name__}: {said(error)}"
        # What TensorFlow traced tells of the user's lines in its text alone.
        told = re.findall(r'File "([^"]+)", line (\d+), in (\w+)', str(seen))
        for file, line, name in reversed(told):
            if Path(file) in loaded:
                return f"{file}:{line}: in {name}: {type(error).__name__}: {said(error)}"
        seen = seen.__cause__ or seen.__context__
    return None


def function(name: str) -> Callable[..., Any]:
    """Returns a function of a file of the user's.

    Args:
        name: its module and name, such as my_data.load.

    Raises:
        KeyProblem: if there is none.
    """
    stem, _, last = name.rpartition(".")
    if stem not in {path.stem for path in loaded}:
        raise KeyProblem("function", f"must be module.name, of a file in plugins, got {name!r}")
    own = {key: each for key, each in vars(sys.modules[stem]).items() if getattr(each, "__module__", None) == stem}
    functions = {key: each for key, each in own.items() if inspect.isfunction(each)}
    if last not in functions:
        raise KeyProblem("function", f"is none of {stem}: {last!r}{suggestion(last, list(functions))}")
    return functions[last]


def _read(path: Path, kept: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        copy = kept / path.name
        words = f"; as it ran it is kept in {copy}" if copy.is_file() else ""
        raise UserError(f"plugins: {path} cannot be read: {error.strerror}{words}") from None


def _check_name(path: Path) -> None:
    stem = path.stem
    if path.suffix != ".py" or not stem.isidentifier():
        raise UserError(f"plugins: {path} must be a Python file whose name is a word, such as my_net.py")
    if stem in sys.modules or stem in sys.stdlib_module_names:
        raise UserError(
            f"plugins: {path} is called like the module {stem} that is there already; rename it, or name it before "
            "what imports it"
        )


def _require_trust(contents: dict[Path, bytes], named_in: str) -> None:
    """Makes sure that the user wants the files to be run.

    Raises:
        UserError: if not.
    """
    place = cache.folder("trusted")
    strange = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    strange = {path: digest for path, digest in strange.items() if not (place / digest).exists()}
    if not strange:
        return
    words = f"{named_in} runs code from {' and '.join(map(str, strange))}"
    if not trusts_all and not (ask and ask(words)):
        raise UserError(f"{words}: read it, then say --trust, which is remembered until the file changes")
    for digest in strange.values():
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            (place / digest).touch()
        except OSError:
            return  # a home that cannot be written to is asked again


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
        raise UserError(f"plugins: {words}") from None


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
