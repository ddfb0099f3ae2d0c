"""Where each value of an experiment came from: a line of a file, an argument, or nowhere, which is a default."""

from collections.abc import Iterator
from typing import Any

from dltrain.config.document import Mark, Node
from dltrain.config.experiment import Config, to_plain

DEFAULT = "default"


def origins(config: Config) -> dict[str, str]:
    """Returns where each value that was written down stands, by key path: `cnn.yaml:24`, or `argument seed=1`."""
    return {path: str(mark) for path, mark in _marks(config.root, "")}


def settings(config: Config, found: dict[str, str]) -> list[tuple[str, str, str]]:
    """Returns each key with its value in words and where that came from.

    Args:
        config: the whole experiment.
        found: what `origins` returned when the run began.
    """
    return [(key, _value(value), _origin(key, found)) for key, value in _leaves(to_plain(config.experiment), "")]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Gives each value with its key path; a list is one value, unless it is one of blocks."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves(below, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _marks(node: Node, path: str) -> Iterator[tuple[str, Mark]]:
    if isinstance(node.value, dict):
        for name, below in node.value.items():
            yield from _marks(below, f"{path}.{name}" if path else name)
    elif isinstance(node.value, list) and any(isinstance(item.value, dict) for item in node.value):
        for index, item in enumerate(node.value):
            yield from _marks(item, f"{path}[{index}]")
    else:
        yield path, node.mark


def _origin(key: str, found: dict[str, str]) -> str:
    block = key.removesuffix(".name")  # `schedule: cosine` is short for `schedule: {name: cosine}`
    return found.get(key) or (found.get(block) if block != key else None) or DEFAULT


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_value(item)}' for key, item in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)
