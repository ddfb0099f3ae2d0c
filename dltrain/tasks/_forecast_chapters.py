"""What a report says of forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dltrain.data import Outcome
from dltrain.features._series import frequency as frequencies
from dltrain.features._series.ends import UNDATED
from dltrain.features._series.frequency import DAY
from dltrain.figures.curves import Chart, Line
from dltrain.figures.stretches import Stretches, Trace
from dltrain.report.outcome import Mistake, Mistakes
from dltrain.report.parts import WIDE, Chapter, Figure, Table
from dltrain.tasks._forecasts import means
from dltrain.wording import number

DRAWN = 4
"""Series that are drawn."""
WORST = 5
"""Windows that are drawn."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def chapters(outcome: Outcome, points: np.ndarray, has_quantiles: bool) -> list[Chapter]:
    """Returns forecasts over the part, and errors by step, series, hour and weekday.

    Args:
        outcome: the outputs, and what is right.
        points: the forecast of each window, (windows, horizon, targets).
        has_quantiles: whether outputs have quantiles.
    """
    targets = np.asarray(outcome.targets[:], np.float64)
    errors = points - targets
    found = [Chapter("Forecasts", _drawn(outcome, points, targets, has_quantiles))]
    return [*found, Chapter("Errors", _errors(outcome, errors)), *_worst_drawn(outcome, points, has_quantiles)]


def _names(outcome: Outcome) -> np.ndarray:
    return np.asarray(outcome.metadata.get("series", [""] * len(outcome.outputs)), object)


def _begins(outcome: Outcome) -> np.ndarray:
    return np.asarray(outcome.metadata.get("time", np.full(len(outcome.outputs), UNDATED)), np.int64)


def _drawn(outcome: Outcome, points: np.ndarray, targets: np.ndarray, has_quantiles: bool) -> list[Figure]:
    """Returns, of the first series, forecasts that follow each other without a step in common."""
    names, begins, series = _names(outcome), _begins(outcome), outcome.data.input
    outputs = np.asarray(outcome.outputs, np.float64)
    found = []
    for place, name in enumerate([*dict.fromkeys(names.tolist())][:DRAWN]):
        own = np.flatnonzero(names == name)
        own = own[np.argsort(begins[own], kind="stable")]
        chosen, end = [], -np.inf
        for row in own.tolist():
            instants = series.frequency.after(begins[row : row + 1], series.horizon + 1)[0]
            if instants[0] >= end:
                chosen.append(row)
                end = instants[-1]
        ordinals = series.frequency.ordinals(begins[chosen])
        for target, of_target in enumerate(outcome.data.target.names):
            steps = ordinals[:, None] + np.arange(series.horizon)
            # NaN between forecasts that do not touch would hide nothing: a line leaves a gap there.
            traces = [Trace("actual", steps.ravel(), targets[chosen][..., target].ravel(), 6)]
            for number_, (row, of_row) in enumerate(zip(chosen, steps, strict=True)):
                bands = outputs[row][:, target] if has_quantiles else None
                traces.append(
                    Trace("" if number_ else "forecast", of_row, points[row, :, target], 1,
                          None if bands is None else bands[:, 0], None if bands is None else bands[:, -1])
                )  # fmt: skip
            title = ": ".join(filter(None, [name, of_target if len(outcome.data.target.names) > 1 or not name else ""]))
            note = f"{outcome.part} part; {len(chosen)} forecasts of {series.horizon} steps, each behind the one before"
            if has_quantiles:
                note += "; the band is from the first to the last quantile"
            marks = _marks(series, begins[chosen], ordinals)
            panel = Stretches(title, note, traces, marks=marks, tall=270)
            found.append(Figure(f"forecast-{place + 1}-{target + 1}", panel, WIDE))
    return found


