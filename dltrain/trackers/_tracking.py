"""Code that trackers share."""

from importlib.util import find_spec
from typing import Any

from dltrain.errors import KeyProblem


def check_installed(package: str, name: str) -> None:
    """Raises KeyProblem, which names the extra, where a tracker's package is not installed."""
    if find_spec(package) is None:
        raise KeyProblem("name", f": {package} needs {name}: pip install 'dltrain[{package}]'")


def flat(value: Any, path: str = "") -> dict[str, str]:
    """Flattens a config to texts by key path; the items of a list as `augment.0.name`."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if below is None:
        return {path: str(value)}
    prefix = f"{path}." if path else ""
    return {key: text for name, inner in below for key, text in flat(inner, f"{prefix}{name}").items()}


def measured(row: dict[str, Any]) -> dict[str, float]:
    """Returns the measurements of a row of metrics.csv, without its position in the run and what is undefined."""
    known = {name: value for name, value in row.items() if name not in ("epoch", "step") and value is not None}
    return {name: float(value) for name, value in known.items()}


def results(summary: dict[str, Any]) -> dict[str, float]:
    """Returns the results of the best weights, as `test_accuracy` and `best_val_accuracy`."""
    best = summary.get("best")
    found = {f"best_{best['monitor']}": best["value"]} if best else {}
    tested = {name: value for name, value in (summary.get("test") or {}).items() if value is not None}
    return found | {f"test_{name}": value for name, value in tested.items()}
