"""Where each value of a config came from, what it replaced, and what its key means."""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.config import document
from dltrain.config.document import Mark, Node, Source
from dltrain.config.experiment import Config, Experiment, to_plain
from dltrain.config.schema import describe, field_types
from dltrain.errors import ConfigError
from dltrain.registry import Choice, field_help, suggestion, summary_line

DEFAULT = "default"

WIDEST = 44
"""Lines longer than this many columns do not move the comments of the other lines."""


def origins(config: Config) -> dict[str, str]:
    """Returns where each value that was written down stands, by key path: `cnn.yaml:24`, or `argument seed=1`."""
    return {path: str(mark) for path, mark in marks(config.root)}


def settings(config: Config, found: dict[str, str]) -> list[tuple[str, str, str]]:
    """Returns each key with its value in words and where that came from.

    Args:
        config: the whole experiment.
        found: what `origins` returned when the run started.
    """
    return [(key, _value(value), origin(key, found)) for key, value in leaves(to_plain(config.experiment))]


def origin(key: str, found: dict[str, str]) -> str:
    """Returns where the value of a key came from, as `origins` found it."""
    return found.get(key, DEFAULT)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Gives each plain value with its key path; a list is one value, unless there are blocks in it."""
    if isinstance(value, dict) and value:
        for name, below in value.items():
            yield from leaves(below, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def marks(node: Node, path: str = "") -> Iterator[tuple[str, Mark]]:
    """Gives the place of each value, with its key path as `leaves` has it."""
    if isinstance(node.value, dict) and node.value:
        for name, below in node.value.items():
            yield from marks(below, f"{path}.{name}" if path else name)
    elif isinstance(node.value, list) and any(isinstance(item.value, dict) for item in node.value):
        for index, item in enumerate(node.value):
            yield from marks(item, f"{path}[{index}]")
    else:
        yield path, node.mark


@dataclass(frozen=True)
class Explained:
    """A value of an experiment.

    Args:
        key: its key path.
        value: as plain YAML.
        origin: `mine.yaml:12`, `argument seed=1` or `default`.
        over: the values that it replaced, nearest first, each {"value", "origin"}.
        must_be: what the key takes, in words.
        help: what the key means.
    """

    key: str
    value: Any
    origin: str
    over: tuple[dict[str, Any], ...]
    must_be: str
    help: str


def explain(config: Config, found: dict[str, str]) -> list[Explained]:
    """Returns every value with its origin and meaning, in the config's order.

    Args:
        config: the experiment.
        found: what `origins` returns for it, or returned when the run started.
    """
    rows = []
    for key, value in leaves(to_plain(config.experiment)):
        must_be, words = _meaning(config.experiment, key)
        rows.append(Explained(key, value, origin(key, found), _over(config.root, key), must_be, words))
    return rows


def under(rows: list[Explained], key: str) -> list[Explained]:
    """Returns the value of a key path, or all those of a block.

    Raises:
        ConfigError: if there is no such key; names the nearest one.
    """
    path = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", key)  # as an argument may say it: augment.0.name
    chosen = [row for row in rows if row.key == path or row.key.startswith((f"{path}.", f"{path}["))]
    if not chosen:
        blocks = {row.key[: match.start()]: None for row in rows for match in re.finditer(r"[.\[]", row.key)}
        block = max((block for block in blocks if path.startswith(f"{block}.")), key=len, default="")
        rest = len(block) + bool(block)
        inside = {name[rest:]: None for name in [*blocks, *(row.key for row in rows)] if name.startswith(f"{block}.")}
        names = [*inside] if block else [*blocks, *(row.key for row in rows)]
        there = suggestion(path[rest:], names, f"{block or 'a config'} has")
        raise ConfigError([f"no key {key!r}{there}"])
    return chosen


def annotated(config: Config, rows: list[Explained]) -> str:
    """Returns the config as YAML that loads again, with the origin of each value in a comment."""
    found = {row.key: row.origin for row in rows}
    text = document.dump(to_plain(config.experiment), width=10**6)
    lines = text.splitlines()
    root = document.parse(Source("", text, Path()))
    remarks = {mark.line - 1: found[key] for key, mark in marks(root) if key in found}
    column = max([len(lines[number]) for number in remarks if len(lines[number]) <= WIDEST], default=0)
    for number, words in remarks.items():
        lines[number] = f"{lines[number].ljust(column)}  # {' '.join(words.split())}"
    return "\n".join(lines)


def _over(root: Node, key: str) -> tuple[dict[str, Any], ...]:
    node: Any = root
    for step in re.findall(r"\w+", key):
        value = node.value
        if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            node = value[int(step)]
        elif isinstance(value, dict) and step in value:
            node = value[step]
        else:
            return ()
    found = []
    while (node := node.over) is not None:
        found.append({"value": _plain(node), "origin": str(node.mark)})
    return tuple(found)


def _plain(node: Node) -> Any:
    if isinstance(node.value, list):
        return [_plain(item) for item in node.value]
    return {key: _plain(item) for key, item in node.value.items()} if isinstance(node.value, dict) else node.value


def _meaning(experiment: Experiment, key: str) -> tuple[str, str]:
    """Returns what values a key takes and what it means; below a class's own keys, what its block means."""
    value: Any = experiment
    must_be, words = "", ""
    for step in re.findall(r"\w+", key):
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            if step == "name" and isinstance(value, Choice):
                return "", summary_line(type(value))
            must_be = describe(field_types(type(value))[step])
            words = field_help(type(value)).get(step, "")
            value = getattr(value, step)
        elif isinstance(value, tuple) and step.isdecimal():
            value = value[int(step)]
        else:
            break
    return must_be, words


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_value(item)}' for key, item in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)
