"""Where series end, from where a trained network goes on: their last windows, and why some have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import Encoded, shortened
from dltrain.data.ragged import Ragged
from dltrain.errors import KeyProblem
from dltrain.features._series import frequency as frequencies
from dltrain.features._series.tables import circles_of, collected
from dltrain.features._series.windows import Collection
from dltrain.features._tables.files import Table, cell
from dltrain.lazy import np

if TYPE_CHECKING:
    from dltrain.features.series import Series

UNDATED = -(2**63)
"""The time of a window that came without one."""


def facts(times: Sequence[int], names: Sequence[str]) -> dict[str, np.ndarray | Ragged]:
    """Returns what no network sees of windows: when each forecast begins, and which series it is of."""
    of_series = np.empty(len(names), object)
    of_series[:] = names
    return {"time": np.array(times, np.int64).reshape(-1), "series": of_series}


def ends(feature: Series, collection: Collection) -> Encoded:
    """Returns the last window of each series, behind which the forecast begins, in the order of the series.

    Args:
        feature: what windows are.
        collection: the series; those behind whose end covariates are known ahead go on with these.
    """
    rows, times, names = [], [], []
    problems: dict[int, str] = {}
    for number, name in enumerate(collection.names):
        try:
            row, time = _end(feature, collection, number)
        except ValueError as error:
            problems[number] = str(error)
            continue
        rows.append(row)
        times.append(time)
        names.append(name)
    stored = np.stack(rows) if rows else np.zeros((0, *feature.shape), np.float32)
    return Encoded(stored, problems, metadata=facts(times, names))


def _end(feature: Series, collection: Collection, number: int) -> tuple[np.ndarray, int]:
    """Returns the last window of a series, and when the forecast begins.

    Raises:
        ValueError: if it is too short, or lacks a value.
    """
    where, frequency, layout = collection.of(number), collection.frequency, feature.layout
    values = collection.values[where]
    measured = np.flatnonzero(np.isfinite(values[:, : feature.targets]).all(axis=1))
    if not len(measured):
        raise ValueError(f"has no step with {' and '.join(layout.answered)}")
    end = int(measured[-1]) + 1
    if end < feature.window:
        raise ValueError(f"has {end} steps up to its last value, the network looks at {feature.window}")
    first = int(collection.firsts[number])
    instants = frequency.instants(np.arange(first, first + end + feature.ahead + 1))

    def text(place: int) -> str:
        return frequencies.texts(frequency, instants[place : place + 1], layout.zone)[0]

    window = values[end - feature.window : end]
    lacking = np.argwhere(~np.isfinite(window))
    if len(lacking):
        step, channel = lacking[0]
        advice = "; dataset.on_gap: fill, in training, would repeat the value before" * (layout.on_gap != "fill")
        words = f"{collection.channels[channel]} is missing at {text(end - feature.window + int(step))}"
        raise ValueError(f"{words}, in the last {feature.window} steps before the forecast{advice}")
    refused = np.argwhere(feature.refused(window[:, : feature.targets]))
    if len(refused):
        step, channel = refused[0]
        time = text(end - feature.window + int(step))
        raise ValueError(f"{collection.channels[channel]} is {window[step, channel]:g} at {time}, {feature.refusal}")
    if not feature.ahead:
        return window, int(instants[end])
    later = np.zeros((feature.ahead, values.shape[1]), np.float32)
    there = values[end : end + feature.ahead]
    named = slice(feature.targets + len(layout.past), values.shape[1] - len(layout.circles))
    later[:, named] = np.nan
    later[: len(there), named] = there[:, named]
    missing = np.argwhere(~np.isfinite(later[:, named]))
    if len(missing):
        step, channel = missing[0]
        raise ValueError(
            f"needs {layout.known[channel]} at {text(end + int(step))} too: for {feature.ahead} steps behind the last "
            f"value, as rows with {', '.join(layout.known)} and without {', '.join(layout.answered)}"
        )
    if layout.circles:
        later[:, named.stop :] = circles_of(layout, frequency, instants[end : end + feature.ahead])
    return np.concatenate([window, later]), int(instants[end])


def of_objects(feature: Series, raw: Sequence[Any]) -> tuple[np.ndarray, int, str]:
    """Returns the last window of a series whose steps are objects of a value for each column, and its facts.

    Raises:
        ValueError: if it cannot be used.
    """
    import polars as pl

    layout = feature.layout
    alone = replace(layout, targets=layout.answered, series=None, is_wide=False)
    names = (alone.time, *alone.targets, *alone.past, *alone.known)
    if not all(isinstance(each, Mapping) for each in raw):
        raise ValueError(f"each step must be an object of {', '.join(names)}")
    absent = [name for name in (alone.time, *alone.targets) if not any(name in each for each in raw)]
    if absent:
        raise ValueError(f"has no {', '.join(absent)}")
    columns = {name: [_text(each.get(name)) for each in raw] for name in names}
    frame = pl.DataFrame({name: pl.Series(values, dtype=pl.String) for name, values in columns.items()})
    table = Table(frame, [Path("step")], [np.arange(1, len(raw) + 1)])
    try:
        found = ends(feature, collected(table, alone, feature.frequency, is_asked=True))
    except KeyProblem as error:
        raise ValueError(" ".join(str(error).split())) from None
    if found.problems:
        raise ValueError(found.problems[0])
    name = raw[0].get(layout.series) if layout.series is not None else None
    return found.stored[0], int(np.asarray(found.metadata["time"])[0]), "" if name is None else str(name)


def _text(value: Any) -> str | None:
    """Returns a value of JSON as a cell of a text file; none for what is missing.

    Raises:
        ValueError: if it is a list or an object.
    """
    try:
        text = cell(value)
    except ValueError:
        raise ValueError(f"each value must be a number or a text, got {shortened(value)}") from None
    if text is None or isinstance(value, float) and value != value:
        return None
    return text.encode("utf-8", "replace").decode() or None
