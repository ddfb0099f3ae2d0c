"""What `dltrain init` sees in a table whose rows follow each other in time, at equal distances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.data.noticing import noticing
from dltrain.data.proposal import Proposal
from dltrain.errors import KeyProblem
from dltrain.features._series.frequency import found_of
from dltrain.features._series.tables import Layout, times
from dltrain.features._tables.files import OTHER_KINDS, Table, read
from dltrain.features._tables.values import as_values
from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

_TIMES = ("time", "date", "datetime", "timestamp", "ds", "month", "year", "day", "hour", "week", "quarter")
_SUFFIXES = (".csv", ".tsv", ".tab", ".parquet", ".pq", ".jsonl", ".ndjson", ".csv.gz", ".tsv.gz", ".txt")
FEWEST = 40
"""Rows below which times in order may be chance."""
REGULAR = 0.9
"""Share of steps that are as long as the commonest one."""


@dataclass(frozen=True)
class _Seen:
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
    seen = _seen(Table(frame, [Path("table")], [np.arange(len(frame))]))
    return seen is not None and (target is None or target in seen.numbers)


def series_table(path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...]) -> Proposal | None:
    """Looks for a table of series.

    Args:
        path: where.
        target: the column to forecast; none for the first that is a number.
        make: makes the dataset from its keys.
        missing: texts that mean a missing value.
    """
    if not path.is_file() or not path.name.lower().endswith(_SUFFIXES) or path.suffix.lower() in OTHER_KINDS:
        return None
    try:
        with noticing():
            table = read(path, "auto", "utf-8", missing, skip=False)
            seen = _seen(table)
    except KeyProblem:
        return None
    if seen is None or (target is not None and target not in seen.numbers):
        return None
    chosen = target or seen.numbers[0]
    others = [name for name in seen.numbers if name != chosen]
    horizon = max(1, min(12, seen.longest // 12))
    keys: dict[str, Any] = {"path": path, "time": seen.time, "target": chosen}
    remarks = {
        "path": "CSV, TSV, Parquet or JSON lines; rows one by one, in no order: name: csv",
        "time": f"{seen.words} apart",
        "target": "or a list" + (f"; others: {', '.join(others[:6])}" if others else ""),
    }
    if seen.series:
        keys["series"], remarks["series"] = seen.series, "the column that says which series a row is of"
    keys["window"] = max(2 * horizon, 2)
    keys["horizon"] = horizon
    keys["on_gap"] = "fill"
    keys["test"], keys["validation"] = 0.2, 0.1
    remarks |= {
        "window": "steps of the past that a forecast is made from; two seasons or more",
        "horizon": "steps that are forecast",
        "on_gap": "repeats the value before where one is missing; or error, split",
        "test": "the last share of the time; or a number of steps, or a date",
        "validation": "likewise, before the test part: chooses the best epoch",
    }
    if others:
        remarks["target"] += "; name those that help as past or known covariates"
    block = make(**keys)
    sizes = block.sizes()
    told = (f"{len(table.frame):,} rows, {seen.names:,} series of up to {seen.longest:,} steps, {seen.words} apart",)
    return Proposal(keys, remarks, told, sum(sizes.values()))


def _seen(table: Table) -> _Seen | None:
    frame = table.frame
    lower = {name.lower(): name for name in reversed(frame.columns)}
    time = next((lower[name] for name in _TIMES if name in lower), frame.columns[0] if frame.columns else "")
    if len(frame) < FEWEST or len(frame.columns) < 2 or frame[time].null_count():
        return None
    try:
        with noticing():
            instants, are_numbers = times(table, Layout(time=time))
    except (KeyProblem, ValueError):
        return None
    if are_numbers and time.lower() not in _TIMES:
        return None
    numbers = [name for name in frame.columns if name != time and _are_numbers(frame[name])]
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
        return _Seen(time, series, tuple(numbers), int(counts.max()), len(counts), grid.words)
    return None


def _are_numbers(column: pl.Series) -> bool:
    values = as_values(column)
    return bool(len(column) > column.null_count()) and values.null_count() == column.null_count()
