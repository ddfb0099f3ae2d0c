"""Forecasts that know less than a network, and errors of forecasts, on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dltrain.data import spaced
from dltrain.lazy import np

MOST_WINDOWS = 50_000
"""Of the train part, that linear autoregression is fitted to."""
MOST_RESIDUALS = 5_000
"""Windows of the train part whose errors make the intervals of a baseline."""
CHUNK = 4_096
RIDGE = 1e-6
"""Of the mean square of the lags: without it lags that say the same would have no solution."""

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


def autoregression(train: Any, futures: Any, window: int, targets: int, is_one: bool) -> Forecast:
    """Returns the least-squares map from the window to the horizon, of each target from its own past.

    Of several series it is fitted to windows with mean 0 and deviation 1, of one to the values themselves.

    Args:
        train: windows of the train part.
        futures: what followed.
        window: steps of the past.
        targets: how many channels are forecast, the first ones.
        is_one: whether there is one series.
    """
    chosen = spaced(len(train), MOST_WINDOWS)
    products = np.zeros((targets, window + 1, window + 1))
    answers = np.zeros((targets, window + 1, futures.shape[1]))
    # About the same middle, so that a large level leaves digits for what varies.
    middle = np.zeros(targets) if not is_one else _past(train, chosen[:CHUNK], window, targets).mean(axis=(0, 1))
    for start in range(0, len(chosen), CHUNK):
        some = chosen[start : start + CHUNK]
        past, future = _past(train, some, window, targets), np.asarray(futures[some], np.float64)
        scaled, level, scale = _scaled(past, middle, is_one)
        for target in range(targets):
            wanted = (future[..., target] - level[..., target]) / scale[..., target]
            usable = np.isfinite(wanted).all(axis=1)
            lags = np.insert(scaled[usable][..., target], window, 1.0, axis=1)
            products[target] += lags.T @ lags
            answers[target] += lags.T @ wanted[usable]
    maps = []
    for square, of_target in zip(products, answers, strict=True):
        ridge = RIDGE * np.trace(square) / len(square) * np.eye(len(square))
        maps.append(np.linalg.solve(square + ridge + 1e-12 * np.eye(len(square)), of_target))

    def forecast(past: np.ndarray) -> np.ndarray:
        scaled, level, scale = _scaled(past.astype(np.float64), middle, is_one)
        found = [scaled[..., target] @ each[:-1] + each[-1] for target, each in enumerate(maps)]
        return np.stack(found, axis=-1) * scale + level

    return forecast


def _past(windows: Any, places: np.ndarray, window: int, targets: int) -> np.ndarray:
    return np.asarray(windows[places], np.float64)[:, :window, :targets]


def _scaled(past: np.ndarray, middle: np.ndarray, is_one: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns pasts in the scale that a map is fitted in, and what was subtracted and divided by."""
    if is_one:
        level = np.broadcast_to(middle, (len(past), 1, len(middle)))
        return past - level, level, np.ones_like(level)
    level, scale = past.mean(axis=1, keepdims=True), past.std(axis=1, keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    return (past - level) / scale, level, scale


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
