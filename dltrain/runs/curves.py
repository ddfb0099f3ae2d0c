"""The columns of metrics.csv as curves over epochs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from dltrain.errors import RunError
from dltrain.runs.listing import Entry, as_float

_COUNTS = ("epoch", "step", "seconds")


@dataclass(frozen=True)
class Curve:
    """A column of a run.

    Args:
        column: its name.
        epochs: rising.
        values: at these; what is not finite is left out of both.
    """

    column: str
    epochs: list[int]
    values: list[float]


def curves(entry: Entry) -> dict[str, Curve]:
    """Returns every column of a run's metrics.csv that has values, by its name.

    Raises:
        RunError: if the run is damaged or no epoch is done.
    """
    if entry.status == "damaged":
        raise RunError(f"{entry.run.path}: is damaged: {entry.reason}")
    found: dict[str, Curve] = {}
    for row in entry.rows:
        for column, text in row.items():
            value = as_float(text)
            if column not in _COUNTS and math.isfinite(value):
                curve = found.setdefault(column, Curve(column, [], []))
                curve.epochs.append(int(row["epoch"]))
                curve.values.append(value)
    if not found:
        why = "metrics.csv is missing or empty" if entry.epochs else f"it is {entry.status} and has finished no epoch"
        raise RunError(f"{entry.run.path}: has no metrics: {why}")
    return found


def metrics(runs: Sequence[dict[str, Curve]], wanted: Sequence[str] = ()) -> list[str]:
    """Returns what there is to draw: metrics without `val_`, of any of the runs; all, or those that are wanted.

    Raises:
        RunError: if none of the runs has one that is wanted.
    """
    names = list(dict.fromkeys(column.removeprefix("val_") for run in runs for column in run))
    names = [name for name in names if name != "learning_rate"] + [name for name in names if name == "learning_rate"]
    for name in wanted:
        if name.removeprefix("val_") not in names:
            near = get_close_matches(name, names, n=1)
            hint = f', did you mean "{near[0]}"?' if near else f"; there are {', '.join(names)}"
            raise RunError(f"--metric: no metric {name!r}{hint}")
    return list(dict.fromkeys(name.removeprefix("val_") for name in wanted)) or names
