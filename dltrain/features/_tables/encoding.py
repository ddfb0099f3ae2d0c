"""How rows of a table are stored: with what was learnt of the columns in training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import Encoded, Notice
from dltrain.features._arrays.encoding import ArrayEncoding
from dltrain.features._arrays.reader import words
from dltrain.features._tables.columns import encode, strays
from dltrain.features._tables.delimited import Rows
from dltrain.features._tables.files import flat, json_lines, nulled, with_points
from dltrain.features._tables.times import as_times, is_day_first, is_time
from dltrain.features._tables.values import as_numbers, as_text, beyond_float32
from dltrain.features.table import Column
from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "None", "?")
"""What stands for a value that is not there, where nothing else is said."""


@dataclass
class Seen:
    """What the blocks of one file have shown so far.

    Args:
        rows: how many there were.
        points: whether a column has decimal commas.
        nested: what columns hold that are left out.
    """

    rows: int = 0
    points: dict[str, bool] = field(default_factory=dict)
    nested: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableEncoding:
    """Takes rows as objects of a cell for each column, or as lists of numbers as the network takes them.

    A row that cannot be read, or has no number or date in a column that the config says holds some, cannot be used;
    elsewhere such a value counts as missing, as it does in an evaluation, unless a whole column is of it.

    Args:
        columns: what each number of an example is.
        missing: what stands for a value that is not there.
        numeric: columns that must hold numbers.
        dates: columns that must hold dates.
    """

    columns: tuple[Column, ...]
    missing: tuple[str, ...] = MISSING
    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()

    @property
    def numbers(self) -> ArrayEncoding:
        """How rows are stored that come as numbers."""
        return ArrayEncoding((len(self.columns),))

    def encode(self, raws: Sequence[Any], source: str = "row") -> Encoded:
        """Returns the rows that can be used, (usable, columns), float32; objects and lists of numbers do not mix.

        Args:
            raws: the rows.
            source: what they are called in messages, where none is a file's.
        """
        if not any(isinstance(raw, dict) for raw in raws):
            return self.numbers.encode(raws)
        file = Path(source)
        lines = "\n".join(json.dumps(raw) if isinstance(raw, dict) else "0" for raw in raws)
        try:
            rows = json_lines(lines.encode(), file)
            return self.of_rows(file, without_missing(rows, self.missing), Seen(points=self._points))[1]
        except ValueError as error:
            return Encoded(self.numbers.joined([]), dict.fromkeys(range(len(raws)), words(error, str(file))))

    @property
    def _points(self) -> dict[str, bool]:
        """Columns whose categories have commas that training did not take for decimal ones."""
        return {column.source: False for column in self.columns if any("," in each for each in column.categories)}

    def of_rows(self, path: Path, rows: Rows, seen: Seen) -> tuple[list[int], Encoded]:
        """Returns the lines of rows, those that cannot be read among them, and the rows by their places among these.

        Args:
            path: where they are from.
            rows: some of that file.
            seen: what earlier ones have shown; what these show is added.

        Raises:
            ValueError: if a column is not there, or of another kind as a whole.
        """
        frame = with_points(flat(rows.frame, seen.nested), seen.points)
        lines, problems = rows.lines.tolist(), {fault.line: fault.why for fault in rows.faults}
        notices: dict[int, list[Notice]] = {}
        if len(frame):
            bad = self._wrong(frame)
            others = strays(frame, tuple(column for column in self.columns if column.source in frame.columns))
            for name, (what, wrong) in others.items() if not seen.rows else ():
                if wrong.sum() == frame[name].count():
                    shown = _shown(frame[name], int(np.flatnonzero(wrong.to_numpy())[0]), path, lines)
                    raise ValueError(f"column {name!r} must hold {what}, as in training, got {shown}")
            problems |= {lines[row]: why for row, why in bad.items()}
            stored = encode(frame, self.columns)
            notices = {lines[row]: why for row, why in self._notices(frame, others).items() if row not in bad}
            if bad:
                stored = np.delete(stored, list(bad), axis=0)
        else:
            stored = self.numbers.joined([])
        every = sorted({*lines, *problems})
        seen.rows += len(every)
        positions = {line: position for position, line in enumerate(every)} if problems or notices else {}
        at_places = {positions[line]: problems[line] for line in sorted(problems)}
        return every, Encoded(stored, at_places, {positions[line]: why for line, why in notices.items()})

    def _wrong(self, frame: pl.DataFrame) -> dict[int, str]:
        """Returns what is wrong with rows, as the dataset refuses them."""
        found: dict[int, str] = {}

        def note(name: str, wrong: pl.Series, words: str) -> None:
            for row in np.flatnonzero(wrong.to_numpy()).tolist():
                found.setdefault(row, f"{name} must be {words}, got {str(frame[name][row])[:40]!r}")

        used = dict.fromkeys(column.source for column in self.columns)
        for name in [name for name in used if name in frame.columns]:
            series = frame[name]
            note(name, beyond_float32(series), "within float32, which ends at 3.4e38")
            if name in self.numeric:
                note(name, as_numbers(series).is_null() & series.is_not_null(), "a number")
            if name in self.dates:
                order = next((column.day_first for column in self.columns if column.source == name), None)
                order = is_day_first(series) if order is None else order
                wrong = ~is_time(as_times(series, order)) & series.is_not_null()
                note(name, wrong, "a date, such as 2020-12-31 23:59")
        return found

    def _notices(self, frame: pl.DataFrame, others: Mapping[str, tuple[str, pl.Series]]) -> dict[int, list[Notice]]:
        """Returns, by row, which categories are unknown, which missing values are filled, and what else is missing.

        Args:
            frame: the rows.
            others: as `strays` returns them.
        """
        found: dict[int, list[Notice]] = {}
        for name, (what, wrong) in others.items():
            kind = f"column {name!r} was read as {what} in training: other values count as missing"
            for row in np.flatnonzero(wrong.to_numpy()).tolist():
                words = (
                    f"column {name!r} was read as {what} in training: {str(frame[name][row])[:40]!r} counts as missing"
                )
                found.setdefault(row, []).append(Notice(words, kind))
        for column in self.columns:
            series = frame[column.source]
            if column.part == "category":
                text = as_text(series)
                unknown = (~text.is_in(column.categories)).fill_null(False)
                for row in np.flatnonzero(unknown.to_numpy()).tolist():
                    words = Notice(f"{column.name}: {text[row]!r} is unknown", f"{column.name}: unknown values")
                    found.setdefault(row, []).append(words)
            elif column.part == "value":
                absent = as_numbers(series).is_null()
                if column.source in others:
                    absent &= ~others[column.source][1]
                for row in np.flatnonzero(absent.to_numpy()).tolist():
                    words = Notice(f"{column.name} is missing: {column.fill:g} takes its place")
                    found.setdefault(row, []).append(words)
        return found


def without_missing(rows: Rows, missing: tuple[str, ...]) -> Rows:
    """Returns rows with nulls for texts that stand for no value."""
    return Rows(nulled(rows.frame, missing), rows.lines, rows.faults)


def _shown(values: pl.Series, row: int, path: Path, lines: Sequence[int]) -> str:
    return f"{values[row]!r}, {path}:{lines[row]}"
