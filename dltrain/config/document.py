"""YAML text -> a tree of values that know their file, line and column. Safe on any input, and without surprises.

Scalars follow YAML 1.2 (`1e-3` is a number, `on` a word, `010` ten). Duplicate keys, tags, anchors that multiply, deep
nesting, several documents and large files are refused. `${NAME}` in a scalar is an environment variable; an unquoted
scalar gets its type after the variable was inserted: `batch_size: ${BATCH:64}` is a number.
"""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from dltrain import untrusted
from dltrain.config import variables
from dltrain.errors import ConfigError, Problems, gathered

MAX_BYTES = 128 * 1024
MAX_VALUES = 10_000
MAX_DEPTH = 32
_LONGEST = 4000
"""Letters of a message."""

_TAG = "tag:yaml.org,2002:"
_RESOLVERS = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
)


class _Yaml12:
    """The implicit resolvers of YAML 1.2's core schema, for loader and dumper alike."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _name, _pattern, _first in _RESOLVERS:
    for _character in _first:
        _Yaml12.yaml_implicit_resolvers.setdefault("" if _character == "\0" else _character, []).append(
            (_TAG + _name, re.compile(f"^(?:{_pattern})$"))
        )


class _Loader(_Yaml12, yaml.SafeLoader):
    """Composes YAML nodes without constructing objects; stops early at input that is too deep or too large."""

    # PyYAML's own, and the bytes of file names that are no UTF-8, as arguments have them.
    NON_PRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\udc80-\udcff\ue000-\ufffd\U00010000-\U0010ffff]")  # type: ignore[misc]

    def __init__(self, text: str) -> None:
        super().__init__(variables.shield(text))
        self._depth = 0
        self._count = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        self._count += 1
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {MAX_DEPTH} levels", mark)
        if self._count > MAX_VALUES:
            raise yaml.composer.ComposerError(None, None, f"more than {MAX_VALUES:,} values", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Resolver(_Yaml12, yaml.resolver.BaseResolver):
    """Infers the type of a scalar from its text."""


class _Dumper(_Yaml12, yaml.SafeDumper):
    """Quotes what YAML 1.2 would read as something other than text; writes lists of scalars in one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_list(dumper: _Dumper, items: list[Any]) -> yaml.Node:
    in_line = not any(isinstance(item, list | dict) for item in items)
    return dumper.represent_sequence(_TAG + "seq", items, flow_style=in_line or dumper.default_flow_style)


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar(_TAG + "str", variables.escaped(text), style='"' if "\n" in text else None)


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(str, _represent_text)


@dataclass(frozen=True)
class Source:
    """A text that values come from.

    Args:
        name: how a message names it: the file as the user typed it, or the argument.
        text: all of it.
        folder: what relative paths in it are relative to.
        is_argument: a command-line argument rather than a file.
    """

    name: str
    text: str
    folder: Path
    is_argument: bool = False


