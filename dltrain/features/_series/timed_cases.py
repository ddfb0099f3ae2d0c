"""Lines of .ts files whose numbers have times, `(time,number),(time,number):class` -> lines of the numbers alone."""

from __future__ import annotations

import re

from dltrain.data.feature import shortened
from dltrain.features._tables.times import as_times
from dltrain.lazy import np

_SERIES = re.compile(r"\([^()]*\)(?:\s*[,:]\s*\([^()]*\))*")
_CHANNEL = re.compile(r"(?<=\))\s*:\s*(?=\()")
_STEP = re.compile(r"\(([^()]*)\)")
JITTER = 0.1
"""Share of a step by which a time may be off: clocks and roundings are not exact."""
OTHER = 0.01
"""Share by which the steps of two series may differ in length."""
_FORM = "must be (time,number),(time,number) ..."


def untimed(line: str, step: float | None, asks: bool) -> tuple[str, float | None]:
    """Returns a line without its times, and how far apart they are, in seconds or as they are numbers.

    Args:
        line: the same.
        step: how far apart those of other series of the file are; none where that is not known.
        asks: whether a class or a number is behind the series.

    Raises:
        ValueError: if times are not at equal distances, or those of channels or series differ.
    """
    found = _SERIES.match(line)
    if found is None:
        raise ValueError(f"{_FORM}, for @timeStamps is true, got {shortened(line)}")
    rest = line[found.end() :].strip()
    if rest and not (asks and rest.startswith(":")):
        raise ValueError(f"{_FORM}{' : and what is asked' * asks}, got {shortened(rest)} behind a bracket")
    channels, first = [], None
    for part in _CHANNEL.split(found.group()):
        pairs = [each.rpartition(",") for each in _STEP.findall(part)]
        texts = [time.strip() for time, _, _ in pairs]
        if texts != first:
            times = _instants(texts)
            if first is None:
                first, instants = texts, times
            elif len(times) != len(instants) or (times != instants).any():
                raise ValueError(f"channel {len(channels) + 1} has other times than channel 1: both must have the same")
        channels.append(",".join(number for _, _, number in pairs))
    return ":".join(channels) + rest, _step(instants, first or [], step)


def _instants(texts: list[str]) -> np.ndarray:
    """Returns times as numbers, or as seconds since 1970."""
    try:
        found = np.array([*map(float, texts)])
    except ValueError:
        found = _mixed(texts)
    if not np.isfinite(found).all():
        wrong = int(np.flatnonzero(~np.isfinite(found))[0])
        words = "must be a number, or a date or time such as 2020-12-31 23:59:00, as all of the series"
        raise ValueError(f"step {wrong + 1}: its time {words}, got {shortened(texts[wrong])}")
    return found


def _mixed(texts: list[str]) -> np.ndarray:
    """Returns the same of texts that are not all numbers; NaN for what is of another kind than the first."""
    import polars as pl

    column = pl.Series(texts, dtype=pl.String)
    numbers = column.cast(pl.Float64, strict=False)
    if numbers[0] is not None:
        return numbers.fill_null(float("nan")).to_numpy()
    read = as_times(column.set(numbers.is_not_null(), None))
    days = read["days"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.asarray(days * 86_400.0 + read["seconds"].fill_null(0.0).to_numpy())


def _step(times: np.ndarray, texts: list[str], step: float | None) -> float | None:
    """Returns how far apart times are; what is known of others where there is only one."""
    count = len(times) - 1
    if count == 0:
        return step
    if (np.diff(times) <= 0).any():
        wrong = int(np.flatnonzero(np.diff(times) <= 0)[0])
        raise ValueError(f"step {wrong + 2}: its time {texts[wrong + 1]} must be behind that before, {texts[wrong]}")
    own = float(times[-1] - times[0]) / count
    off = np.abs(times - times[0] - own * np.arange(count + 1)) > JITTER * own
    if off.any():
        gaps = np.diff(times)
        wrong = int(np.abs(gaps - np.median(gaps)).argmax())
        words = f"{texts[wrong]} and {texts[wrong + 1]} are not as far apart as others"
        raise ValueError(f"times must be at equal distances, {words}: resample the series")
    if step is not None and abs(own - step) > max(OTHER, 2 * JITTER / count) * step:
        raise ValueError(f"its times are {own:.4g} apart, those of series before {step:.4g}: resample the series")
    return own if step is None else step
