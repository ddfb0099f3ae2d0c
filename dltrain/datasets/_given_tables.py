"""Tables that are given to a trained network: files of rows, a block of lines at a time, standard input, JSON."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from dltrain.data.request import Request
from dltrain.datasets import _given_arrays as arrays
from dltrain.datasets._delimited import Rows, parse
from dltrain.datasets._given_arrays import ArrayReader
from dltrain.datasets._headers import SUFFIXES as IMAGES
from dltrain.datasets._table_files import (
    JSON_LINES,
    PARQUET,
    TABLES,
    as_utf8,
    flat,
    json_lines,
    nulled,
    reading,
    table_suffixes,
    with_points,
)
from dltrain.datasets._tables import as_dates, as_numbers, beyond_float32, encode, is_day_first, strays
from dltrain.datasets._telling import tell
from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

BLOCK_BYTES = 2**22
"""Of a file of rows that are held in memory at a time."""
BLOCK_ROWS = 100_000
"""Likewise of Parquet."""
STDIN = Path("<stdin>")


@dataclass(frozen=True)
class TableReader(ArrayReader):
    """Reads rows with what was learnt of the training table.

    A row that cannot be read, or has no number or date in a column that the config says holds some, is named; elsewhere
    such a value counts as missing, as it does in an evaluation, unless a whole column is of it.

    Args:
        delimiter: what parts the fields, as in the dataset `csv`.
        encoding: of the text.
        missing: what stands for a value that is not there.
        numeric: columns that must hold numbers.
        dates: columns that must hold dates.
    """

    delimiter: str = "auto"
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "None", "?")
    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()

    @property
    def takes(self) -> str:
        """What may be given."""
        return f"tables ({TABLES}) of the columns that it was trained on, or {super().takes}"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the rows of the files, at most `size` at a time; `-` is rows of CSV or JSON lines."""
        for source in sources:
            path = STDIN if source == arrays.STDIN else Path(source)
            if path.suffix.lower() in arrays.SUFFIXES:
                yield from self._file(source, size)
                continue
            try:
                if path != STDIN and not path.is_file():
                    raise ValueError("is a folder" if path.is_dir() else "no such file")
                if path.suffix.lower() in IMAGES:
                    raise ValueError(f"must be {TABLES}")
                for given in self._blocks(path):
                    yield from _cut(given, size)
            except ValueError as error:
                yield self._unusable(str(path), error)

    def read_values(self, values: Sequence[Any]) -> Request:
        """Returns rows that are objects of a value for each column, or lists of numbers as the network takes them."""
        if not any(isinstance(value, dict) for value in values):
            return super().read_values(values)
        names, file = [f"instances[{index}]" for index in range(len(values))], Path("instances")
        lines = "\n".join(json.dumps(value) if isinstance(value, dict) else "0" for value in values)
        state = _State()
        try:
            given = self._given(file, _nulled(json_lines(lines.encode(), file), self.missing), state)
        except ValueError as error:
            why = arrays.words(error, str(file))
            return Request(names, self._joined([]), dict.fromkeys(range(len(values)), why), len(values))
        return Request(names, given.inputs, given.problems, len(values))

    def _blocks(self, path: Path) -> Iterator[Request]:
        state = _State()
        with reading(path):
            for rows in self._rows(path):
                if len(rows.frame) or rows.faults:
                    yield self._given(path, rows, state)
        if not state.rows:
            raise ValueError("has no rows")
        for name, (what, count, first) in state.strays.items():
            tell(
                f"column {name!r} was taken for {what} in training; {count} of the values in {path} are none and count "
                f"as missing, such as {first}"
            )

    def _rows(self, path: Path) -> Iterator[Rows]:
        """Yields the rows of a file, some at a time.

        Raises:
            ValueError: if it cannot be read.
        """
        import polars as pl

        suffixes = table_suffixes(path)
        if suffixes[-1:] in PARQUET:
            frame, start = pl.scan_parquet(path, glob=False, hive_partitioning=False), 0
            while len(part := frame.slice(start, BLOCK_ROWS).collect()):
                yield Rows(nulled(part, self.missing), np.arange(start + 1, start + len(part) + 1), [])
                start += len(part)
            return
        with _opened(path, suffixes) as file:
            for content in _lines(file):
                text = as_utf8(content, path, self.encoding)
                if not text or text.isspace():
                    continue
                if JSON_LINES & set(suffixes) or (path == STDIN and text.lstrip().startswith(b"{")):
                    yield _nulled(json_lines(text, path), self.missing)
                else:
                    yield parse(text, path, self.delimiter, self.missing)

    def _given(self, path: Path, rows: Rows, state: _State) -> Request:
        """Returns rows as the network takes them, in the order of their lines, among them those that cannot be read."""
        frame = with_points(flat(rows.frame, state.nested), state.points)
        lines, problems = rows.lines.tolist(), {fault.line: fault.why for fault in rows.faults}
        if len(frame):
            bad = self._wrong(frame)
            self._refuse_others(path, frame, lines, bad, state)
            problems |= {lines[row]: why for row, why in bad.items()}
            inputs = encode(frame, self.spec.columns)
            if bad:
                inputs = np.delete(inputs, list(bad), axis=0)
        else:
            inputs = self._joined([])
        every = sorted({*lines, *problems})
        state.rows += len(every)
        positions = {line: position for position, line in enumerate(every)} if problems else {}
        return Request(
            [f"{path}:{line}" for line in every], inputs, {positions[line]: problems[line] for line in sorted(problems)}
        )

    def _refuse_others(
        self, path: Path, frame: pl.DataFrame, lines: list[int], bad: Collection[int], state: _State
    ) -> None:
        """Refuses a table whose column is of another kind as a whole; counts single such values of usable rows."""
        present = tuple(column for column in self.spec.columns if column.source in frame.columns)
        for name, (what, wrong) in strays(frame, present).items():
            rows = np.flatnonzero(wrong.to_numpy()).tolist()
            if not state.rows and len(rows) == frame[name].count():
                shown = _shown(frame[name], rows[0], path, lines)
                raise ValueError(f"column {name!r} must hold {what}, as in training, got {shown}")
            if usable := [row for row in rows if row not in bad]:
                _, count, earliest = state.strays.get(name, (what, 0, _shown(frame[name], usable[0], path, lines)))
                state.strays[name] = what, count + len(usable), earliest

    def _wrong(self, frame: pl.DataFrame) -> dict[int, str]:
        """Returns what is wrong with rows, as the dataset refuses them."""
        found: dict[int, str] = {}

        def note(name: str, wrong: pl.Series, words: str) -> None:
            for row in np.flatnonzero(wrong.to_numpy()).tolist():
                found.setdefault(row, f"{name} must be {words}, got {str(frame[name][row])[:40]!r}")

        used = dict.fromkeys(column.source for column in self.spec.columns)
        for name in [name for name in used if name in frame.columns]:
            series = frame[name]
            note(name, beyond_float32(series), "within float32, which ends at 3.4e38")
            if name in self.numeric:
                note(name, as_numbers(series).is_null() & series.is_not_null(), "a number")
            if name in self.dates:
                order = next((column.day_first for column in self.spec.columns if column.source == name), None)
                order = is_day_first(series) if order is None else order
                wrong = as_dates(series, order)["date"].is_null() & series.is_not_null()
                note(name, wrong, "a date, such as 2020-12-31 23:59")
        return found


