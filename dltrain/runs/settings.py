"""The values of a run's config.yaml by key path. Nothing in it is built, and no plugin is run."""

import re
from typing import Any

import yaml

from dltrain import untrusted
from dltrain.errors import RunError
from dltrain.runs.folder import Run

MAX_BYTES = 128 * 1024
MAX_DEPTH = 32

# libyaml where it is there: seven times as fast, for a table of hundreds of runs. Texts only: no tags, no types.
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def settings(run: Run) -> dict[str, Any]:
    """Returns every value of a run's config.yaml by its key path, such as optimizer.learning_rate; lists are values.

    Raises:
        RunError: if the file cannot be read as one that a run writes.
    """
    return _flat(read(run))


def read(run: Run) -> dict[str, Any]:
    """Returns the content of a run's config.yaml, block within block; empty where there is none yet.

    Raises:
        RunError: if the file cannot be read as one that a run writes.
    """
    try:
        data = untrusted.content(run.config, MAX_BYTES)
        with untrusted.parsing():
            return _parsed(data)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise RunError(f"{run.config}: cannot be read: {error.strerror}") from None
    except untrusted.Unreadable as error:
        raise RunError(f"{run.config}: cannot be read: {error}") from None


def _parsed(data: bytes) -> dict[str, Any]:
    loader = yaml.BaseLoader if rb"\uDC" in data else _LOADER  # libyaml refuses bytes of names that are no UTF-8
    found = yaml.load(data.decode(), loader)  # noqa: S506  (it makes texts alone)
    if found is None:
        raise ValueError("is empty")
    plain = _Walk().plain(found)
    if not isinstance(plain, dict):
        raise ValueError("must be a mapping of keys to values")
    return plain


def provenance_of(run: Run) -> dict[str, str]:
    """Returns where the values of a run's config came from, by key path; nothing where that is not known."""
    found = run.read_environment().get("origins")
    return {str(key): str(words) for key, words in found.items()} if isinstance(found, dict) else {}


class _Walk:
    """One walk over what was read, which refuses what a run never writes: anchors, which multiply, and great depth."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def plain(self, value: Any, depth: int = 0) -> Any:
        """Returns a text as the boolean, number or text that it spells."""
        if isinstance(value, list | dict):
            if depth > MAX_DEPTH or id(value) in self._seen:
                raise ValueError(f"has anchors or more than {MAX_DEPTH} levels")
            self._seen.add(id(value))
            if isinstance(value, list):
                return [self.plain(item, depth + 1) for item in value]
            return {str(key): self.plain(item, depth + 1) for key, item in value.items()}
        if value in ("true", "false"):
            return value == "true"
        if re.fullmatch(r"[-+]?\d{1,18}", value):
            return int(value)
        if re.fullmatch(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", value):
            return float(value)
        return value


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat
