"""Keys of the user's own classes that a config sets and that no code reads: a setting without effect is a mistake.

Found in the text of the files in `plugins:`, before anything runs. A key is read where any of these files reads an
attribute of that name, so that one that matters only in a branch is never blamed; a class that hands on `self` as a
whole, or has parents from elsewhere, may read any. A Keras class reads an argument where its `__init__` does. Only a
value other than the default is reported, as a run's config.yaml holds every key. dltrain's own classes are not looked
at: tests/test_house.py holds that each of their keys is read.
"""

import ast
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dltrain.config.document import Node, Problem
from dltrain.plugins import loading as plugins
from dltrain.registry import KINDS, Choice

ALL = "__dict__"
"""Stands for whatever an object has."""

_READERS = (
    *("engine", "checkpoints", "assembly", "training", "inference", "diagnostics", "replication", "distributed"),
    *("config", "inspection"),
)
"""Rooms whose code reads keys that several classes of a kind have."""


def problems(value: Any, node: Node, path: str = "") -> Iterator[Problem]:
    """Yields a problem for each such key.

    Args:
        value: an experiment, or a part of it.
        node: where it was read from.
        path: its key path.
    """
    if isinstance(value, tuple) and isinstance(node.value, list):
        for index, (item, below) in enumerate(zip(value, node.value, strict=True)):
            yield from problems(item, below, f"{path}[{index}]")
    if not dataclasses.is_dataclass(value) or isinstance(value, type) or not isinstance(node.value, dict):
        return
    for field in dataclasses.fields(value):
        if field.name not in node.value:
            continue
        key = f"{path}.{field.name}" if path else field.name
        given = getattr(value, field.name)
        yield from problems(given, node.value[field.name], key)
        default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if given != default and _is_unread(type(value), field.name):
            cls: Any = (isinstance(value, Choice) and value.keras_class) or type(value)
            yield node.keys[field.name].problem(f"{key} has no effect: {cls.__name__} never reads it")


def attributes_read(tree: ast.AST) -> set[str]:
    """Returns the names of attributes that code reads, with ALL where an object hands on itself.

    Checks read a key without using it, and do not count, unless they set something by it.
    """
    found: set[str] = set()
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef) and node.name == "__post_init__" and "__setattr__" not in ast.dump(node):
            continue
        below = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.Attribute):
            found |= {node.attr} if isinstance(node.ctx, ast.Load) else set()
            below = [] if isinstance(node.value, ast.Name) else below
        elif isinstance(node, ast.Name) and node.id == "self":
            found.add(ALL)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr"):
            found |= {
                word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)
            }
        waiting += below
    return found


def _is_unread(cls: Any, key: str) -> bool:
    texts = {path.stem: content for path, content in plugins.loaded.items()}
    if cls.__module__ not in texts or not issubclass(cls, Choice):
        return False
    contracts = {object, Choice, *(registry.base for registry in KINDS)}
    if any(key in vars(each) for each in cls.__mro__ if each in contracts):
        return False  # of the contract, which dltrain reads: which way a metric is better
    if cls.keras_class is not None:
        start = _start(texts, cls.keras_class)
        if start is None or key not in {word.arg for word in (*start.args.args, *start.args.kwonlyargs)}:
            return False  # written elsewhere, or dltrain's to read
        return not {node.id for node in ast.walk(start) if isinstance(node, ast.Name)} & {key, "locals"}
    owners = [each for each in cls.__mro__ if key in each.__dict__.get("__annotations__", {})]
    if not all(each.__module__ in texts for each in (*owners, *cls.__mro__) if each not in contracts):
        return False
    read = {name for content in texts.values() for name in _read_in(content)}
    return not read & {key, ALL} and key not in _read_by_dltrain()


def _start(texts: dict[str, bytes], cls: type) -> ast.FunctionDef | None:
    """Returns the `__init__` of a class as it is written in a file of the user's; none where it is elsewhere."""
    owner = next(each for each in cls.__mro__ if "__init__" in each.__dict__)
    for item in ast.walk(ast.parse(texts.get(owner.__module__, b""))):
        if isinstance(item, ast.ClassDef) and item.name == owner.__name__:
            return next((part for part in item.body if getattr(part, "name", "") == "__init__"), None)  # type: ignore[return-value]
    return None


@functools.cache
def _read_in(content: bytes) -> frozenset[str]:
    return frozenset(attributes_read(ast.parse(content)))


@functools.cache
def _read_by_dltrain() -> frozenset[str]:
    """Returns what dltrain's own code reads of classes that it does not know: `class_weights` of a task, and such."""
    files = [path for room in _READERS for path in (Path(__file__).parents[1] / room).glob("*.py")]
    return frozenset(name for path in files for name in attributes_read(ast.parse(path.read_bytes())))
