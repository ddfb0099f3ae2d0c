"""Delimited text -> columns of text; rows of another length than the header are named by their line."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dltrain.errors import KeyProblem
from dltrain.lazy import np

if TYPE_CHECKING:
    import _csv

    import polars as pl

DELIMITERS = (",", ";", "\t", "|")

_CHUNK = 2**24
_NEWLINE, _RETURN, _QUOTE = b'\n\r"'
_OTHER_SPACES = [text.encode() for text in ("\x85", "\xa0", "\u1680", "\u205f", "\u3000")] + [b"\xe2\x80"]
"""The bytes with which each of Unicode's other spaces begins; the last ones are also those of dashes and quotes."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a row.

    Args:
        path: the file.
        line: the line in which the row begins.
        why: what is wrong.
    """

    path: Path
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.why}"


@dataclass(frozen=True)
class Rows:
    """What a delimited file holds.

    Args:
        frame: columns of text, null where a field is empty or stands for a missing value.
        lines: the line in which each row begins.
        faults: what is wrong with each row that does not fit the header.
    """

    frame: pl.DataFrame
    lines: np.ndarray
    faults: list[Fault]


def parse(content: bytes, path: Path, delimiter: str, missing: tuple[str, ...]) -> Rows:
    """Returns the rows of a file with a header.

    Args:
        content: UTF-8.
        path: where it comes from, for messages.
        delimiter: one character, tab, or auto: tab for a .tsv, else what parts the header into the most fields.
        missing: what stands for a value that is not there.

    Raises:
        KeyProblem: if it cannot be read.
    """
    if b"\n" not in content:  # how lines ended on the Macintosh
        content = content.replace(b"\r", b"\n")
    if not content.endswith(b"\n"):
        content += b"\n"
    first = len(content) - len(content.lstrip(b"\r\n"))
    header = content[first : content.find(b"\n", first)].decode()
    if not header.strip():
        raise KeyProblem("path", f"is empty: {path}")
    separator = _sniffed(header, path) if delimiter == "auto" else delimiter.replace("tab", "\t")
    layout = _Layout.of(content, separator)
    if layout is not None:
        rows = _parse_plain(content, layout, path, separator, missing)
        if rows is not None:
            return rows
    return _parse_odd(content, path, separator, missing)


def csv_rows(text: str, delimiter: str, is_strict: bool = True) -> _csv.Reader:
    """Returns what reads the fields of a text's rows, as long as they may be: a cell can be a whole document.

    Args:
        text: the rows.
        delimiter: the character between two fields.
        is_strict: refuse what is no CSV, and take no spaces in front of a field for a part of it.
    """
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # of the whole process, which can only grow
    file = io.StringIO(text, newline="")
    return csv.reader(file, delimiter=delimiter, skipinitialspace=is_strict, strict=is_strict)


def _sniffed(header: str, path: Path) -> str:
    """Returns what parts a header: tabs where the file's name says so, else the most frequent outside of names."""
    if {".tsv", ".tab"} & {suffix.lower() for suffix in path.suffixes[-2:]}:
        return "\t"
    bare = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=bare.count)


