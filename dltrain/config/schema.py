"""A tree of values -> frozen dataclasses. Every problem at once, each with its place; no key is ignored.

The types of a dataclass's fields are the schema: bool, int, float, str, Path, Literal, tuples, dicts, unions, other
dataclasses, Any for a plain value of any kind, `Annotated[int, Range(...)]`, and `Annotated[object, REGISTRY]` for a
block whose `name` chooses the class.
"""

import dataclasses
import functools
import math
import re
import types
import typing
from pathlib import Path
from typing import Any

from dltrain.config.document import Mark, Node, Problem, locate
from dltrain.errors import KeyProblem
from dltrain.fields import Range
from dltrain.registry import Registry, nearest, suggestion

INVALID: Any = object()
"""Stands for a value that has a problem."""

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word or text", Path: "a path"}


@functools.cache
def field_types(cls: type) -> dict[str, Any]:
    """Returns the type of each field of a dataclass, in order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}


def describe(hint: Any) -> str:
    """Returns in words what a value of the type is."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        extra = hint.__metadata__[0]
        if isinstance(extra, Registry):
            return f"a block with the name of {_a(extra.kind)}"
        return f"{describe(arguments[0])} {_range_words(extra)}"
    if origin is typing.Literal:
        return (
            " or ".join(str(choice) for choice in arguments)
            if len(arguments) < 3
            else ("one of " + ", ".join(str(choice) for choice in arguments))
        )
    if _is_union(origin):
        hidden = {types.NoneType, *({int} if float in arguments else set())}  # a whole number is a number
        return " or ".join(
            [describe(argument) for argument in arguments if argument not in hidden]
            + ["none"] * (types.NoneType in arguments)
        )
    if origin is tuple and arguments[-1] is not Ellipsis:
        return f"a list of {len(arguments)}, each {describe(arguments[0])}"
    if origin is tuple:
        return f"a list, each {describe(arguments[0])}"
    if origin is dict and arguments[1] is Any:
        return "a block"
    if origin is dict:
        return f"a mapping, each value {describe(arguments[1])}"
    if dataclasses.is_dataclass(hint):
        return "a block with keys " + ", ".join(field_types(typing.cast(type, hint)))
    return "any value" if hint is Any else _WORDS[hint]


