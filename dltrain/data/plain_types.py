"""Values that were read as JSON, held against the types that a class declares, down to the last number."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any

_MOST = 2**63 - 1


def misfit(value: Any, hint: Any, path: str = "") -> str | None:
    """Returns the path of the first value that is not of its type; none where all are.

    A whole number is a number, where it is one that 64 bits hold; a truth value is none. Types that JSON does not know
    take everything.

    Args:
        value: as JSON has it, or an object of a dataclass made of such values.
        hint: the type.
        path: what leads to the value.
    """
    origin, arguments = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is typing.Annotated:
        return misfit(value, arguments[0], path)
    if origin in (types.UnionType, typing.Union):
        return path if all(misfit(value, each, path) is not None for each in arguments) else None
    if origin is typing.Literal:
        return None if value in arguments else path
    if origin is types.NoneType:
        return None if value is None else path
    if origin in (int, float):
        is_whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST
        return None if is_whole or (origin is float and isinstance(value, float)) else path
    if origin in (bool, str):
        return None if isinstance(value, origin) else path
    if origin in (list, tuple):
        return _misfit_of_items(value, origin, arguments, path)
    if typing.is_typeddict(origin) or dataclasses.is_dataclass(origin):
        return _misfit_of_fields(value, typing.cast(type, origin), path)
    if origin is dict:
        if not isinstance(value, dict):
            return path
        pairs = ((name, each, arguments[1]) for name, each in value.items()) if arguments else ()
        return _first(pairs, path)
    return None


def _misfit_of_items(value: Any, kind: Any, arguments: Any, path: str) -> str | None:
    if not isinstance(value, kind):
        return path
    is_of_any_length = kind is list or not arguments or arguments[-1] is Ellipsis
    hints: list[Any] = [(*arguments, Any)[0]] * len(value) if is_of_any_length else [*arguments]
    if len(hints) != len(value):
        return path
    return _first(((str(place), each, hint) for place, (each, hint) in enumerate(zip(value, hints, strict=True))), path)


def _misfit_of_fields(value: Any, kind: type, path: str) -> str | None:
    hints = _hints(kind)
    if typing.is_typeddict(kind):
        if not isinstance(value, dict) or value.keys() != hints.keys():
            return path
        return _first(((name, value[name], hint) for name, hint in hints.items()), path)
    if not isinstance(value, kind):
        return path
    return _first(((name, getattr(value, name), hint) for name, hint in hints.items()), path)


def _first(named: Any, path: str) -> str | None:
    return next((found for name, each, hint in named if (found := misfit(each, hint, f"{path}.{name}"))), None)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Returns the types of a class's fields; none of one whose module hides them from its running code."""
    try:
        hints = typing.get_type_hints(kind)
    except NameError:
        return {}
    if typing.is_typeddict(kind):
        return hints
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
