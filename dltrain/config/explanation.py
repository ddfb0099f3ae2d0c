"""Why a config says what it says: each value with its place, what it took the place of, and what the key means."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.config import document
from dltrain.config.document import Node, Source
from dltrain.config.experiment import Config, Experiment, to_plain
from dltrain.config.origins import leaves, marks, origin
from dltrain.config.schema import describe, field_types
from dltrain.errors import ConfigError
from dltrain.registry import Choice, field_help, suggestion, summary_line

WIDEST = 44
"""Columns behind which a comment stands no further to the right than its own line asks for."""


@dataclass(frozen=True)
class Explained:
    """A value of an experiment.

    Args:
        key: its key path.
        value: as plain YAML.
        origin: `mine.yaml:12`, `argument seed=1` or `default`.
        over: what it took the place of, nearest first, each {"value", "origin"}.
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
    """Returns every value, in the config's order.

    Args:
        config: the experiment.
        found: what `origins` says of it, or said when the run began.
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
    """Returns the config as YAML that loads again, the place of each value in a comment behind it."""
    origins = {row.key: row.origin for row in rows}
    text = document.dump(to_plain(config.experiment), width=10**6)
    lines = text.splitlines()
    root = document.parse(Source("", text, Path()))
    remarks = {mark.line - 1: origins[key] for key, mark in marks(root) if key in origins}
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
    """Returns what a key takes and what it means, as far as classes tell: below them, what the block means."""
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