def _names(fields: list[str], path: Path, line: int, separator: str) -> list[str]:
    """Returns the names of the columns."""
    names = [name.strip() for name in fields]
    other = max(DELIMITERS, key=names[0].count)
    if len(names) == 1 and other in names[0]:
        raise KeyProblem(
            "delimiter", f"{separator!r} does not occur in {path}: the header looks separated by {other!r}"
        )
    for number, name in enumerate(names, 1):
        if not name:
            hint = "; if pandas wrote it as an index: to_csv(index=False)" if number == 1 else ""
            raise KeyProblem(
                "path", f"{path}:{line}: the header must name each column: column {number} has no name{hint}"
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise KeyProblem("path", f"{path}:{line}: the header must name each column once: {twice[0]!r} is there twice")
    return names


def _fault(path: Path, line: int, found: int, wanted: int) -> Fault:
    return Fault(path, line, f"has {found} field{'s' * (found != 1)} where the header has {wanted}")


@dataclass(frozen=True)
class _Layout:
    """Where rows begin and end in a text whose quotation marks enclose whole fields, found without reading it."""

    starts: np.ndarray
    ends: np.ndarray
    fields: np.ndarray
    lines: np.ndarray

    @classmethod
    def of(cls, content: bytes, separator: str) -> _Layout | None:
        """Returns the layout, or none where a quotation mark is not where it should be."""
        data = np.frombuffer(content, np.uint8)
        part_of_field = np.array([ord(separator), _NEWLINE, _QUOTE], np.uint8)
        quoted = 0  # quotation marks, separators and lines up to the chunk
        separated = 0
        line = 1
        ends, fields, lines = [], [], [np.ones(1, np.int64)]
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            quotes = np.flatnonzero(chunk == _QUOTE)
            newlines = np.flatnonzero(chunk == _NEWLINE)
            separators = np.flatnonzero(chunk == ord(separator))
            row_ends = newlines
            if len(quotes) or quoted % 2:
                opens = start + quotes[quoted % 2 :: 2]
                closes = start + quotes[1 - quoted % 2 :: 2]
                before, after = data[opens[opens > 0] - 1], data[closes + 1]  # the last byte is a newline
                if not (np.isin(before, part_of_field).all() and np.isin(after, [*part_of_field, _RETURN]).all()):
                    return None
                row_ends = newlines[(np.searchsorted(quotes, newlines) + quoted) % 2 == 0]
                separators = separators[(np.searchsorted(quotes, separators) + quoted) % 2 == 0]
            ends.append(start + row_ends)
            fields.append(separated + np.searchsorted(separators, row_ends))
            lines.append(line + 1 + np.searchsorted(newlines, row_ends))
            quoted, separated, line = quoted + len(quotes), separated + len(separators), line + len(newlines)
        if quoted % 2:
            return None
        all_ends, all_lines = np.concatenate(ends), np.concatenate(lines)
        starts = np.concatenate([[0], all_ends[:-1] + 1])
        lengths = all_ends - starts - (data[all_ends - 1] == _RETURN)
        filled = lengths > 0
        counts = np.diff(np.concatenate(fields), prepend=0) + 1
        return cls(starts[filled], all_ends[filled] + 1, counts[filled], all_lines[:-1][filled])


def _parse_plain(content: bytes, layout: _Layout, path: Path, separator: str, missing: tuple[str, ...]) -> Rows | None:
    """Returns the rows as polars reads them, or none where it does not."""
    import polars as pl

    header = content[layout.starts[0] : layout.ends[0]].decode().strip("\r\n")
    names = _names(next(csv_rows(header, separator, is_strict=False)), path, 1, separator)
    bad = layout.fields != len(names)
    faults = [_fault(path, int(layout.lines[row]), int(layout.fields[row]), len(names)) for row in np.flatnonzero(bad)]
    size = int((layout.ends - layout.starts)[~bad].sum())
    if size < len(content):
        whole = np.zeros(len(content) + 1, np.int8)
        np.add.at(whole, layout.starts[~bad], 1)
        np.add.at(whole, layout.ends[~bad], -1)
        content = np.frombuffer(content, np.uint8)[np.cumsum(whole[:-1], dtype=np.int8).astype(bool)].tobytes()
    try:
        frame = pl.read_csv(
            content, separator=separator, infer_schema=False, null_values=list(missing), new_columns=names
        )
    except pl.exceptions.PolarsError:
        return None
    if frame.shape != (len(bad) - 1 - len(faults), len(names)):
        return None
    frame = stripped(frame, missing) if _may_have_spaces(content, separator) else frame
    return Rows(frame, layout.lines[1:][~bad[1:]], faults)


def _may_have_spaces(content: bytes, separator: str) -> bool:
    """Whether a field may begin or end with a space of any kind: to look for those takes far less time than `strip`."""
    beside = (f" {separator}".encode(), f"{separator} ".encode(), b" \n", b" \r", b"\n ", b'"')
    kinds = {b"\t", b"\v", b"\f", *([] if content.isascii() else _OTHER_SPACES)} - {separator.encode()}
    # A single byte is found ten times as fast as several.
    if any(space[:1] in content and space in content for space in (*beside, *kinds)):
        return True
    return b"\r" in content and content.count(b"\r") > content.count(b"\r\n")


def stripped(frame: pl.DataFrame, missing: tuple[str, ...]) -> pl.DataFrame:
    """Returns rows without spaces around texts, of whatever kind, and with nulls for texts that stand for no value.

    Args:
        frame: the rows.
        missing: what stands for a value that is not there.
    """
    import polars as pl

    texts = pl.col(pl.String).str.strip_chars()
    return frame.with_columns(pl.when(~texts.is_in(missing)).then(texts).name.keep())


def _parse_odd(content: bytes, path: Path, separator: str, missing: tuple[str, ...]) -> Rows:
    """Returns the rows as Python's more lenient parser reads them: ten times slower."""
    import polars as pl

    reader = csv_rows(content.decode(), separator)
    kept: list[list[str]] = []
    lines: list[int] = []
    faults: list[Fault] = []
    names: list[str] = []
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:  # the reader goes on with the next line
            lost = f"; lines {line} to {reader.line_num} are lost by it" if reader.line_num > line else ""
            why = f"{error}; is a quotation mark not closed, or within a field?{lost}"
            faults.append(Fault(path, line, why))
            row = []
        if row and not names:
            names = _names(row, path, line, separator)
        elif row and len(row) == len(names):
            kept.append(row)
            lines.append(line)
        elif row:
            faults.append(_fault(path, line, len(row), len(names)))
        line = reader.line_num + 1
    if not names:
        raise KeyProblem("path", f"has no header: {faults[0]}")
    frame = pl.DataFrame(kept, schema=dict.fromkeys(names, pl.String), orient="row")
    return Rows(stripped(frame, (*missing, "")), np.array(lines, np.int64), faults)