def inner_block(hint: Any) -> type | None:
    """Returns the dataclass that a type holds, as `tuple[Stage, ...]` holds Stage; none where there is none."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint
    arguments = () if typing.get_origin(hint) is typing.Literal else typing.get_args(hint)
    return next((found for argument in arguments if (found := inner_block(argument))), None)


def build(hint: Any, node: Node, path: str, problems: list[Problem]) -> Any:
    """Returns the value of the type that the node describes, or INVALID with what is wrong added to the problems.

    Args:
        hint: the type.
        node: the value, as it was written.
        path: its key path, as messages name it; empty at the top.
        problems: what is wrong so far; grows.
    """
    if node.unknown:
        problems += node.unknowns
        return INVALID
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        extra = hint.__metadata__[0]
        if isinstance(extra, Registry):
            return _build_block(extra, node, path, problems)
        return _build_ranged(hint, node, path, problems)
    if _is_union(origin):
        return _build_union(hint, node, path, problems)
    if origin is tuple and isinstance(node.value, list):
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(node.value)
        if len(arguments) == len(node.value):
            items = [
                build(argument, item, f"{path}[{index}]", problems)
                for index, (argument, item) in enumerate(zip(arguments, node.value, strict=True))
            ]
            return INVALID if any(item is INVALID for item in items) else tuple(items)
    elif hint is Any:
        return _build_plain(node, path, problems)
    elif origin is dict and isinstance(node.value, dict):
        values = {key: build(arguments[1], value, f"{path}.{key}", problems) for key, value in node.value.items()}
        return INVALID if any(value is INVALID for value in values.values()) else values
    elif dataclasses.is_dataclass(hint) and isinstance(node.value, dict):
        return _build_fields(typing.cast(type, hint), node, path, problems)
    elif (value := _scalar(hint, node)) is not INVALID:
        return value
    return _wrong(hint, node, path, problems)


def _scalar(hint: Any, node: Node) -> Any:
    value = node.value
    if typing.get_origin(hint) is typing.Literal:
        choices = typing.get_args(hint)
        return next((c for c in choices if c == value and isinstance(c, bool) == isinstance(value, bool)), INVALID)
    if hint is bool or hint is str:
        return value if isinstance(value, hint) else INVALID
    if hint is int:
        return value if isinstance(value, int) and not isinstance(value, bool) else INVALID
    if hint is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return _float(value) if is_number else INVALID
    if hint is Path and isinstance(value, str) and value:
        return _path(node.mark.source.folder, value)
    return INVALID


def _build_plain(node: Node, path: str, problems: list[Problem]) -> Any:
    """Returns any value as plain Python: lists as tuples, the word none as None, as where a value is optional."""
    if isinstance(node.value, list):
        items = [_build_plain(item, f"{path}[{index}]", problems) for index, item in enumerate(node.value)]
        return INVALID if any(item is INVALID for item in items) else tuple(items)
    if isinstance(node.value, dict):
        values = {key: _build_plain(value, f"{path}.{key}", problems) for key, value in node.value.items()}
        return INVALID if any(value is INVALID for value in values.values()) else values
    if isinstance(node.value, float) and not math.isfinite(node.value):
        return _wrong(float, node, path, problems)
    return None if node.value == "none" else node.value


def _float(value: int | float) -> Any:
    try:
        number = float(value)
    except OverflowError:
        return INVALID
    return number if math.isfinite(number) else INVALID


def _path(folder: Path, text: str) -> Any:
    try:
        path = folder / Path(text).expanduser()
        return path if path.is_symlink() else path.resolve()
    except (RuntimeError, ValueError, OSError):  # a home that nobody has, a NUL, a name that is too long
        return INVALID


def _build_ranged(hint: Any, node: Node, path: str, problems: list[Problem]) -> Any:
    value = build(typing.get_args(hint)[0], node, path, [])
    if value is INVALID or value not in hint.__metadata__[0]:
        return _wrong(hint, node, path, problems)
    return value


def _build_union(hint: Any, node: Node, path: str, problems: list[Problem]) -> Any:
    alternatives = typing.get_args(hint)
    if types.NoneType in alternatives and (node.value is None or node.value == "none"):
        return None
    alternatives = tuple(alternative for alternative in alternatives if alternative is not types.NoneType)
    for alternative in alternatives:
        value = build(alternative, node, path, [])
        if value is not INVALID:
            return value
    fitting = [alternative for alternative in alternatives if _fits(alternative, node)]
    if isinstance(node.value, list | dict) and len(fitting) == 1:
        return build(fitting[0], node, path, problems)
    return _wrong(hint, node, path, problems)


def _fits(hint: Any, node: Node) -> bool:
    if isinstance(node.value, list):
        return typing.get_origin(hint) is tuple
    is_registry = typing.get_origin(hint) is typing.Annotated and isinstance(hint.__metadata__[0], Registry)
    return typing.get_origin(hint) is dict or dataclasses.is_dataclass(hint) or is_registry


def _build_block(registry: Registry, node: Node, path: str, problems: list[Problem]) -> Any:
    if isinstance(node.value, str) and node.value in registry.names():
        hint = f"write it as a block: {{name: {node.value}}}"
        problems.append(node.mark.problem(f"{path} must be a block with a name, got {node.value!r}; {hint}"))
        return INVALID
    if not isinstance(node.value, dict):
        return _wrong(typing.Annotated[object, registry], node, path, problems)
    name = node.value.get("name")
    choices = registry.names()
    if name is not None and name.unknown:
        problems += name.unknowns
        return INVALID
    if name is None or not isinstance(name.value, str):
        mark = name.mark if name else locate_value(node)
        came = f"got {shown(name)}" if name else "but it is missing"
        problems.append(mark.problem(f"{path}.name must be {_a(registry.kind)} ({', '.join(choices)}), {came}"))
        return INVALID
    if name.value not in choices:
        there = suggestion(name.value, choices)
        problems.append(name.mark.problem(f"{path}.name: no {registry.kind} {name.value!r}{there}"))
        return INVALID
    rest = Node({key: value for key, value in node.value.items() if key != "name"}, node.mark, node.keys)
    return _build_fields(registry[name.value], rest, path, problems, is_block=True)


def _build_fields(cls: type, node: Node, path: str, problems: list[Problem], is_block: bool = False) -> Any:
    prefix = f"{path}." if path else ""
    hints = field_types(cls)
    already = len(problems)
    values = {}
    for key, value in node.value.items():
        if key in hints:
            values[key] = build(hints[key], value, prefix + key, problems)
        else:
            there = suggestion(key, [*(["name"] * is_block), *hints], f"{path or 'a config'} has")
            problems.append(node.keys[key].problem(f"unknown key {prefix + key!r}{there}"))
    for field in dataclasses.fields(cls):
        missing = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.init and missing and field.name not in node.value:
            what = describe(hints[field.name])
            problems.append(locate_value(node).problem(f"{prefix}{field.name} is missing: it must be {what}"))
            values[field.name] = INVALID
    right = {key: value for key, value in values.items() if value is not INVALID}
    try:
        built = cls(**right)
    except (ValueError, ExceptionGroup) as error:
        problems += blame(node, path, error, set(right) if len(problems) > already else None)
    except TypeError:  # a required key is wrong or missing, as is said already
        if len(problems) == already:
            raise
    return INVALID if len(problems) > already else built


def blame(node: Node, path: str, error: Exception, trusted: set[str] | None = None) -> list[Problem]:
    """Returns the problems that a class's own checks found, each at the key that it is about.

    Args:
        node: the block that the class was built from.
        path: the block's key path.
        error: a KeyProblem or another ValueError, or an ExceptionGroup of them.
        trusted: the keys whose problems are reported; none for all. A class that was built without a wrong key may
            complain about right ones.
    """
    if isinstance(error, ExceptionGroup):
        return [problem for inner in error.exceptions for problem in blame(node, path, inner, trusted)]
    if not isinstance(error, ValueError):
        raise error
    problem = error if isinstance(error, KeyProblem) else _of_first_word(error)
    if trusted is not None and re.split(r"[\[.]", problem.key)[0] not in trusted:
        return []
    # Only a key that is there moves the caret; a message without one stands at the block.
    mark = locate(node, problem.key) if problem.key else node.mark
    told = KeyProblem(problem.key, _with_lines(node, problem.words) if problem.key else problem.words)
    key = ".".join(filter(None, (path, problem.key)))
    return [mark.problem(f"{path}.{told}" if path else str(told), key, told.words)]


def _of_first_word(error: ValueError) -> KeyProblem:
    """Returns what a plain ValueError says as a problem of the key that its message begins with, if it does.

    The one place where a message is read: a plugin may write `ValueError("depth must be ...")` and be shown at `depth`.
    """
    message = str(error)
    key = re.match(r"([a-z]\w*(?:\[\d+\]|\.\w+)*)(?: |(?=:)|$)", message)
    return KeyProblem(key[1], message[key.end() :]) if key else KeyProblem("", message)


def _with_lines(node: Node, text: str) -> str:
    """Adds its line to each item of a list that a text names: `layers[0]` becomes `layers[0] in line 7`."""

    def with_line(match: re.Match[str]) -> str:
        mark = locate(node, match[0])
        is_there = match[1] in node.value and not mark.source.is_argument
        place = f"line {mark.line}" if mark.source == node.mark.source else str(mark)
        return f"{match[0]} in {place}" if is_there else match[0]

    return re.sub(r"\b([a-z]\w*)\[\d+\]", with_line, text) if isinstance(node.value, dict) else text


def locate_value(node: Node) -> Mark:
    """Returns where a block begins: its first key, or the place of its value."""
    return next(iter(node.keys.values()), node.mark)


def shown(node: Node) -> str:
    """Returns a value as a message shows it."""
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a block"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else f"{value[:40]}...")
    text = str(value) if isinstance(value, float) or abs(value) < 10**20 else f"a number of {len(str(value))} digits"
    return {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}.get(text, text)


def _wrong(hint: Any, node: Node, path: str, problems: list[Problem]) -> Any:
    expected = describe(hint)
    word = ""
    if isinstance(node.value, str) and any(node.value in registry.names() for registry in _registries(hint)):
        word = f"; write it as a block: {{name: {node.value}}}"
    elif isinstance(node.value, str) and node.mark.variables and re.fullmatch(r"[-+.\d]+(e[-+]?\d+)?", node.value):
        word = "; remove the quotation marks: a quoted value is text"
    elif isinstance(node.value, str):
        word = nearest(node.value, [str(choice) for choice in _choices(hint)])
    elif isinstance(node.value, int | float) and str in (hint, *typing.get_args(hint)):
        word = f'; for text write "{node.value}"'
    problems.append(node.mark.problem(f"{path or 'a config'} must be {expected}, got {shown(node)}{word}"))
    return INVALID


def _registries(hint: Any) -> list[Registry]:
    if _is_union(typing.get_origin(hint)):
        return [found for alternative in typing.get_args(hint) for found in _registries(alternative)]
    return [extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, Registry)]


def _choices(hint: Any) -> list[Any]:
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint))
    if _is_union(typing.get_origin(hint)):
        return [choice for alternative in typing.get_args(hint) for choice in _choices(alternative)]
    return []


def _range_words(extra: Range) -> str:
    return f"of {extra}" if str(extra).startswith("at") else str(extra)


def _is_union(origin: Any) -> bool:
    return origin is typing.Union or origin is types.UnionType


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
