"""Charts that overlay the curves of several runs, one for each metric, with their legend."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dltrain.figures.curves import Chart, Legend, Line
from dltrain.runs.curves import Curve

Curves = dict[str, Curve]
"""A run's columns by name."""


@dataclass(frozen=True)
class Stroke:
    """A curve with its name and colour."""

    hue: int
    name: str
    curve: Curve


def of_runs(runs: dict[str, Curves], metrics: Sequence[str], best: dict[str, Any] | None) -> tuple[Legend, list[Chart]]:
    """Returns charts of runs, each by itself.

    Args:
        runs: by name.
        metrics: what to draw.
        best: the best epoch of the one run, which is marked; none for several runs.
    """
    charts = []
    names = dict(enumerate(runs)) if len(runs) > 1 else {}
    for metric in metrics:
        drawn = strokes(runs, metric)
        names |= {stroke.hue: stroke.name for stroke in drawn}
        lines = [Line(stroke.name, stroke.curve.epochs, stroke.curve.values, stroke.hue) for stroke in drawn]
        charts.append(_chart(metric, [*runs.values()], lines, best["epoch"] if best else None))
    return Legend([names[hue] for hue in sorted(names)]), charts


def of_groups(groups: dict[str, list[Curves]], metrics: Sequence[str]) -> tuple[Legend, list[Chart]]:
    """Returns charts of groups of runs: the mean of each, and a band of one standard deviation to each side."""
    charts = []
    everything = [run for runs in groups.values() for run in runs]
    for metric in metrics:
        lines = [
            _mean(label, curves, hue)
            for hue, (label, runs) in enumerate(groups.items())
            if (curves := [curve for run in runs if (curve := _foremost(run, metric))])
        ]
        if lines:
            charts.append(_chart(metric, everything, lines))
    names = [f"{label} ({len(runs)} seeds)" if len(runs) > 1 else label for label, runs in groups.items()]
    has_bands = any(len(runs) > 1 for runs in groups.values())
    return Legend(
        names, "line: mean of the seeds; band: one standard deviation to each side" if has_bands else ""
    ), charts


def strokes(runs: dict[str, Curves], metric: str) -> list[Stroke]:
    """Returns what is drawn for a metric: of several runs a curve each, of one run train and validation."""
    if len(runs) > 1:
        named = {name: _foremost(run, metric) for name, run in runs.items()}
    else:
        (run,) = runs.values()
        named = {"train": run.get(metric), "validation": run.get(f"val_{metric}")}
    return [Stroke(hue, name, curve) for hue, (name, curve) in enumerate(named.items()) if curve]


def _chart(metric: str, runs: Sequence[Curves], lines: Sequence[Line], best: int | None = None) -> Chart:
    is_rate = metric == "learning_rate"
    words = metric.replace("_", " ")
    if not is_rate and len(runs) > 1:
        parts = {"validation" if f"val_{metric}" in run else "train" for run in runs if _foremost(run, metric)}
        words += f" ({' or '.join(sorted(parts))})"
    return Chart(words, lines, best=best, may_be_logarithmic=metric.endswith("loss"), from_zero=is_rate)


def _foremost(run: Curves, metric: str) -> Curve | None:
    """Returns the curve that counts: on the validation part, where there is one."""
    return run.get(f"val_{metric}") or run.get(metric)


def _mean(label: str, curves: Sequence[Curve], hue: int) -> Line:
    if len(curves) == 1:
        return Line(label, curves[0].epochs, curves[0].values, hue)
    epochs = sorted(set.intersection(*(set(curve.epochs) for curve in curves)))
    at = [dict(zip(curve.epochs, curve.values, strict=True)) for curve in curves]
    values = [[each[epoch] for each in at] for epoch in epochs]
    deviations = [statistics.stdev(each) for each in values]
    return Line(label, epochs, [statistics.fmean(each) for each in values], hue, deviations)