@dataclass
class _State:
    """What the blocks of one file have shown so far."""

    rows: int = 0
    points: dict[str, bool] = field(default_factory=dict)
    nested: dict[str, str] = field(default_factory=dict)
    strays: dict[str, tuple[str, int, str]] = field(default_factory=dict)


def _shown(values: pl.Series, row: int, path: Path, lines: Sequence[int]) -> str:
    return f"{values[row]!r}, {path}:{lines[row]}"


def _opened(path: Path, suffixes: list[str]) -> IO[bytes]:
    if path == STDIN:
        return sys.stdin.buffer
    return cast(IO[bytes], gzip.open(path) if suffixes[-1:] == [".gz"] else path.open("rb"))


def _nulled(rows: Rows, missing: tuple[str, ...]) -> Rows:
    return Rows(nulled(rows.frame, missing), rows.lines, rows.faults)


def _cut(given: Request, size: int) -> Iterator[Request]:
    """Yields the same in pieces of some examples."""
    usable = 0
    for start in range(0, len(given.names), size):
        names = given.names[start : start + size]
        problems = {place - start: why for place, why in given.problems.items() if start <= place < start + size}
        count = len(names) - len(problems)
        yield Request(names, given.inputs[usable : usable + count], problems, given.total)
        usable += count


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yields a text in blocks of whole rows, each with the first line on top and its own lines at their numbers.

    What ends within quotation marks is no row. UTF-16, whose lines cannot be told byte by byte, comes in one piece.
    """
    rest, header, line = file.read(BLOCK_BYTES), b"", 1
    if rest[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield rest + file.read()
        return
    while True:
        more = file.read(BLOCK_BYTES)
        end = _row_end(rest) if more else len(rest)
        if end:
            block, rest = rest[:end], rest[end:]
            # Empty lines are passed over, and counted.
            yield header + b"\n" * (line - 1 - header.count(b"\n")) + block
            if not header and not block.lstrip().startswith(b"{"):
                header = block[: _first_row_end(block)]
            line += block.count(b"\n")
        if not more:
            return
        rest += more


def _row_end(content: bytes) -> int:
    """Returns where the last whole row ends; 0 where there is none."""
    end = content.rfind(b"\n") + 1
    quotes = content.count(b'"', 0, end)
    while end and quotes % 2:
        before = content.rfind(b"\n", 0, end - 1) + 1
        quotes -= content.count(b'"', before, end)
        end = before
    return end


def _first_row_end(content: bytes) -> int:
    """Returns where the first row that is not empty ends."""
    end = content.find(b"\n", len(content) - len(content.lstrip())) + 1
    quotes = content.count(b'"', 0, end)
    while end and quotes % 2:
        after = content.find(b"\n", end) + 1
        quotes += content.count(b'"', end, after)
        end = after
    return end or len(content)
