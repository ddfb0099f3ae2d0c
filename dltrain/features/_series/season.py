"""After how many steps series repeat themselves: found of their autocorrelation."""

from __future__ import annotations

from dltrain.data.statistics import spaced
from dltrain.features._series.windows import Collection
from dltrain.lazy import np

LEAST = 0.2
"""Autocorrelation below which nothing repeats itself."""
NEAR = 0.9
"""Share of the highest autocorrelation from which on a shorter season, or one of a calendar, is as good."""
MOST_SERIES, MOST_STEPS = 50, 20_000
"""Of many or long series so many stand for all: evenly spaced ones, and the last steps."""


def season_of(collection: Collection, end: int, targets: int, most: int) -> int:
    """Returns after how many steps the train part repeats itself most; 1 where it does not.

    Args:
        collection: the series.
        end: the step of the grid behind the train part.
        targets: how many of the channels are looked at, the first ones.
        most: the longest season.
    """
    curve = autocorrelation(collection, end, targets, most)
    if len(curve) < 3:
        return 1
    inner = np.arange(2, len(curve))
    behind = np.append(curve[3:], -1.0)
    peaks = inner[(curve[inner] >= curve[inner - 1]) & (curve[inner] >= behind)]
    peaks = peaks[curve[peaks] > LEAST]
    if not len(peaks):
        return 1
    good = peaks[curve[peaks] >= NEAR * curve[peaks].max()].tolist()
    return int(next((cycle for cycle in collection.frequency.cycles if cycle in good), min(good)))


def autocorrelation(collection: Collection, end: int, targets: int, most: int) -> np.ndarray:
    """Returns the autocorrelation by lag, (lags from 0 on,), the mean of the series, a cubic trend taken off each.

    Args:
        collection: the series.
        end: the step of the grid behind those that are looked at.
        targets: how many of the channels are looked at, the first ones.
        most: the longest lag; it is at most a third of the shortest series that counts.
    """
    curves = []
    for number in spaced(len(collection.names), MOST_SERIES).tolist():
        values = collection.values[collection.before(number, end), :targets][-MOST_STEPS:]
        curves += [found for column in values.T if len(found := _of(column.astype(np.float64), most)) > 2]
    if not curves:
        return np.ones(1)
    shortest = min(map(len, curves))
    return np.asarray(np.mean([curve[:shortest] for curve in curves], axis=0))


def _of(values: np.ndarray, most: int) -> np.ndarray:
    known = np.isfinite(values)
    lags = min(most, len(values) // 3)
    if lags < 2 or known.sum() < 8 or np.ptp(values[known]) == 0:
        return np.ones(1)
    places = np.linspace(-1, 1, len(values))
    trend = np.polynomial.polynomial.polyfit(places[known], values[known], 3)
    rest = np.where(known, values - np.polynomial.polynomial.polyval(places, trend), 0.0)
    power = float(rest @ rest) / known.sum()
    if power <= 1e-12 * float(np.square(values[known]).mean()):
        return np.ones(1)
    pairs = [int((known[lag:] & known[: len(known) - lag]).sum()) for lag in range(lags + 1)]
    return np.array([rest[lag:] @ rest[: len(rest) - lag] / max(count, 1) / power for lag, count in enumerate(pairs)])
