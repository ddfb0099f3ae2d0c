"""How rows of a table are stored: with what was learnt of the columns in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import Encoded, Notice
from dltrain.errors import KeyProblem
from dltrain.features._arrays.encoding import ArrayEncoding
from dltrain.features._tables.columns import BETWEEN_HOURS, between_hours, encode, pointed, strays
from dltrain.features._tables.delimited import Rows
from dltrain.features._tables.files import cell, flat, nulled
from dltrain.features._tables.text_tokens import as_cell
from dltrain.features._tables.values import beyond_float32
from dltrain.features.table import Column
from dltrain.lazy import np
from dltrain.registry import nearest

if TYPE_CHECKING:
    import polars as pl

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "None", "?")
"""What stands for a value that is not there, where nothing else is said."""


@dataclass
class Seen:
    """What the blocks of one file have shown so far.

    Args:
        rows: how many there were.
        nested: what columns hold that are left out.
    """

    rows: int = 0
    nested: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RowEncoding(ArrayEncoding):
    """Takes rows as numbers, of which those of categories are their positions.

    Args:
        columns: what each number is.
    """

    columns: tuple[Column, ...] = ()

    def checked(self, array: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
        """Returns the rows that are finite and of known positions, and what is wrong with the others."""
        problems: dict[int, str] = {}
        for place, column in enumerate(self.columns):
            if column.categories:
                codes, most = array[:, place], len(column.categories)
                is_known = np.isin(codes, np.arange(most + 1))
                words = f"{column.name} must be a whole number from 0 (missing or unknown) to {most}, got"
                problems |= {int(row): f"{words} {codes[row]:g}" for row in np.flatnonzero(~is_known)}
        stored, others = super().checked(array)
        places = np.delete(np.arange(len(array)), [*others])
        return stored[~np.isin(places, [*problems])], dict(sorted((problems | others).items()))


@dataclass(frozen=True)
class TableEncoding:
    """Takes rows as objects of a cell for each column, or as lists of numbers as the network takes them.

    Each row is judged by itself. One that cannot be read, that lacks a column which each row of training had, or that
    has no number or date where each row of training had one, cannot be used; elsewhere such a value counts as missing.

    Args:
        columns: what each number of an example is.
        missing: what stands for a value that is not there.
        numeric: columns that must hold numbers.
        dates: columns that must hold dates.
        tokenizer: of texts, where tokens are counted.
    """

    columns: tuple[Column, ...]
    missing: tuple[str, ...] = MISSING
    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    tokenizer: str = ""

    @property
    def numbers(self) -> RowEncoding:
        """How rows are stored that come as numbers."""
        return RowEncoding((len(self.columns),), columns=self.columns)

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns the rows that can be used, (usable, columns), float32: each is an object or a list of numbers.

        Args:
            raws: the rows.
        """
        is_object = np.array([isinstance(raw, dict | ValueError) for raw in raws], bool)
        if not is_object.any():
            return self.numbers.encode(raws)
        if is_object.all():
            return self.of_objects(raws)
        stored: list[np.ndarray] = []
        order: list[int] = []
        problems: dict[int, str] = {}
        notices: dict[int, str | Sequence[str]] = {}
        for places, encode_all in ((~is_object, self.numbers.encode), (is_object, self.of_objects)):
            rows = np.flatnonzero(places).tolist()
            found = encode_all([raws[row] for row in rows])
            stored.append(found.stored)
            order += [row for place, row in enumerate(rows) if place not in found.problems]
            problems |= {rows[place]: why for place, why in found.problems.items()}
            notices |= {rows[place]: words for place, words in found.notices.items()}
        return Encoded(np.concatenate(stored)[np.argsort(order)], dict(sorted(problems.items())), notices)

    def of_objects(self, raws: Sequence[Any]) -> Encoded:
        """Returns the rows that can be used, (usable, columns), float32.

        Args:
            raws: the rows as JSON has them; in place of one that could not be read, the error that says why.
        """
        import polars as pl

        sources = dict.fromkeys(column.source for column in self.columns)
        cells: dict[str, list[str | None]] = {name: [] for name in sources}
        problems, places = {}, []
        for place, raw in enumerate(raws):
            try:
                row = self._cells(raw)
            except ValueError as error:
                problems[place] = str(error)
                continue
            places.append(place)
            for name, value in row.items():
                cells[name].append(value)
        frame = nulled(pl.DataFrame(cells, schema=dict.fromkeys(sources, pl.String)), self.missing)
        stored, bad, notices = self._usable(pointed(frame, self.columns))
        problems |= {places[row]: why for row, why in bad.items()}
        in_order = dict(sorted(problems.items()))
        return Encoded(stored, in_order, {places[row]: words for row, words in notices.items()})

    @cached_property
    def _complete(self) -> set[str]:
        """The columns of which each row of training had a value."""
        lacking = {each.source for each in self.columns if not each.is_complete or each.part == "missing"}
        return {each.source for each in self.columns} - lacking

    def _cells(self, raw: Any) -> dict[str, str | None]:
        """Returns the cells of one row as a text file has them.

        Raises:
            ValueError: if it cannot be used.
        """
        if isinstance(raw, ValueError):
            raise raw
        if not isinstance(raw, dict):
            raise ValueError('must be an object, such as {"a": 1}')
        found: dict[str, str | None] = {}
        for column in self.columns:
            name = column.source
            if name not in raw and name in self._complete:
                sources = {each.source for each in self.columns}
                others = [key for key in raw if key not in sources]
                hints = (f": {key!r} is unknown{hint}" for key in others if (hint := nearest(key, [name])))
                raise ValueError(f"has no column {name!r}{next(hints, '; null says that a value is missing')}")
            value = raw.get(name)
            if column.part == "token" and isinstance(value, list) and all(isinstance(each, str) for each in value):
                value = as_cell(value)
            try:
                found[name] = cell(value)
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        return found

    def of_rows(self, path: Path, rows: Rows, seen: Seen) -> tuple[list[int], Encoded]:
        """Returns the lines of rows, those that cannot be read among them, and the rows by their places among these.

        Args:
            path: where they are from.
            rows: some of that file.
            seen: what earlier ones have shown; what these show is added.

        Raises:
            ValueError: if a column is not there, or of another kind as a whole.
        """
        frame = pointed(flat(rows.frame, seen.nested), self.columns)
        lines, problems = rows.lines.tolist(), {fault.line: fault.why for fault in rows.faults}
        notices: dict[int, str | Sequence[str]] = {}
        stored: Any = self.numbers.joined([])
        if len(frame):
            self._refuse_others(path, frame, lines, seen)
            stored, bad, of_rows = self._usable(frame)
            problems |= {lines[row]: why for row, why in bad.items()}
            notices = {lines[row]: words for row, words in of_rows.items()}
        every = sorted({*lines, *problems})
        seen.rows += len(every)
        positions = {line: position for position, line in enumerate(every)} if problems or notices else {}
        at_places = {positions[line]: problems[line] for line in sorted(problems)}
        return every, Encoded(stored, at_places, {positions[line]: why for line, why in notices.items()})

    def _refuse_others(self, path: Path, frame: pl.DataFrame, lines: list[int], seen: Seen) -> None:
        """Refuses a file whose column is of another kind in each row, none of which could be used."""
        complete = tuple(each for each in self.columns if each.source in self._complete & {*frame.columns})
        for name, (what, wrong) in strays(frame, complete).items() if len(frame) > 1 and not seen.rows else ():
            if what != "categories" and wrong.sum() == frame[name].count():
                row = int(wrong.arg_max() or 0)
                words = f"got {frame[name][row]!r}, {path}:{lines[row]}"
                raise KeyProblem("", f"column {name!r} must hold {what}, as in training, {words}")

    def _usable(self, frame: pl.DataFrame) -> tuple[np.ndarray, dict[int, str], dict[int, list[Notice]]]:
        """Returns the rows that can be used, why others cannot, by row, and what is noticed of those that can."""
        stored = encode(frame, self.columns, self.tokenizer)
        others = strays(frame, self.columns)
        bad = self._wrong(frame, others)
        notices = {row: words for row, words in self._notices(frame, others).items() if row not in bad}
        return (np.delete(stored, list(bad), axis=0) if bad else stored), bad, notices

    def _wrong(self, frame: pl.DataFrame, others: Mapping[str, tuple[str, pl.Series]]) -> dict[int, str]:
        """Returns what is wrong with rows.

        Args:
            frame: the rows.
            others: as `strays` returns them.
        """
        found: dict[int, str] = {}

        def note(name: str, wrong: pl.Series, words: str) -> None:
            for row in np.flatnonzero(wrong.to_numpy()).tolist():
                found.setdefault(row, f"{name} must be {words}, got {str(frame[name][row])[:40]!r}")

        for name in dict.fromkeys(column.source for column in self.columns):
            note(name, beyond_float32(frame[name]), "within float32, which ends at 3.4e38")
            what, wrong = others.get(name, ("", None))
            if wrong is not None and what != "categories" and name in {*self._complete, *self.numeric, *self.dates}:
                note(name, wrong, _KINDS[what])
        return found

    def _notices(self, frame: pl.DataFrame, others: Mapping[str, tuple[str, pl.Series]]) -> dict[int, list[Notice]]:
        """Returns, by row, which categories are unknown, which missing values are filled, and what else is missing.

        Args:
            frame: the rows.
            others: as `strays` returns them.
        """
        found: dict[int, list[Notice]] = {}

        def note(name: str, rows: pl.Series, words: str, kind: str, absence: str | None = None) -> None:
            for row in np.flatnonzero(rows.to_numpy()).tolist():
                words_of_row = words.format(repr(str(frame[name][row])[:40]))
                found.setdefault(row, []).append(Notice(words_of_row, kind, absence))

        absences = {column.source: _absence(column) for column in reversed(self.columns) if column.part in _FILLED}
        for name, (what, wrong) in others.items():
            title = _escaped(f"column {name!r}")
            if what == "categories":
                kind = f"column {name!r}: values that training did not have"
                note(name, wrong, f"{title}: {{}} is unknown", kind, absences.get(name))
            else:
                kind = f"column {name!r} was read as {what} in training: other values count as missing"
                words = f"{title} was read as {what} in training: {{}} counts as missing"
                note(name, wrong, words, kind, absences.get(name))
        for name, between in between_hours(frame, self.columns).items():
            title, kind = _escaped(f"column {name!r}"), f"column {name!r}: {BETWEEN_HOURS}"
            note(name, between, f"{title}: {BETWEEN_HOURS}, got {{}}", kind, absences.get(name))
        for name in dict.fromkeys(column.source for column in self.columns if column.source in absences):
            note(name, frame[name].is_null(), _escaped(absences[name]), absences[name])
        return found


_KINDS = {"numbers": "a number", "dates": "a date, for example 2020-12-31 23:59"}


_FILLED = {"value", "category", "year", "month", "weekday", "day", "hour", "time"}
"""Parts of which a missing value is filled."""


def _absence(column: Column) -> str:
    """Returns what is noticed of a missing value."""
    filled = {"value": f"{column.fill + column.offset:g} takes its place", "category": "it counts as unknown"}
    return f"column {column.source!r} is missing: {filled.get(column.part, 'the middle of training takes its place')}"


def _escaped(words: str) -> str:
    return words.replace("{", "{{").replace("}", "}}")
