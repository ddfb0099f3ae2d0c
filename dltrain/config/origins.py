"""Where each value of an experiment came from: a line of a file, an argument, or nowhere, which is a default."""

from dltrain.config.changes import flat
from dltrain.config.document import Mark, Node
from dltrain.config.experiment import Config, to_plain

DEFAULT = "default"


def origins(config: Config) -> dict[str, str]:
    """Returns where each value that was written down stands, by key path: `cnn.yaml:24`, or `argument seed=1`."""
    return {path: _words(mark) for path, mark in _marks(config.root, "").items()}


def settings(config: Config, found: dict[str, str]) -> list[tuple[str, str, str]]:
    """Returns each key with its value in words and where that came from.

    Args:
        config: the whole experiment.
        found: what `origins` returned when the run began.
    """
    return [(key, _value(value), _origin(key, found)) for key, value in flat(to_plain(config.experiment)).items()]


def _marks(node: Node, path: str) -> dict[str, Mark]:
    if not isinstance(node.value, dict):
        return {path: node.mark}
    prefix = f"{path}." if path else ""
    return {key: mark for name, below in node.value.items() for key, mark in _marks(below, prefix + name).items()}


def _words(mark: Mark) -> str:
    return f"argument {mark.source.name}" if mark.source.is_argument else f"{mark.source.name}:{mark.line}"


def _origin(key: str, found: dict[str, str]) -> str:
    block = key.removesuffix(".name")  # `schedule: cosine` is short for `schedule: {name: cosine}`
    return found.get(key) or (found.get(block) if block != key else None) or DEFAULT


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_value(item)}' for key, item in value.items())}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)
