"""Figures and tables of a report on predicted classes and labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dltrain.figures.answers import MOST_NAMED, Confusion, Reliability, TradeOff
from dltrain.report.parts import Figure, Part, Table
from dltrain.report.scores import Ranking, calibration, confusion, per_class, ranking
from dltrain.wording import number

GRID = np.linspace(0, 1, 201)
"""Where curves are read off."""

MOST_ROWS = 1000
"""Classes that a table names; of more those with the smallest F1."""

PAIRS = 20
"""Confused pairs that a table names."""

LISTED = 5
"""Labels of one example that a line names."""


def confused(names: Sequence[str], actual: np.ndarray, predicted: np.ndarray, part: str) -> list[Part]:
    """Returns the confusion matrix, and for many classes a table of the most frequent confusions."""
    counts = confusion(actual, predicted, len(names))
    wrong = int(counts.sum() - np.trace(counts))
    note = f"{part} part: {wrong:,} of {len(actual):,} examples have another predicted class; darker: a larger share"
    if len(names) > MOST_NAMED:
        note += f"; each cell sums neighbouring classes of the {len(names):,}"
    panel = Confusion("Confusion", note, names, counts)
    parts: list[Part] = [Figure("confusion", panel, panel.width)]
    if len(names) > 10 and wrong:
        between = counts - np.diag(np.diag(counts))
        order = np.argsort(-between, axis=None, kind="stable")[:PAIRS]
        pairs = [divmod(int(place), len(names)) for place in order if between.flat[place]]
        sizes = counts.sum(axis=1)
        rows = [
            (names[right], names[wrong], f"{between[right, wrong]:,}", f"{between[right, wrong] / sizes[right]:.1%}")
            for right, wrong in pairs
        ]
        parts.append(
            Table("Most confused", ("actual", "predicted", "examples", "share of the actual class"), rows, words=2)
        )
    return parts


class Measured(NamedTuple):
    """The measures of each class or label.

    Args:
        names: what they are called.
        sizes: how many examples have each.
        right: how often each was predicted rightly.
        predicted: how often each was predicted.
        rankings: the curves of each, none where all examples have it or none has.
    """

    names: Sequence[str]
    sizes: np.ndarray
    right: np.ndarray
    predicted: np.ndarray
    rankings: Sequence[Ranking | None]


def measure(names: Sequence[str], scores: np.ndarray, has: np.ndarray, predicted: np.ndarray) -> Measured:
    """Counts correct predictions and ranks the scores of each class or label.

    Args:
        names: what they are called.
        scores: more means rather, (examples, classes).
        has: which each example has, bool, likewise.
        predicted: which each is predicted to have, bool, likewise.
    """
    rankings = [ranking(scores[:, index], has[:, index]) for index in range(len(names))]
    return Measured(names, has.sum(axis=0), (has & predicted).sum(axis=0), predicted.sum(axis=0), rankings)


def class_table(found: Measured) -> Table:
    """Returns precision, recall, F1 and the areas of each class; of many classes the worst first."""
    precision, recall, f1 = per_class(found.right, found.sizes, found.predicted)
    order, note = (
        list(range(len(found.names))),
        "-: no example has it, or it is predicted for none, so there is nothing to divide by",
    )
    if len(order) > Table.shown:
        order.sort(key=lambda index: (np.isnan(f1[index]) or not found.sizes[index], f1[index], index))
        more = f"; {MOST_ROWS:,} of {len(order):,} are listed" if len(order) > MOST_ROWS else ""
        note = f"the smallest F1 first{more}; {note}"
    areas = [(each.area, each.average_precision) if each else (np.nan, np.nan) for each in found.rankings]
    rows = [
        (found.names[index], f"{found.sizes[index]:,}", *map(_share, (precision[index], recall[index], f1[index])),
         *map(_share, areas[index]))
        for index in order[:MOST_ROWS]
    ]  # fmt: skip
    there = found.sizes > 0
    # A class that is never predicted has no precision, and counts as 0 in the mean, as in that of F1.
    means = [_mean(np.nan_to_num(values[there])) for values in (precision, recall, f1)]
    means += [_mean(np.array(values)) for values in zip(*areas, strict=True)]
    if len(order) > 1:
        rows.insert(0, (f"mean of the {int(there.sum()):,} that occur", f"{int(found.sizes.sum()):,}", *means))
    columns = ("", "examples", "precision", "recall", "F1", "ROC area", "average precision")
    return Table("One by one", columns, rows, note)


def trade_offs(names: Sequence[str], rankings: Sequence[Ranking | None]) -> list[Part]:
    """Returns ROC and precision-recall curves: of one class, or the mean and the worst of several."""
    known = [(name, each) for name, each in zip(names, rankings, strict=True) if each]
    if not known:
        return []
    rates = np.array([_steps(GRID, each.false_alarms, each.found) for _, each in known])
    precisions = np.array([each.precision[np.searchsorted(each.found, GRID - 1e-12)] for _, each in known])
    areas = np.array([each.area for _, each in known])
    averages = np.array([each.average_precision for _, each in known])
    one = f" of {known[0][0]!r}" if len(known) == 1 else ""
    whose = "mean area under the curve" if len(known) > 1 else "area under the curve"
    roc = TradeOff(
        f"ROC{one}", f"{whose} {number(areas.mean())}; 1 is perfect, 0.5 is guessing",
        "false positive rate", "true positive rate",
        GRID, rates.mean(axis=0), chance=GRID, **_others(known, rates, areas),
    )  # fmt: skip
    chance = known[0][1].precision[-1]  # at the last threshold it is predicted for all examples
    precision = TradeOff(
        f"Precision over recall{one}",
        f"{'mean average' if len(known) > 1 else 'average'} precision {number(averages.mean())}",
        "recall", "precision",
        GRID, precisions.mean(axis=0), chance=np.full_like(GRID, chance) if len(known) == 1 else None,
        **_others(known, precisions, averages),
    )  # fmt: skip
    return [Figure("roc", roc), Figure("precision-recall", precision)]


def _others(known: list[tuple[str, Ranking]], curves: np.ndarray, areas: np.ndarray) -> dict[str, Any]:
    """Returns where nine in ten of the curves are above, and the worst curve with its name; nothing of a single one."""
    if len(known) == 1:
        return {}
    worst = int(np.argmin(areas))
    return {"low": np.quantile(curves, 0.1, axis=0), "worst": curves[worst], "worst_name": known[worst][0]}


def _steps(at: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y[np.searchsorted(x, at, side="right") - 1]


def reliability(confidence: np.ndarray, is_right: np.ndarray, answers: str, note: str) -> Figure:
    """Returns the reliability diagram, with the expected calibration error."""
    found = calibration(confidence, is_right)
    title = f"Calibration: ECE {number(found.error)}"
    words = f"expected calibration error (ECE): mean gap to the dotted line over {len(found.counts)} bins; {note}"
    return Figure("calibration", Reliability(title, words, found.confidence, found.right, found.counts, answers))


def counted(shown: int, all_of_them: int, one: str, several: str) -> str:
    """Returns the title of a list of mistakes, what one is called and what several are."""
    if shown < all_of_them:
        return f"The {shown} worst of {all_of_them:,} {several}"
    return {0: f"No {several}", 1: f"The one {one}"}.get(shown, f"All {shown:,} {several}")


def listed(names: Sequence[str]) -> str:
    """Returns at most five names in a line, and how many more there are."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more or "none"


def _share(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _mean(values: np.ndarray) -> str:
    known = values[~np.isnan(values)]
    return _share(float(known.mean())) if len(known) else "-"
