"""Whether the rows of a table follow each other in time, at equal distances."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dltrain.data.noticing import noticing
from dltrain.errors import KeyProblem
from dltrain.features._series.frequency import found_of
from dltrain.features._series.tables import Layout, times
from dltrain.features._tables.files import Table
from dltrain.features._tables.values import as_values
from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

TIMES = ("time", "date", "datetime", "timestamp", "ds", "month", "year", "day", "hour", "week", "quarter")
"""What a column of times may be called."""
FEWEST = 40
"""Rows below which times in order may be chance."""
REGULAR = 0.9
"""Share of steps that are as long as the commonest one."""


@dataclass(frozen=True)
class Regular:
    """What columns of a table of series are called.

    Args:
        time: of times.
        series: which series a row is of; none where there is one.
        numbers: all others that are numbers.
        longest: steps of the longest series.
        names: how many series there are.
        words: how far apart steps are.
    """

    time: str
    series: str | None
    numbers: tuple[str, ...]
    longest: int
    names: int
    words: str


def is_series(frame: pl.DataFrame, target: str | None) -> bool:
    """Whether rows follow each other in time, at equal distances, and the target, if it is named, is a number."""
    seen = seen_in(Table(frame, [Path("table")], [np.arange(len(frame))]))
    return seen is not None and (target is None or target in seen.numbers)


def seen_in(table: Table) -> Regular | None:
    """Returns what the columns are; none where rows do not follow each other so."""
    frame = table.frame
    lower = {name.lower(): name for name in reversed(frame.columns)}
    time = next((lower[name] for name in TIMES if name in lower), frame.columns[0] if frame.columns else "")
    if len(frame) < FEWEST or len(frame.columns) < 2 or frame[time].null_count():
        return None
    try:
        with noticing():
            instants, are_numbers = times(table, Layout(time=time))
    except (KeyProblem, ValueError):
        return None
    if are_numbers and time.lower() not in TIMES:
        return None
    numbers = [name for name in frame.columns if name != time and holds_numbers(frame[name])]
    for series in (None, *(name for name in frame.columns if name != time and name not in numbers)):
        codes = (
            np.zeros(len(frame), np.int64) if series is None else frame[series].rank("dense").fill_null(0).to_numpy()
        )
        order = np.argsort(codes, kind="stable")
        codes, of_rows = codes[order], instants[order]
        is_next = codes[1:] == codes[:-1]
        gaps = np.diff(of_rows)[is_next]
        if len(gaps) < FEWEST // 2 or gaps.min() <= 0 or not numbers:
            continue
        grid = found_of(of_rows, gaps, are_numbers)
        if (np.diff(grid.ordinals(of_rows))[is_next] == 1).mean() < REGULAR or not grid.is_on(of_rows).all():
            continue
        _, counts = np.unique(codes, return_counts=True)
        return Regular(time, series, tuple(numbers), int(counts.max()), len(counts), grid.words)
    return None


def holds_numbers(column: pl.Series) -> bool:
    """Whether all values of a column are numbers, and there are any."""
    values = as_values(column)
    return bool(len(column) > column.null_count()) and values.null_count() == column.null_count()
