"""Panels of distributions: frequencies of classes, histograms of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from dltrain.data.feature import Feature, Groups
from dltrain.data.ragged import Ragged
from dltrain.figures.page import Panel
from dltrain.figures.panels import Bands, Bars, Histogram, Shares
from dltrain.wording import number

MOST_CLASSES = 20
"""Of more classes the largest and the smallest are shown, half as many each."""

MOST_HISTOGRAMS = 5
"""Channels or features up to which each has a histogram; more are bands in one panel."""

MOST_NAMES = 6
"""Categories or words of a column that are shown."""

BINS = 32
"""Of a histogram, at most: fewer where there are few values."""

Statistics = tuple[float, float] | None
"""Mean and standard deviation, which normalisation uses; none where it uses none."""


def counts(title: str, parts: Mapping[str, Groups]) -> Bars:
    """Returns how many examples are in each group, in each part.

    Args:
        title: what is counted.
        parts: of the same groups.
    """
    names = next(iter(parts.values())).names
    found = {part: groups.counts for part, groups in parts.items()}
    totals = np.sum(list(found.values()), axis=0)
    if len(names) <= MOST_CLASSES:
        return Bars(title, names, {part: of_part.tolist() for part, of_part in found.items()})
    half = MOST_CLASSES // 2
    order = np.argsort(-totals, kind="stable")
    shown, others = np.concatenate([order[:half], order[-half:]]), order[half:-half]
    low, high = int(totals[others].min()), int(totals[others].max())
    each = f"{low:,} examples" if low == high else f"{low:,} to {high:,} examples"
    return Bars(
        f"{title}: the {half} largest and the {half} smallest of {len(names):,}",
        [names[index] for index in shown],
        {part: of_part[shown].tolist() for part, of_part in found.items()},
        f"… {len(others):,} more, with {each} each",
        half,
    )


def compared(title: str, parts: Mapping[str, np.ndarray], mean: float, deviation: float, more: str = "") -> Histogram:
    """Returns how a number is distributed, in each part.

    Args:
        title: what the number is.
        parts: values, (examples,), the train part's first.
        mean: over the train part.
        deviation: likewise.
        more: what else there is to say.
    """
    edges, note = _edges(next(iter(parts.values())))
    note = f"{note}; {more}" if more else note
    shares = {part: _shares(found, edges) for part, found in parts.items()}
    return Histogram(title, _measures(note, mean, deviation), edges, shares, mean, deviation)


def distributed(feature: Feature, parts: Mapping[str, Any]) -> list[Panel]:
    """Returns how values of a feature are distributed: as it says, else how long they are.

    Args:
        feature: the feature.
        parts: its stored values, by part, the train part's first.
    """
    panels: list[Panel] = [*feature.panels(parts)]
    if panels or None not in feature.shape:
        return panels
    lengths = {
        part: stored.lengths if isinstance(stored, Ragged) else np.array([len(value) for value in stored])
        for part, stored in parts.items()
    }
    return [over_parts(f"Lengths: {feature.caption}", lengths)]


def over_parts(title: str, parts: Mapping[str, np.ndarray], words: str = "") -> Histogram:
    """Returns how a number is distributed, in each part.

    Args:
        title: what the number is.
        parts: values, (values,), the train part's first, which has some.
        words: its unit, where that is not plain.
    """
    edges, note = _edges(next(iter(parts.values())))
    note = f"{words}; {note}" if words else note
    return Histogram(title, note, edges, {part: _shares(found, edges) for part, found in parts.items()})


def channels(
    kind: str,
    values: np.ndarray,
    part: str,
    mean: Sequence[float] | None = None,
    deviation: Sequence[float] | None = None,
    names: Sequence[str] = (),
) -> list[Panel]:
    """Returns how the values of each channel or feature are distributed.

    Args:
        kind: channel or feature.
        values: (examples, ..., channels).
        part: of the data that they are of.
        mean: of each channel, which normalisation uses; none where it uses none.
        deviation: likewise.
        names: of the channels; none for numbers.
    """
    values = values.reshape(-1, values.shape[-1])
    if values.shape[1] > MOST_HISTOGRAMS:
        quantiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 1], axis=0)
        note = f"{values.shape[1]} {kind}s, with values from {number(values.min())} to {number(values.max())}"
        means = np.array(mean) if mean else values.mean(axis=0)
        return [Bands(f"Values of each {kind}", note, quantiles, means)]
    panels: list[Panel] = []
    for index, column in enumerate(values.T):
        title = f"Values: {names[index] if names else f'{kind} {index + 1}'}"
        edges, note = (
            (np.arange(0, 257, 8) - 0.5, f"{column.min()} to {column.max()}")
            if values.dtype == np.uint8
            else _edges(column)
        )
        statistics = (mean[index], deviation[index]) if mean and deviation else None
        panels.append(_histogram(title, note, column, part, edges, statistics))
    return panels


def numbers(
    title: str, values: np.ndarray, part: str, statistics: Statistics, missing: np.ndarray, fill: float
) -> Panel:
    """Returns how a column of numbers is distributed.

    Args:
        title: the column.
        values: (examples,).
        part: of the data that they are of.
        statistics: which normalisation uses.
        missing: whether each was missing, (examples,), bool.
        fill: what takes the place of one that was missing.
    """
    if missing.all():
        return Shares(title, "", ["missing"], [1.0])
    edges, note = _edges(values[~missing])
    if missing.any():
        note += f"; missing {missing.mean():.1%}, filled with {number(fill)}"
    return _histogram(title, note, values[~missing], part, edges, statistics)


def categories(title: str, names: Sequence[str], codes: np.ndarray, embedding: int | None) -> Shares:
    """Returns how often categories occur.

    Args:
        title: the column.
        names: of the categories.
        codes: the position of each example's, counted from 1, and 0 for all others, (examples,).
        embedding: length of the vector that is learnt for each category; none for one-hot.
    """
    counts = np.bincount(codes.astype(int), minlength=len(names) + 1) / len(codes)
    shown = [int(code) for code in np.argsort(-counts[1:], kind="stable")[:MOST_NAMES]]
    note = f"{len(names):,} categories" + (f", embedded in {embedding} numbers" if embedding else "")
    if counts[0]:
        note += f"; {counts[0]:.1%} missing" + (" or rare" if len(names) >= 10_000 else "")
    if len(names) > len(shown):
        note += f"; {len(names) - len(shown):,} more not shown"
    return Shares(title, note, [names[code] for code in shown], [counts[code + 1] for code in shown])


def words(title: str, counted: Sequence[str], values: np.ndarray) -> Shares:
    """Returns in how many examples words occur.

    Args:
        title: the column.
        counted: the words.
        values: how often each is there, (examples, words).
    """
    shares = (values > 0).mean(axis=0)
    shown = [int(place) for place in np.argsort(-shares, kind="stable")[:MOST_NAMES]]
    note = f"text, {len(counted)} words counted; the share of examples that have each"
    return Shares(title, note, [counted[place] for place in shown], [float(shares[place]) for place in shown])


def dates(title: str, days: np.ndarray, part: str, statistics: Statistics, missing: np.ndarray, fill: float) -> Panel:
    """Returns how dates are distributed.

    Args:
        title: the column.
        days: since 1970, (examples,).
        part: of the data that they are of.
        statistics: which normalisation uses.
        missing: whether each was missing, (examples,), bool.
        fill: the day that takes the place of one that was missing.
    """
    if missing.all():
        return Shares(title, "", ["missing"], [1.0])
    share, days = missing.mean(), days[~missing]
    edges, _ = _edges(days)
    mean, deviation = statistics or (None, None)
    note = f"{day(days.min())} to {day(days.max())}"
    if share:
        note += f"; missing {share:.1%}, filled with {day(fill)}"
    return Histogram(title, note, edges, {part: _shares(days, edges)}, mean, deviation, day)


def day(days: float) -> str:
    """Returns the date that is so many days after the first of 1970."""
    try:
        return (date(1970, 1, 1) + timedelta(days=round(float(days)))).isoformat()
    except OverflowError:
        return number(days)


def _histogram(
    title: str, note: str, values: np.ndarray, part: str, edges: np.ndarray, statistics: Statistics
) -> Histogram:
    if statistics is not None:
        note = _measures(note, *statistics)
    mean, deviation = statistics or (None, None)
    return Histogram(title, note, edges, {part: _shares(values, edges)}, mean, deviation)


def _measures(note: str, mean: float, deviation: float) -> str:
    return f"mean {number(mean)}, standard deviation {number(deviation)}; {note}"


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
        note += ", the outermost 1 % not drawn"
    edges = np.linspace(low, high, min(BINS, 2 + int(2 * len(values) ** 0.5)) + 1)
    if edges[1] <= edges[0]:  # one value, or two that no number lies between
        edges = np.array([low - max(abs(low), 1.0) / 2, low + max(abs(low), 1.0) / 2])
    return edges, note


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(values.astype(np.float64), edges)
    return counts / max(len(values), 1)
