"""Figures and a table of a report on predicted numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dltrain.figures.panels import Histogram
from dltrain.figures.residuals import Scatter
from dltrain.report.parts import Figure, Part, Table
from dltrain.wording import number

DRAWN = 4
"""Numbers to predict that are drawn; a table has them all."""

BINS = 30
"""Of a histogram of residuals, at most."""


def numbers(names: Sequence[str], actual: np.ndarray, predicted: np.ndarray, part: str) -> list[Part]:
    """Returns scatter plots of predicted and actual numbers, their residuals, and a table of errors.

    Args:
        names: what is predicted.
        actual: (examples, targets).
        predicted: likewise.
        part: of the data.
    """
    parts: list[Part] = []
    for index, name in enumerate(names[:DRAWN]):
        right, got = actual[:, index].astype(float), predicted[:, index].astype(float)
        parts += _figures(name, right, got, part, f"-{index + 1}" if len(names) > 1 else "")
    rows = [_row(name, *pair) for name, *pair in zip(names, actual.T, predicted.T, strict=True)]
    more = f"; the first {DRAWN} of {len(names)} are drawn" if len(names) > DRAWN else ""
    columns = ("", "mean absolute error", "root mean square error", "R2", "mean residual", "largest error")
    note = f"all but R2 in the units of the target; a residual is predicted minus actual{more}"
    return [*parts, Table("Errors", columns, rows, note)]


def _figures(name: str, actual: np.ndarray, predicted: np.ndarray, part: str, suffix: str) -> list[Part]:
    residuals = predicted - actual
    note = f"{part} part; on the dashed line the prediction is exact"
    agreement = Scatter(
        f"{name}: predicted and actual", note, f"actual, {name}", "predicted", actual, predicted, "diagonal"
    )
    against = Scatter(
        f"{name}: residuals", "predicted minus actual; a pattern shows what was not learnt",
        f"predicted, {name}", "residual", predicted, residuals, "zero",
    )  # fmt: skip
    found = [Figure(f"prediction-truth{suffix}", agreement), Figure(f"residuals{suffix}", against)]
    known = residuals[np.isfinite(residuals)]
    if len(known):
        mean, deviation = float(known.mean()), float(known.std())
        counts, edges = np.histogram(known, min(BINS, 2 + int(2 * len(known) ** 0.5)))
        words = f"mean {number(mean)}, standard deviation {number(deviation)}, in the units of {name}"
        spread = Histogram(
            f"{name}: distribution of the residuals", words, edges, {part: counts / len(known)}, mean, deviation
        )
        found.append(Figure(f"residual-histogram{suffix}", spread))
    return list(found)


def _row(name: str, actual: np.ndarray, predicted: np.ndarray) -> tuple[str, ...]:
    actual, predicted = actual.astype(float), predicted.astype(float)
    residuals = predicted - actual
    spread = float(((actual - actual.mean()) ** 2).sum())
    explained = f"{1 - float((residuals**2).sum()) / spread:.3f}" if spread else "-"
    errors = np.abs(residuals)
    return (
        name,
        number(errors.mean()),
        number(np.sqrt((residuals**2).mean())),
        explained,
        number(residuals.mean()),
        number(errors.max()),
    )
