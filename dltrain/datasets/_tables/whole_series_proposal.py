"""What `dltrain init` sees in a table whose rows are steps of whole series, each with a class or a number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.data.noticing import noticing
from dltrain.data.proposal import Proposal
from dltrain.data.splits import PART_NAMES
from dltrain.datasets._sources.proposal import are_parts, few, held_out
from dltrain.datasets._tables.rows_in_time import TIMES, holds_numbers, is_series
from dltrain.errors import KeyProblem
from dltrain.features._series.tables import Layout, times
from dltrain.features._tables.columns import looks
from dltrain.features._tables.files import Table, read
from dltrain.features._tables.values import as_numbers, as_text
from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

_CLASSES = ("label", "labels", "class", "target", "activity", "gesture", "diagnosis", "outcome", "kind", "category")
"""What a column of classes may be called, the likeliest first."""
_SERIES = re.compile(
    r"(?i)(?:^|_|\b)(?:id|series|case|sample|subject|patient|trial|recording|session|sequence|example|unit|instance)"
    r"(?:_?(?:id|no|nr|number))?$"
)
_STEPS = ("step", "t", "index", "frame", "cycle", "tick")
FEWEST_SERIES = 6
FEWEST_STEPS = 4
"""Rows of a series, on average, below which a column names no series."""


@dataclass(frozen=True)
class _Seen:
    """What columns of a table of whole series are called.

    Args:
        series: which series a row is of.
        time: of the steps, rising in each series; none where rows are in order.
        target: the same in all rows of a series.
        values: the channels.
        others: columns that are none of these.
        lengths: steps of each series.
    """

    series: str
    time: str | None
    target: str
    values: tuple[str, ...]
    others: tuple[str, ...]
    lengths: np.ndarray


def is_whole(frame: pl.DataFrame, target: str | None) -> bool:
    """Whether rows are steps of series, in each of which the target, or a column named like one, stays the same."""
    return _seen(frame, target) is not None


def of_whole_series(
    path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...], skip: bool
) -> Proposal | None:
    """Looks at a table; none where it has no whole series, or rows that cannot be used.

    Args:
        path: the file, or a pattern.
        target: the column to predict; none for one that is named like classes, or the last one.
        make: makes the dataset from its keys.
        missing: texts that mean a missing value.
        skip: whether rows that cannot be used are left out.
    """
    frame = read(path, "auto", "utf-8", missing, skip).frame
    seen = None if skip else _seen(frame, target)
    if seen is None:
        return None
    keys: dict[str, Any] = {"path": path, "target": seen.target, "series": seen.series}
    remarks = {
        "path": "CSV, TSV, Parquet or JSON lines; rows one by one: name: csv",
        "target": "the same in all rows of a series",
        "series": "the column that says which series a row is of",
    }
    if seen.time:
        keys["time"], remarks["time"] = seen.time, "rises in each series"
    split = next((name for name in seen.others if are_parts(frame[name].unique().to_list())), None)
    left_out = [name for name in seen.others if name != split]
    if left_out:
        keys["values"], remarks["values"] = seen.values, "the channels, of numbers"
    if split:
        keys["split"], remarks["split"] = split, "the column with the part of each series"
    keys["scaling"] = "train"
    remarks["scaling"] = "by mean and deviation of the train part: levels count; series, each by its own: shapes alone"
    if any(frame[name].null_count() for name in seen.values):
        keys["on_missing"] = "fill"
        remarks["on_missing"] = "numbers are missing: draws a line between the neighbours"
    block = make(**keys)
    kind = {"classification": "classes"}.get(block.task, "numbers")
    keys["kind"], remarks["kind"] = kind, "classes or numbers: inferred from the target's values"
    count, least, most = len(seen.lengths), int(seen.lengths.min()), int(seen.lengths.max())
    steps = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    order = f"{seen.time!r} rises in each" if seen.time else "the rows of each stand together"
    firsts = frame.unique(seen.series, keep="first", maintain_order=True)[seen.target]
    counts = dict(as_text(firsts).value_counts().sort(seen.target).rows()) if kind == "classes" else {}
    found = [
        f"{len(frame):,} rows are {count:,} series of {steps} steps: {order}, and {seen.target!r} is the same "
        f"in all rows of each {seen.series!r}",
        f"{len(seen.values)} channel{'s' * (len(seen.values) > 1)}: {few(seen.values)}"
        + (f", {len(counts)} classes" if counts else ""),
    ]
    if left_out:
        found.append(f"left out, as they are no numbers: {few(left_out)}")
    parts = dict.fromkeys(PART_NAMES) if split else {"train": None}
    return Proposal(keys, remarks | held_out(keys, parts), tuple(found), count, counts)


def _seen(frame: pl.DataFrame, target: str | None) -> _Seen | None:
    if len(frame) < FEWEST_SERIES * FEWEST_STEPS:
        return None
    for wanted in _targets(frame, target):
        classes = _codes(frame[wanted])
        if classes is None or classes.max(initial=0) < 2:
            continue
        others = [name for name in frame.columns if name != wanted]
        for series in sorted(others, key=lambda name: _SERIES.search(name) is None):
            if found := _of_series(frame, wanted, classes, series, [each for each in others if each != series]):
                return found
    return None


def _targets(frame: pl.DataFrame, target: str | None) -> Iterator[str]:
    """Yields the columns that may be asked for, the likeliest first."""
    if target is not None:
        yield from (name for name in frame.columns if name == target)
        return
    lower = {name.lower(): name for name in reversed(frame.columns)}
    yield from (lower[name] for name in _CLASSES if name in lower)
    if frame.columns and not holds_numbers(frame[frame.columns[-1]]) and not is_series(frame, None):
        yield frame.columns[-1]


def _of_series(frame: pl.DataFrame, target: str, classes: np.ndarray, series: str, others: list[str]) -> _Seen | None:
    """Returns what the columns are where one says which series a row is of; none where it does not."""
    is_named = _SERIES.search(series) is not None
    if not is_named and (holds_numbers(frame[series]) or looks(frame[series]) == "dates"):
        return None
    codes = _codes(frame[series])
    if codes is None:
        return None
    lengths = np.bincount(codes)[1:]
    if len(lengths) < FEWEST_SERIES or lengths.mean() < FEWEST_STEPS:
        return None
    order = np.argsort(codes, kind="stable")
    of_rows, is_next = classes[order], np.diff(codes[order]) == 0
    if (np.diff(of_rows)[is_next] != 0).any():
        return None
    firsts = of_rows[np.append(True, ~is_next)]
    if not holds_numbers(frame[target]) and len(np.unique(firsts)) > len(firsts) // 2:
        return None
    time = next((name for name in _times(others) if _rises(frame[name], order, is_next)), None)
    is_together = (np.diff(codes) != 0).sum() == len(lengths) - 1
    if time is None and not (is_named and is_together and not any(_is_time(name) for name in others)):
        return None
    values = [name for name in others if name != time and holds_numbers(frame[name])]
    changing = (as_numbers(frame[name]).fill_null(0.0).to_numpy()[order] for name in values)
    if not any((np.diff(each)[is_next] != 0).any() for each in changing):
        return None
    rest = tuple(name for name in others if name not in (time, *values))
    return _Seen(series, time, target, tuple(values), rest, lengths)


def _codes(column: pl.Series) -> np.ndarray | None:
    """Returns a number from 1 for each value; none where one is missing."""
    return None if column.null_count() else column.rank("dense").to_numpy().astype(np.int64)


def _is_time(name: str) -> bool:
    return name.lower() in (*TIMES, *_STEPS)


def _times(names: list[str]) -> list[str]:
    """Returns the columns that may be times or numbers of steps, those that are named so first."""
    return sorted(names, key=lambda name: not _is_time(name))


def _rises(column: pl.Series, order: np.ndarray, is_next: np.ndarray) -> bool:
    """Whether times rise in each series; by equal distances, unless the column is named like times."""
    if column.null_count():
        return False
    numbers = as_numbers(column)
    if not numbers.null_count():
        gaps = np.diff(numbers.to_numpy()[order])[is_next]
        return bool((gaps > 0).all() and (_is_time(column.name) or (gaps == gaps[0]).all()))
    if not _is_time(column.name) and looks(column) != "dates":
        return False
    try:
        with noticing():
            instants, _ = times(
                Table(column.to_frame(), [Path("table")], [np.arange(len(column))]), Layout(column.name)
            )
    except (KeyProblem, ValueError):
        return False
    return bool((np.diff(instants[order])[is_next] > 0).all())
