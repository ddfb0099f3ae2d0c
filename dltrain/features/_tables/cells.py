"""Stored rows of a table as cells again: words, dates and numbers by the names of the columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from dltrain.features._tables.encoding import MISSING
from dltrain.features.table import Column
from dltrain.lazy import np

Members = Sequence[tuple[int, Column]]
_FIRST_DAY = datetime(1970, 1, 1)


def cells(stored: np.ndarray, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Returns rows as objects of a cell for each column of the table; encoded again, they are the same rows.

    A value that was missing, or that training did not know, is none: it is stored as that again. Of a text there are
    only the words that are counted; of one that is read as tokens, a list of those that are counted.

    Args:
        stored: (rows, columns), float32.
        columns: what each number is.
    """
    of_source: dict[str, list[tuple[int, Column]]] = {}
    for index, column in enumerate(columns):
        of_source.setdefault(column.source, []).append((index, column))
    makers = {source: (_maker(members), members) for source, members in of_source.items()}
    rows = np.asarray(stored, np.float64).tolist()
    return [{source: make(row, members) for source, (make, members) in makers.items()} for row in rows]


def _maker(members: Members) -> Callable[[Sequence[float], Members], Any]:
    parts = {column.part for _, column in members}
    if parts == {"word"}:
        return _text
    if parts == {"token"}:
        return _tokens
    if parts == {"category"}:
        return _category
    return _number if parts <= {"value", "missing"} else _date


def _number(row: Sequence[float], members: Members) -> float | None:
    values = {column.part: row[index] + column.offset for index, column in members}
    return None if values.get("missing") else values.get("value", 0.0)


def _category(row: Sequence[float], members: Members) -> str | None:
    ((index, column),) = members
    code = int(row[index])
    return column.categories[code - 1] if code else None


def _text(row: Sequence[float], members: Members) -> str | None:
    text = " ".join(_counted(row, members))
    return f"{text}." if text in MISSING and text else text or None


def _tokens(row: Sequence[float], members: Members) -> list[str] | None:
    return _counted(row, members) or None


def _counted(row: Sequence[float], members: Members) -> list[str]:
    return [column.word for index, column in members if column.word for _ in range(round(np.expm1(row[index])))]


def _date(row: Sequence[float], members: Members) -> str | None:
    """Returns the day, the time, or both as they are known; none where the numbers are those of no date."""
    numbers = {column.part: row[index] for index, column in members}
    if all(np.float32(column.fill) == row[index] for index, column in members):
        return None
    instant = _FIRST_DAY
    if "day" in numbers:
        instant += timedelta(days=round(numbers["day"]))
    elif "year" in numbers or "month" in numbers:
        instant = datetime(round(numbers.get("year", 1970)), round(numbers.get("month", 1)), 1)
    hours = numbers.get("time", numbers.get("hour"))
    has_clock = hours is not None and 0 <= hours < 24 and ("time" in numbers or hours == int(hours))
    if has_clock and hours is not None:
        instant += timedelta(microseconds=round(hours * 3_600_000_000))
    if not {"day", "year", "month"} & numbers.keys():
        return instant.time().isoformat() if has_clock else None
    return instant.isoformat(" ") if has_clock else str(instant.date())
