"""Forecasts that know less than a network, and errors of forecasts, on arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dltrain.data import spaced
from dltrain.lazy import np

MOST_WINDOWS = 50_000
"""Of the train part, that linear autoregression is fitted to."""
MOST_RESIDUALS = 5_000
"""Windows of the train part whose errors make the intervals of a baseline."""
CHUNK = 4_096
RIDGE = 1e-8
"""Of the mean square of the lags: without it lags that say the same would have no solution."""
LAGS = 9
"""Steps that a short autoregression looks at, beside all of the window and half of it."""

Forecast = Callable[[Any], Any]
"""Of pasts, (windows, steps, targets), what follows, (windows, horizon, targets)."""


def simple(horizon: int, season: int) -> dict[str, Forecast]:
    """Returns forecasts that fit nothing, by what they are called.

    Args:
        horizon: how many steps.
        season: steps after which series repeat themselves; 1 where they do not.
    """

    def naive(past: np.ndarray) -> np.ndarray:
        return np.repeat(past[:, -1:], horizon, axis=1)

    def seasonal(past: np.ndarray) -> np.ndarray:
        return past[:, past.shape[1] - season + np.arange(horizon) % season]

    def drift(past: np.ndarray) -> np.ndarray:
        slope = (past[:, -1:] - past[:, :1]) / max(past.shape[1] - 1, 1)
        return past[:, -1:] + slope * np.arange(1, horizon + 1)[:, None]

    found = {"naive: the last value": naive}
    if season > 1:
        found[f"seasonal naive: the value {season} steps before"] = seasonal
    return found | {"drift: the last value and the window's mean change": drift}


@dataclass(frozen=True)
class Autoregression:
    """The least-squares map from the last steps of each target to its horizon.

    Args:
        maps: of each target, (lags + 1, horizon); the last row is what is added.
        level: what is subtracted from each target, (targets,); none for each window's own mean, and its deviation.
    """

    maps: np.ndarray
    level: np.ndarray | None

    @property
    def lags(self) -> int:
        """How many steps it looks at."""
        return self.maps.shape[1] - 1

    def __call__(self, past: np.ndarray) -> np.ndarray:
        """Returns what follows, (windows, horizon, targets), of pasts, (windows, steps, targets)."""
        scaled, level, scale = _scaled(past[:, past.shape[1] - self.lags :].astype(np.float64), self.level)
        found = [scaled[..., target] @ each[:-1] + each[-1] for target, each in enumerate(self.maps)]
        return np.stack(found, axis=-1) * scale + level


def autoregression(train: Any, futures: Any, window: int, targets: int, is_one: bool) -> Autoregression:
    """Returns the least-squares map from the window to the horizon, of each target from its own past.

    Of several series it is fitted to windows with mean 0 and deviation 1, of one to the values themselves, and to as
    many of the last steps as forecast the last fifth of the train part best.

    Args:
        train: windows of the train part, in the order of time where there is one series.
        futures: what followed.
        window: steps of the past.
        targets: how many channels are forecast, the first ones.
        is_one: whether there is one series.
    """
    places = spaced(len(train), MOST_WINDOWS)
    if not is_one:
        return _fitted(train, futures, places, window, window, targets, None)
    last = len(places) - len(places) // 5
    held, level = places[last:], _past(train, places[:CHUNK], window, targets).mean(axis=(0, 1))
    past, actual = _past(train, held, window, targets), np.asarray(futures[held], np.float64)
    errors = {}
    for lags in sorted({window, -(-window // 2), min(window, LAGS)}):
        found = _fitted(train, futures, places[:last], lags, window, targets, level)
        errors[lags] = float(means(np.abs(found(past) - actual), (0, 1, 2))) if len(held) else 0.0
    return _fitted(train, futures, places, min(errors, key=lambda lags: errors[lags]), window, targets, level)


def _fitted(
    train: Any, futures: Any, places: np.ndarray, lags: int, window: int, targets: int, level: np.ndarray | None
) -> Autoregression:
    products = np.zeros((targets, lags + 1, lags + 1))
    answers = np.zeros((targets, lags + 1, futures.shape[1]))
    for start in range(0, len(places), CHUNK):
        some = places[start : start + CHUNK]
        past, future = _past(train, some, window, targets), np.asarray(futures[some], np.float64)
        scaled, middle, scale = _scaled(past[:, window - lags :], level)
        wanted = (future - middle) / scale
        for target in range(targets):
            usable = np.isfinite(wanted[..., target]).all(axis=1)
            of_target = np.insert(scaled[usable][..., target], lags, 1.0, axis=1)
            products[target] += of_target.T @ of_target
            answers[target] += of_target.T @ wanted[usable][..., target]
    ridges = [(RIDGE * np.trace(square) / len(square) + 1e-12) * np.eye(len(square)) for square in products]
    maps = [
        np.linalg.solve(square + ridge, each) for square, ridge, each in zip(products, ridges, answers, strict=True)
    ]
    return Autoregression(np.stack(maps), level)


def _past(windows: Any, places: np.ndarray, window: int, targets: int) -> np.ndarray:
    return np.asarray(windows[places], np.float64)[:, :window, :targets]


def _scaled(past: np.ndarray, level: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns pasts in the scale that a map is fitted in, and what was subtracted and divided by."""
    if level is not None:
        middle = np.broadcast_to(level, (len(past), 1, len(level)))
        return past - middle, middle, np.ones_like(middle)
    middle, scale = past.mean(axis=1, keepdims=True), past.std(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    return (past - middle) / scale, middle, scale


def answered(
    forecast: Forecast,
    train: Any,
    futures: Any,
    part: Any,
    window: int,
    targets: int,
    quantiles: tuple[float, ...],
) -> np.ndarray:
    """Returns what a network would end in that forecasts so.

    Args:
        forecast: the forecast.
        train: windows of the train part, whose errors make intervals.
        futures: what followed.
        part: windows of the part that is answered.
        window: steps of the past.
        targets: how many channels are forecast.
        quantiles: that are asked for; none for the forecast alone.

    Returns:
        (windows, horizon, targets), or (windows, horizon, targets, quantiles), float32.
    """
    places = np.arange(len(part))
    pasts = [_past(part, places[start : start + CHUNK], window, targets) for start in range(0, len(part), CHUNK)]
    found = np.concatenate([forecast(past) for past in pasts])
    if not quantiles:
        return found.astype(np.float32)
    chosen = spaced(len(train), MOST_RESIDUALS)
    past = _past(train, chosen, window, targets)
    errors = (np.asarray(futures[chosen], np.float64) - forecast(past)) / _spread(past)
    with np.errstate(all="ignore"):
        around = np.nan_to_num(np.nanquantile(errors, quantiles, axis=0))  # (quantiles, horizon, targets)
    spread = np.concatenate([_spread(past) for past in pasts])
    return np.asarray(found[..., None] + np.moveaxis(around, 0, -1) * spread[..., None], np.float32)


def _spread(past: np.ndarray) -> np.ndarray:
    deviation = past.std(axis=1, keepdims=True)
    return np.where(deviation > 0, deviation, 1.0)


def means(values: np.ndarray, axis: tuple[int, ...] | int) -> np.ndarray:
    """Returns means of what is finite; NaN where nothing is."""
    known = np.isfinite(values)
    counts = known.sum(axis=axis)
    sums = np.where(known, values, 0.0).sum(axis=axis)
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))
