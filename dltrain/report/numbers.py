"""What predicted numbers look like in a report."""

from __future__ import annotations

import numpy as np

from dltrain.features.numbers import Number
from dltrain.figures.panels import Histogram, number
from dltrain.figures.residuals import Scatter
from dltrain.report.parts import Figure, Part, Table

DRAWN = 4
"""Numbers to predict that are drawn; a table has them all."""

BINS = 30
"""Of a histogram of residuals, at most."""


def numbers(targets: tuple[Number, ...], truth: np.ndarray, told: np.ndarray, part: str) -> list[Part]:
    """Returns truth against prediction, residuals, and a table of both.

    Args:
        targets: what is predicted.
        truth: (examples, targets).
        told: likewise.
        part: of the data.
    """
    parts: list[Part] = []
    for index, target in enumerate(targets[:DRAWN]):
        right, got = truth[:, index].astype(float), told[:, index].astype(float)
        parts += _figures(target, right, got, part, f"-{index + 1}" if len(targets) > 1 else "")
    rows = [_row(target, *pair) for target, *pair in zip(targets, truth.T, told.T, strict=True)]
    more = f"; the first {DRAWN} of {len(targets)} are drawn" if len(targets) > DRAWN else ""
    columns = ("", "mean absolute error", "root of mean square", "R2", "mean residual", "largest error")
    note = f"all but R2 in the units of each; a residual is prediction less truth{more}"
    return [*parts, Table("Errors", columns, rows, note)]


def _figures(target: Number, truth: np.ndarray, told: np.ndarray, part: str, suffix: str) -> list[Part]:
    residuals = told - truth
    note = f"{part} part: on the broken line a prediction is right"
    agreement = Scatter(
        f"{target.name}: prediction and truth", note, f"truth, {target.name}", "prediction", truth, told, "diagonal"
    )
    against = Scatter(
        f"{target.name}: residuals", "prediction less truth; a pattern is something that was not learnt",
        f"prediction, {target.name}", "residual", told, residuals, "zero",
    )  # fmt: skip
    found = [Figure(f"prediction-truth{suffix}", agreement), Figure(f"residuals{suffix}", against)]
    known = residuals[np.isfinite(residuals)]
    if len(known):
        mean, deviation = float(known.mean()), float(known.std())
        counts, edges = np.histogram(known, min(BINS, 2 + int(2 * len(known) ** 0.5)))
        words = f"mean {number(mean)}, deviation {number(deviation)}, in the units of {target.name}"
        spread = Histogram(
            f"{target.name}: how residuals are spread", words, edges, {part: counts / len(known)}, mean, deviation
        )
        found.append(Figure(f"residual-histogram{suffix}", spread))
    return list(found)


def _row(target: Number, truth: np.ndarray, told: np.ndarray) -> tuple[str, ...]:
    truth, told = truth.astype(float), told.astype(float)
    residuals = told - truth
    spread = float(((truth - truth.mean()) ** 2).sum())
    explained = f"{1 - float((residuals**2).sum()) / spread:.3f}" if spread else "-"
    errors = np.abs(residuals)
    return (
        target.name,
        number(errors.mean()),
        number(np.sqrt((residuals**2).mean())),
        explained,
        number(residuals.mean()),
        number(errors.max()),
    )
