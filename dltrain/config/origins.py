"""Where each value of an experiment came from: a line of a file, an argument, or nowhere, which is a default."""

from collections.abc import Iterator
from typing import Any

from dltrain.config.document import Mark, Node
from dltrain.config.experiment import Config, to_plain

DEFAULT = "default"


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


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_value(item)}' for key, item in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)