@dataclass(frozen=True)
class Mark:
    """A place in a source.

    Args:
        source: which.
        line: counted from 1.
        column: counted from 1.
        variables: remarks about the environment variables in the value: `from $NAME`.
    """

    source: Source
    line: int
    column: int
    variables: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"argument {self.source.name}" if self.source.is_argument else f"{self.source.name}:{self.line}"
        return ", ".join([place, *self.variables])

    def problem(self, message: str, key: str = "", words: str = "") -> "Problem":
        """Returns the problem that the message describes at this place."""
        return Problem(self, message, key, words)


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where.

    Args:
        mark: the place.
        message: what is wrong there.
        key: the key path that is to blame, where it is known.
        words: the message without the key.
    """

    mark: Mark
    message: str
    key: str = ""
    words: str = ""

    @property
    def first_line(self) -> str:
        """The message, without its further lines."""
        return self._said.partition("\n")[0]

    @property
    def headline(self) -> str:
        """Place and message, of which the first line where it has several."""
        return self._placed(self.first_line)

    @property
    def _said(self) -> str:
        message = self.message
        if len(message) > _LONGEST:  # a value that it quotes may be as long as the file
            message = f"{message[: _LONGEST // 2]} ... {message[-_LONGEST // 2 :]}"
        return message + "".join(f" ({words})" for words in self.mark.variables)

    def _placed(self, message: str) -> str:
        source = self.mark.source
        there = f"{source.name}:{self.mark.line}:{self.mark.column}"
        return f"argument {source.name!r}: {message}" if source.is_argument else f"{there}: {message}"

    def __str__(self) -> str:
        source, line, column = self.mark.source, self.mark.line, self.mark.column
        lines = source.text.splitlines()
        text = lines[line - 1] if line <= len(lines) else ""
        placed = self._placed(self._said)
        if not text.strip():
            return placed
        number = "" if source.is_argument else str(line)
        start = max(0, column - 80)  # a long line is shown around the caret
        shown = "".join(character if character.isprintable() else " " for character in text[start : start + 120])
        margin = " " * len(number)
        return f"{placed}\n  {number} | {shown}\n  {margin} | {' ' * (column - 1 - start)}^"


@dataclass(frozen=True)
class Node:
    """A value and its place in the source.

    Args:
        value: None, bool, int, float or str; a list of nodes; or a dict of nodes by key.
        mark: where the value begins.
        keys: where each key of a dict begins.
        over: the value that it replaced, in a base or in the file; none where it replaced nothing.
        unknown: what is wrong with the environment variables in it; the value is then the text as written. Reported
            only when the value is used, for an override may replace it.
    """

    value: Any
    mark: Mark
    keys: dict[str, Mark] = field(default_factory=dict)
    over: "Node | None" = None
    unknown: tuple[str, ...] = ()

    @property
    def unknowns(self) -> list[Problem]:
        """What is wrong with the variables, and where."""
        return [self.mark.problem(words) for words in self.unknown]


def read(path: Path) -> Node:
    """Reads a config file.

    Raises:
        ConfigError: if it cannot be read, or is no YAML mapping; with every problem found.
    """
    try:
        data = untrusted.content(path, MAX_BYTES)
    except FileNotFoundError:
        raise ConfigError([f"{path}: no such file"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read as a config: {error.strerror}"]) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise ConfigError(
            [f"{path}:{line}:{column}: must be UTF-8 text, got the byte 0x{data[error.start]:02x}; save it as UTF-8"]
        ) from None
    source = Source(str(path), text, path.parent.absolute())
    node = parse(source)
    if node.value is None:
        raise ConfigError([f"{path}: is empty; a config needs at least the keys dataset, model, optimizer and train"])
    if not isinstance(node.value, dict):
        kind = "a list" if isinstance(node.value, list) else "a single value"
        raise ConfigError([node.mark.problem(f"must be a mapping of keys to values, got {kind}")])
    return node


def parse(source: Source) -> Node:
    """Parses the text of a source into a tree.

    Raises:
        ConfigError: with every problem found.
    """
    top = Mark(source, 1, 1)
    try:
        with untrusted.parsing():
            composed = yaml.compose(source.text, _Loader)
    except untrusted.Unreadable as unreadable:
        error = unreadable.__cause__
        if not isinstance(error, yaml.MarkedYAMLError):
            raise ConfigError([top.problem(f"is not valid YAML: {unreadable}")]) from None
        at = error.problem_mark or error.context_mark
        mark = Mark(source, at.line + 1, at.column + 1) if at else top
        words = "; ".join(part for part in (error.context, error.problem) if part)
        if "found character '\\t'" in words:
            words += " (indent with spaces, not tabs)"
        raise ConfigError([mark.problem(f"is not valid YAML: {words}")]) from None
    if composed is None:
        return Node(None, top)
    walk = _Walk(source)
    node = walk.convert(composed, 0)
    if walk.problems:
        raise ConfigError(walk.problems)
    return node


class _Walk:
    """One conversion of composed YAML nodes into a tree, counting what it visits."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._visited = 0
        self._resolver = _Resolver()
        self.problems: list[Problem] = []

    def convert(self, node: yaml.Node, depth: int) -> Node:
        mark = Mark(self._source, node.start_mark.line + 1, node.start_mark.column + 1)
        self._visited += 1
        if self._visited > MAX_VALUES:
            raise ConfigError([mark.problem(f"has more than {MAX_VALUES:,} values when its anchors are expanded")])
        if depth > MAX_DEPTH:
            raise ConfigError([mark.problem(f"is nested deeper than {MAX_DEPTH} levels")])
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return Node([self.convert(item, depth + 1) for item in node.value], mark)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, mark, depth)
        if isinstance(node, yaml.ScalarNode):
            return self._expanded(node, mark)
        self.problems.append(mark.problem(f"tags such as {_shown_tag(node.tag)} are not allowed"))
        return Node(None, mark)

    def _mapping(self, node: yaml.MappingNode, mark: Mark, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        for key_node, value_node in node.value:
            key_mark = Mark(self._source, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(key_mark.problem("a key must be a word, got a list or a mapping"))
                continue
            key = variables.unshield(key_node.value)
            if key in values:
                self.problems.append(key_mark.problem(f"{key!r} is given twice, first in line {keys[key].line}"))
                continue
            keys[key] = key_mark
            values[key] = self.convert(value_node, depth + 1)
        return Node(values, mark, keys)

    def _expanded(self, node: yaml.ScalarNode, mark: Mark) -> Node:
        """Returns a scalar with its variables inserted; an unquoted one gets its type after that."""
        written = variables.unshield(node.value)
        if "${" not in written:
            return Node(self._scalar(node, mark), mark)
        try:
            text, told = variables.expand(written)
        except ExceptionGroup as group:
            return Node(written, mark, unknown=tuple(map(str, group.exceptions)))
        tag = node.tag
        if node.style is None and told:
            tag = self._resolver.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        mark = dataclasses.replace(mark, variables=told)
        return Node(self._scalar(yaml.ScalarNode(tag, text), mark), mark)

    def _scalar(self, node: yaml.ScalarNode, mark: Mark) -> Any:
        kind, text = node.tag.removeprefix(_TAG), node.value
        try:
            match kind:
                case "str":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    prefixed = text[:2] in ("0o", "0x")
                    return int(text, 0) if prefixed else int(text)
                case "float":
                    return float(re.sub(r"\.(inf|nan)", r"\1", text.lower()))
        except ValueError:
            shown = text if len(text) <= 20 else f"{text[:20]}..."
            self.problems.append(mark.problem(f"must be a number that can be read, got {shown!r}"))
            return None
        self.problems.append(mark.problem(f"tags such as {_shown_tag(node.tag)} are not allowed"))
        return None


def _shown_tag(tag: str) -> str:
    return tag.replace(_TAG, "!!")


def override(root: Node, arguments: list[str]) -> Node:
    """Applies `key.path=value` arguments to a tree and returns the result.

    An argument that gives a block another `name` empties the block first, whatever the order of the arguments: the
    other keys in the file belong to the former choice. The config's own `name` chooses no class.

    Raises:
        ConfigError: with every argument that is not of this form, or reaches beyond the end of a list.
    """
    parsed: list[tuple[list[str], Node]] = []
    problems: Problems = []
    for argument in arguments:
        path, equals, value = argument.partition("=")
        if not equals or not re.fullmatch(r"\w+(\.\w+|\[\d+\])*", path):
            problems.append(f"argument {argument!r}: must have the form key=value, for example train.epochs=1")
            continue
        # Blanks in place of the key: the value keeps its column in the argument.
        source = Source(argument, " " * (len(path) + 1) + value, Path.cwd(), is_argument=True)
        try:
            node = parse(source)
        except ConfigError as error:
            problems += error.problems
            continue
        parsed.append(
            (list(_steps(path)), _in_argument(node, Source(argument, argument, Path.cwd(), is_argument=True)))
        )
    for path_keys, node in sorted(parsed, key=lambda item: item[0][-1] != "name"):
        with gathered(problems):
            root = _laid_over(root, path_keys, node, Mark(node.mark.source, 1, 1))
    if problems:
        raise ConfigError(problems)
    return root


def _in_argument(node: Node, source: Source) -> Node:
    """Returns the node with the whole argument, key included, as its source."""

    def moved(mark: Mark) -> Mark:
        return dataclasses.replace(mark, source=source, column=min(mark.column, len(source.text)))

    value = node.value
    if isinstance(value, list):
        value = [_in_argument(item, source) for item in value]
    elif isinstance(value, dict):
        value = {key: _in_argument(item, source) for key, item in value.items()}
    keys = {key: moved(mark) for key, mark in node.keys.items()}
    return dataclasses.replace(node, value=value, mark=moved(node.mark), keys=keys)


def _laid_over(node: Node, path: list[str], new: Node, key_mark: Mark, is_root: bool = True) -> Node:
    if not path:
        return dataclasses.replace(new, over=node if node.keys or node.value is not None else None)
    key, rest = path[0], path[1:]
    if isinstance(node.value, list) and key.isdecimal():
        index, count = int(key), len(node.value)
        if index >= count:
            words = f"the list has only {count} item{'s' * (count != 1)}, counted from 0, got [{index}]"
            raise ConfigError([key_mark.problem(words)])
        item = _laid_over(node.value[index], rest, new, key_mark, is_root=False)
        return Node([*node.value[:index], item, *node.value[index + 1 :]], node.mark)
    values = node.value if isinstance(node.value, dict) else {}
    keys = node.keys if isinstance(node.value, dict) else {}
    mark = node.mark if isinstance(node.value, dict) else key_mark
    if not is_root and key == "name" and not rest and "name" in values and values["name"].value != new.value:
        return Node({"name": dataclasses.replace(new, over=values["name"])}, mark, {"name": key_mark})
    below = values.get(key, Node(None, key_mark))
    laid = _laid_over(below, rest, new, key_mark, is_root=False)
    return Node({**values, key: laid}, mark, {**keys, key: key_mark})


def locate(root: Node, path: str) -> Mark:
    """Returns where `model.stages[2].pool` stands: the key, or the nearest block around it that is written down."""
    node, mark = root, root.mark
    for step in _steps(path):
        if isinstance(node.value, dict) and step in node.value:
            below, mark = node.value[step], node.keys[step]
            # The value says more than its key, where it is a value and not a block.
            mark = mark if isinstance(below.value, dict) else below.mark
        elif isinstance(node.value, list) and step.isdigit() and int(step) < len(node.value):
            below = node.value[int(step)]
            mark = below.mark
        else:
            break
        node = below
    return mark


def _steps(path: str) -> Iterator[str]:
    return (match[0] for match in re.finditer(r"\w+", path))


def dump(value: Any, width: int = 100, in_line: bool | None = None) -> str:
    """Returns plain lists, mappings and scalars as YAML 1.2 text, keys in their order.

    Args:
        value: what to write.
        width: columns beyond which a line is broken, where it can be.
        in_line: whether to write lists and mappings in brackets; none to do so only for lists of scalars.
    """
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width, default_flow_style=bool(in_line)
    )
