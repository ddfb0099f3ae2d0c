"""Losses and metrics by name, and those of the user's own code."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from dltrain.errors import KeyProblem
from dltrain.registry import LOSSES, METRICS, short_name

OwnLoss = Annotated[Any, LOSSES]
OwnMetric = Annotated[Any, METRICS]


def names(metrics: Sequence[Any]) -> list[str]:
    """Returns what the metrics are called in metrics.csv.

    Raises:
        ValueError: if one is called like another.
    """
    found = [short_name(metric) for metric in metrics]
    if len(set(found)) < len(found):
        raise KeyProblem("metrics", f"must not name one twice, got {found}")
    return found


def build(metrics: Sequence[Any], known: dict[str, Callable[[str], Any]]) -> list[Any]:
    """Returns the Keras metrics.

    Args:
        metrics: names, and blocks of the user's.
        known: makes the metric of a name.
    """
    made = []
    for metric, name in zip(metrics, names(metrics), strict=True):
        made.append(known[metric](name) if isinstance(metric, str) else metric.build())
        made[-1].name = name
    return made


def larger_is_better(metrics: Sequence[Any], column: str, otherwise: bool) -> bool:
    """Whether more is better in a column: for a metric of the user's, as its block or its class says.

    Args:
        metrics: names, and blocks of the user's.
        column: of metrics.csv.
        otherwise: what holds for a column that is none of the user's metrics.
    """
    for metric, name in zip(metrics, names(metrics), strict=True):
        if not isinstance(metric, str) and column.removeprefix("val_") == name:
            return bool(metric.larger_is_better)
    return otherwise