def _marks(series: Any, begins: np.ndarray, places: np.ndarray) -> list[tuple[float, str]]:
    chosen = np.arange(0, len(begins), -(-len(begins) // 6))  # evenly far apart, as a reader takes them to be
    texts = frequencies.texts(series.frequency, begins[chosen], series.layout.zone)
    return [(float(places[row]), text) for row, text in zip(chosen, texts, strict=True)]


def _errors(outcome: Outcome, errors: np.ndarray) -> list[Figure | Table]:
    names, series = outcome.data.target.names, outcome.data.input
    by_step = means(np.abs(errors), 0)
    lines = [Line(name, np.arange(1, series.horizon + 1), by_step[:, place], place) for place, name in enumerate(names)]
    found: list[Figure | Table] = [
        Figure("error-by-step", Chart("mean absolute error by step", lines, from_zero=True, over="step", is_named=True))
    ]
    rows = [_row(f"step {step + 1}", errors[:, step]) for step in range(series.horizon)]
    columns = ("", "mean absolute error", "root mean square error", "mean residual")
    note = "in the targets' units; a residual is predicted minus actual"
    found.append(Table("Errors by step of the horizon", columns, rows, note))
    of_series = _names(outcome)
    known = [*dict.fromkeys(of_series.tolist())]
    if len(known) > 1:
        each = [(name, errors[of_series == name]) for name in known]
        each.sort(key=lambda one: -float(np.nan_to_num(means(np.abs(one[1]), (0, 1, 2)))))
        rows = [_row(name, of_name) for name, of_name in each]
        found.append(Table("Errors by series, the largest first", columns, rows, note))
    return [*found, *_by_clock(outcome, errors, columns)]


def _row(name: str, errors: np.ndarray) -> tuple[str, ...]:
    axes = tuple(range(errors.ndim))
    size = float(means(np.abs(errors), axes))
    square = float(means(errors**2, axes))
    return name, number(size), number(square**0.5), number(float(means(errors, axes)))


def _by_clock(outcome: Outcome, errors: np.ndarray, columns: Sequence[str]) -> list[Table]:
    """Returns errors by the hour and the weekday that steps are of, where steps are so close."""
    series, begins = outcome.data.input, _begins(outcome)
    frequency = series.frequency
    if frequency.unit != "microseconds" or frequency.step > DAY or (begins == UNDATED).any():
        return []
    instants = frequency.after(begins, series.horizon)
    clocks = frequencies.calendar(instants.ravel(), series.layout.zone)
    flat = errors.reshape(-1, errors.shape[-1])
    found = []
    if frequency.step < DAY:
        hours = clocks["hour"].astype(int)
        rows = [_row(f"{hour:02}:00", flat[hours == hour]) for hour in np.unique(hours).tolist()]
        found.append(Table("Errors by hour of the day", columns, rows, shown=24))
    days = clocks["weekday"].astype(int)
    rows = [_row(WEEKDAYS[day], flat[days == day]) for day in np.unique(days).tolist()]
    return [*found, Table("Errors by weekday", columns, rows)]


def _sizes(outcome: Outcome, points: np.ndarray) -> np.ndarray:
    """Returns the mean absolute error of each window beside what is usual in its series, (windows,)."""
    targets = np.asarray(outcome.targets[:], np.float64)
    deviation = np.array(outcome.data.target.deviation or (1.0,) * targets.shape[-1])
    usual = np.asarray(outcome.metadata.get("naive_error", deviation[None]), np.float64)
    usual = np.where(np.isfinite(usual) & (usual > 0), usual, deviation)
    return np.nan_to_num(means(np.abs(points - targets) / usual[:, None], (1, 2)))


def worst(outcome: Outcome, points: np.ndarray, count: int) -> Mistakes:
    """Returns the worst windows.

    Args:
        outcome: the outputs, and what is right.
        points: the forecast of each window.
        count: at most so many.
    """
    targets = np.asarray(outcome.targets[:], np.float64)
    sizes = _sizes(outcome, points)
    order = np.argsort(-sizes, kind="stable")[:count]
    names, begins = _names(outcome), _begins(outcome)
    found = [
        Mistake(
            int(row), _line(targets[row]), _line(points[row]),
            "; ".join(filter(None, [
                f"{number(sizes[row])} times the usual error", _where(outcome, names[row], int(begins[row])),
            ])),
        )
        for row in order
    ]  # fmt: skip
    note = "a window's mean absolute error, divided by that of the value a season before in the train part"
    return Mistakes(f"The {len(found)} worst windows", found, note)


def _where(outcome: Outcome, name: str, begin: int) -> str:
    series = outcome.data.input
    time = "" if begin == UNDATED else frequencies.texts(series.frequency, np.array([begin]), series.layout.zone)[0]
    return ", ".join(filter(None, [name, time and f"from {time}"]))


def _line(values: np.ndarray) -> str:
    first = values[:, 0]
    shown = [*first[:3], *([first[-1]] if len(first) > 3 else [])]
    words = [number(each) if np.isfinite(each) else "not measured" for each in shown]
    return ", ".join(words) if len(first) <= 4 else f"{', '.join(words[:3])} ... {words[3]}"


def _worst_drawn(outcome: Outcome, points: np.ndarray, has_quantiles: bool) -> list[Chapter]:
    """Returns the worst windows with their past."""
    series = outcome.data.input
    targets, outputs = np.asarray(outcome.targets[:], np.float64), np.asarray(outcome.outputs, np.float64)
    order = np.argsort(-_sizes(outcome, points), kind="stable")[:WORST].tolist()
    names, begins = _names(outcome), _begins(outcome)
    figures = []
    for place, row in enumerate(order):
        past = np.asarray(outcome.inputs[np.array([row])], np.float64)[0, : series.window, 0]
        figures.append(Figure(f"worst-window-{place + 1}", window_panel(
            _where(outcome, names[row], int(begins[row])) or f"window {row + 1}", past,
            points[row, :, 0], targets[row, :, 0], outputs[row, :, 0] if has_quantiles else None,
        )))  # fmt: skip
    return [Chapter("Worst windows", figures)] if figures else []


def forecasts(outcome: Outcome, points: np.ndarray, has_quantiles: bool) -> list[Stretches]:
    """Returns windows with what is forecast behind them, a panel for each target.

    Args:
        outcome: the outputs, and what came where that is known.
        points: the forecast of each window, (windows, horizon, targets).
        has_quantiles: whether outputs have quantiles.
    """
    series, outputs = outcome.data.input, np.asarray(outcome.outputs, np.float64)
    targets = None if outcome.split is None else np.asarray(outcome.targets[:], np.float64)
    names, begins = _names(outcome), _begins(outcome)
    found = []
    for row in range(len(outputs)):
        past = np.asarray(outcome.inputs[np.array([row])], np.float64)[0, : series.window]
        for place, target in enumerate(outcome.data.target.names):
            where = _where(outcome, names[row], int(begins[row]))
            found.append(window_panel(
                f"{target}: {where}" if where else target, past[:, place], points[row, :, place],
                None if targets is None else targets[row, :, place],
                outputs[row, :, place] if has_quantiles else None,
            ))  # fmt: skip
    return found


def window_panel(
    title: str, past: np.ndarray, point: np.ndarray, actual: np.ndarray | None, quantiles: np.ndarray | None
) -> Stretches:
    """Returns a window with its forecast.

    Args:
        title: which it is.
        past: (window,).
        point: the forecast, (horizon,).
        actual: what came; none where that is not known.
        quantiles: (horizon, quantiles); none without.
    """
    before, behind = np.arange(-len(past) + 1, 1), np.arange(1, len(point) + 1)
    traces = [Trace("past", before, past, 0)]
    if actual is not None:
        traces.append(Trace("actual", behind, actual, 6))
    low, high = (None, None) if quantiles is None else (quantiles[:, 0], quantiles[:, -1])
    traces.append(Trace("forecast", behind, point, 1, low, high))
    return Stretches(title, "the forecast begins behind step 0", traces, tall=230, over="step")
