"""From data to panels: how often classes occur, how values are distributed."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from dltrain.data import DataSpec, Splits
from dltrain.features.table import Column
from dltrain.figures.page import Panel
from dltrain.figures.panels import Bands, Bars, Histogram, Shares, number

MOST_CLASSES = 20
"""Of more classes the largest and the smallest are shown, half as many each."""

MOST_HISTOGRAMS = 5
"""Channels or features up to which each has a histogram; more are bands in one panel."""

MOST_COLUMNS = 25
"""Columns of a table that are shown."""

MOST_NAMES = 6
"""Categories or words of a column that are shown."""

BINS = 32
"""Of a histogram, at most: fewer where there are few values."""


def class_counts(splits: Splits) -> Bars:
    """Returns how many examples each class has in each part; of labels, how many have each."""
    names = splits.spec.class_names
    counts = {
        part: np.bincount(split.targets, minlength=len(names))
        if split.targets.ndim == 1
        else split.targets.sum(axis=0).astype(int)
        for part, split in splits.parts.items()
    }
    title = "Classes" if splits.train.targets.ndim == 1 else "Labels"
    totals = np.sum(list(counts.values()), axis=0)
    if len(names) <= MOST_CLASSES:
        return Bars(title, names, {part: found.tolist() for part, found in counts.items()})
    half = MOST_CLASSES // 2
    order = np.argsort(-totals, kind="stable")
    shown, others = np.concatenate([order[:half], order[-half:]]), order[half:-half]
    low, high = int(totals[others].min()), int(totals[others].max())
    each = f"{low:,} examples" if low == high else f"{low:,} to {high:,} examples"
    return Bars(
        f"{title}: the {half} largest and the {half} smallest of {len(names):,}",
        [names[index] for index in shown],
        {part: found[shown].tolist() for part, found in counts.items()},
        f"… {len(others):,} more, of {each} each",
        half,
    )


def target_histograms(splits: Splits) -> list[Panel]:
    """Returns how each number to predict is distributed, in each part."""
    panels: list[Panel] = []
    for index, target in enumerate(splits.spec.numbers[:MOST_HISTOGRAMS]):
        values = {part: split.targets[:, index] for part, split in splits.parts.items()}
        edges, note = _edges(values["training"])
        shares = {part: _shares(found, edges) for part, found in values.items()}
        title = f"To predict: {target.name}"
        panels.append(Histogram(title, _measures(note, target.mean, target.standard_deviation), edges, shares,
                                target.mean, target.standard_deviation))  # fmt: skip
    return panels


def channels(spec: DataSpec, values: np.ndarray) -> list[Panel]:
    """Returns how the values of each channel or feature are distributed.

    Args:
        spec: with the mean and deviation that normalisation uses.
        values: some of the training examples, (examples, ..., channels).
    """
    values = values.reshape(-1, values.shape[-1])
    if values.shape[1] > MOST_HISTOGRAMS:
        quantiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 1], axis=0)
        note = f"{values.shape[1]} of them; from {number(values.min())} to {number(values.max())}"
        means = np.array(spec.mean) if spec.mean else values.mean(axis=0)
        return [Bands("Values of each channel" if spec.is_image else "Values of each feature", note, quantiles, means)]
    names = {1: ("grey",), 3: ("red", "green", "blue")}.get(values.shape[1]) if spec.is_image else None
    panels: list[Panel] = []
    for index, column in enumerate(values.T):
        kind = "channel" if spec.is_image else "feature"
        title = f"Values: {names[index] if names else f'{kind} {index + 1}'}"
        edges, note = (
            (np.arange(0, 257, 8) - 0.5, f"{column.min()} to {column.max()}")
            if values.dtype == np.uint8
            else _edges(column)
        )
        panels.append(_histogram(title, note, column, edges, spec, index))
    return panels


def columns(spec: DataSpec, values: np.ndarray) -> list[Panel]:
    """Returns how the columns of a table are distributed, those that are shown.

    Args:
        spec: with what each number of an example is.
        values: some of the training examples, (examples, features).
    """
    panels = []
    for source in list(dict.fromkeys(column.source for column in spec.columns))[:MOST_COLUMNS]:
        places = {column.part: index for index, column in enumerate(spec.columns) if column.source == source}
        if "category" in places:
            panels.append(_categories(spec.columns[places["category"]], values[:, places["category"]]))
        elif "word" in places:
            panels.append(_words(spec, source, values))
        elif "day" in places:
            panels.append(_dates(spec, source, values[:, places["day"]], places["day"]))
        else:
            panels.append(_numbers(spec, source, values, places))
    return panels


def cell(column: Column, value: float) -> str:
    """Returns one number of an example as what it stands for."""
    if column.categories:
        return column.categories[int(value) - 1] if value else "(missing or unknown)"
    return _date(value) if column.part == "day" else number(value)


def _numbers(spec: DataSpec, source: str, values: np.ndarray, places: dict[str, int]) -> Panel:
    index, column = places["value"], values[:, places["value"]]
    missing = values[:, places["missing"]] == 1 if "missing" in places else np.zeros(len(column), bool)
    if missing.all():
        return Shares(source, "", ["missing"], [1.0])
    edges, note = _edges(column[~missing])
    if missing.any():
        note += f"; missing {missing.mean():.1%}, filled with {number(spec.columns[index].fill)}"
    return _histogram(source, note, column[~missing], edges, spec, index)


def _categories(column: Column, codes: np.ndarray) -> Panel:
    counts = np.bincount(codes.astype(int), minlength=len(column.categories) + 1) / len(codes)
    shown = [int(code) for code in np.argsort(-counts[1:], kind="stable")[:MOST_NAMES]]
    note = f"{len(column.categories):,} categories" + (f", vectors of {column.embedding}" if column.embedding else "")
    if counts[0]:
        note += f"; {counts[0]:.1%} missing" + (" or rare" if len(column.categories) >= 10_000 else "")
    if len(column.categories) > len(shown):
        note += f"; {len(column.categories) - len(shown):,} more not shown"
    return Shares(column.name, note, [column.categories[code] for code in shown], [counts[code + 1] for code in shown])


def _words(spec: DataSpec, source: str, values: np.ndarray) -> Panel:
    places = [index for index, column in enumerate(spec.columns) if column.source == source]
    shares = (values[:, places] > 0).mean(axis=0)
    shown = [int(place) for place in np.argsort(-shares, kind="stable")[:MOST_NAMES]]
    words = [str(spec.columns[places[place]].word) for place in shown]
    note = f"text, {len(places)} words counted; examples with each"
    return Shares(source, note, words, [float(shares[place]) for place in shown])


def _dates(spec: DataSpec, source: str, days: np.ndarray, index: int) -> Panel:
    edges, _ = _edges(days)
    note = f"{_date(days.min())} to {_date(days.max())}"
    shares = {"training": _shares(days, edges)}
    mean, deviation = _statistics(spec, index)
    return Histogram(source, note, edges, shares, mean, deviation, _date)


def _date(days: float) -> str:
    try:
        return (date(1970, 1, 1) + timedelta(days=round(float(days)))).isoformat()
    except OverflowError:
        return number(days)


def _histogram(title: str, note: str, values: np.ndarray, edges: np.ndarray, spec: DataSpec, index: int) -> Histogram:
    mean, deviation = _statistics(spec, index)
    if mean is not None and deviation is not None:
        note = _measures(note, mean, deviation)
    return Histogram(title, note, edges, {"training": _shares(values, edges)}, mean, deviation)


def _statistics(spec: DataSpec, index: int) -> tuple[float | None, float | None]:
    if spec.mean is None or spec.standard_deviation is None:
        return None, None
    return spec.mean[index], spec.standard_deviation[index]


def _measures(note: str, mean: float, deviation: float) -> str:
    return f"mean {number(mean)}, deviation {number(deviation)}; {note}"


def _edges(values: np.ndarray) -> tuple[np.ndarray, str]:
    """Returns bins that show where most values are, and the range in words."""
    values = values.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    note = f"{number(low)} to {number(high)}"
    if high - low <= BINS and max(-low, high) < 2**53 - 1 and (values == np.round(values)).all():
        return np.arange(low, high + 2) - 0.5, note
    inner = np.quantile(values, [0.005, 0.995])
    if inner[1] > inner[0] and high - low > 4 * (inner[1] - inner[0]):
        low, high = inner
        note += ", the outer 1% not drawn"
    edges = np.linspace(low, high, min(BINS, 2 + int(2 * len(values) ** 0.5)) + 1)
    if edges[1] <= edges[0]:  # one value, or two that no number lies between
        edges = np.array([low - max(abs(low), 1.0) / 2, low + max(abs(low), 1.0) / 2])
    return edges, note


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(values.astype(np.float64), edges)
    return counts / max(len(values), 1)
