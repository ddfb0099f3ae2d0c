"""Files of tables -> one table; rows that do not fit are named by file and line."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dltrain.lazy import np

if TYPE_CHECKING:
    import polars as pl

SHOWN = 5
"""Rows that a message names."""

_DELIMITERS = (",", ";", "\t", "|")
_INFERRED_ROWS = 10_000


@dataclass
class Table:
    """Rows, and where each came from.

    Args:
        frame: the rows.
        files: the files.
        lines: of each file, the line of each row; of a Parquet file its number, from 1.
        skipped: a message for each row that was left out.
    """

    frame: pl.DataFrame
    files: list[Path]
    lines: list[np.ndarray]
    skipped: list[str] = field(default_factory=list)

    def place(self, row: int) -> str:
        """Returns file and line of a row."""
        for path, lines in zip(self.files, self.lines, strict=True):
            if row < len(lines):
                return f"{path}:{lines[row]}"
            row -= len(lines)
        raise IndexError(row)

    def without(self, bad: np.ndarray, why: str, skip: bool) -> Table:
        """Returns the table without some rows.

        Args:
            bad: whether a row cannot be used, (rows,), bool.
            why: what is wrong with it.
            skip: leave them out.

        Raises:
            ValueError: if there are some, and they are not to be left out.
        """
        rows = np.flatnonzero(bad)
        if not len(rows):
            return self
        messages = [f"{self.place(row)}: {why}" for row in rows.tolist()]
        refuse(messages, skip)
        if len(rows) == len(bad):
            raise ValueError(f"path holds no row that can be used: {messages[0]}")
        kept, lines, start = ~bad, [], 0
        for of_file in self.lines:
            lines.append(of_file[kept[start : start + len(of_file)]])
            start += len(of_file)
        return Table(self.frame.filter(kept), self.files, lines, self.skipped + messages)


def refuse(messages: Sequence[str], skip: bool) -> None:
    """Raises a ValueError that names the first of the rows that cannot be used, unless they are left out."""
    if messages and not skip:
        more = f"\n... and {len(messages) - SHOWN} more" if len(messages) > SHOWN else ""
        shown = "\n".join(messages[:SHOWN])
        raise ValueError(f"path has rows that cannot be used:\n{shown}{more}\non_bad_example: skip leaves them out")


def read(path: Path, delimiter: str, encoding: str, missing: tuple[str, ...], skip: bool) -> Table:
    """Reads one file, or all that a pattern matches.

    Raises:
        ValueError: that begins with a key of the dataset, if a file cannot be read.
    """
    import polars as pl

    files = sorted(path.parent.glob(path.name)) if any(letter in path.name for letter in "*?[") else [path]
    if not files:
        raise ValueError(f"path no file matches {path}")
    tables = [_read_one(file, delimiter, encoding, missing, skip) for file in files]
    first = tables[0].frame.columns
    for file, table in zip(files, tables, strict=True):
        if table.frame.columns != first:
            differing = sorted(set(first) ^ set(table.frame.columns)) or "their order"
            raise ValueError(f"path {file} has other columns than {files[0]}: {differing}")
    frame = pl.concat([table.frame for table in tables], how="vertical_relaxed") if len(tables) > 1 else tables[0].frame
    if not len(frame):
        raise ValueError(f"path {path} has a header and no rows")
    skipped = [message for table in tables for message in table.skipped]
    return Table(frame, files, [table.lines[0] for table in tables], skipped)


def _read_one(path: Path, delimiter: str, encoding: str, missing: tuple[str, ...], skip: bool) -> Table:
    import polars as pl

    if not path.is_file():
        raise ValueError(f"path {'is a folder, not a file' if path.is_dir() else 'no such file'}: {path}")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        if suffixes[-1:] in ([".parquet"], [".pq"]):
            frame = pl.read_parquet(path)
            return Table(frame, [path], [np.arange(1, len(frame) + 1)])
        content = gzip.decompress(path.read_bytes()) if suffixes[-1:] == [".gz"] else path.read_bytes()
        content = _as_utf8(content, path, encoding)
        if {".jsonl", ".ndjson"} & set(suffixes):
            frame = pl.read_ndjson(content, infer_schema_length=None)
            return Table(frame, [path], [np.arange(1, len(frame) + 1)])
    except OSError as error:
        raise ValueError(f"path cannot be read: {path}: {error.strerror or error}") from None
    except (pl.exceptions.PolarsError, EOFError) as error:
        raise ValueError(f"path cannot be read: {path}: {_first_line(error)}") from None
    return _read_csv(content, path, delimiter, missing, skip)


def _as_utf8(content: bytes, path: Path, encoding: str) -> bytes:
    try:
        if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
            content = content.removeprefix(b"\xef\xbb\xbf")
            content.decode("utf-8")
            return content
        return content.decode(encoding).encode()
    except LookupError:
        raise ValueError(f"encoding is none that Python knows: {encoding!r}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        hint = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1 or cp1252"
        raise ValueError(
            f"encoding {encoding} does not fit {path}:{line}: the byte 0x{content[error.start]:02x}; perhaps {hint}"
        ) from None


def _read_csv(content: bytes, path: Path, delimiter: str, missing: tuple[str, ...], skip: bool) -> Table:
    import polars as pl

    header = content[: content.find(b"\n") + 1 or len(content)].decode().strip("\r\n")
    if not header:
        raise ValueError(f"path is empty: {path}")
    separator = _sniffed(header) if delimiter == "auto" else delimiter.replace("tab", "\t")
    names = next(csv.reader([header], delimiter=separator))
    if len(names) == 1 and _sniffed(header) != separator and _sniffed(header) in header:
        raise ValueError(
            f"delimiter {delimiter!r} parts nothing in {path}: the header looks parted by {_sniffed(header)!r}"
        )
    for number, name in enumerate(names, 1):
        if not name.strip() or name in names[: number - 1]:
            what = f"{name!r} is there twice" if name.strip() else f"column {number} has no name"
            raise ValueError(f"path {path}:1: the header must name each column once: {what}")

    def parsed(text: bytes, rows: int | None) -> pl.DataFrame:
        return pl.read_csv(
            text, separator=separator, null_values=list(missing), try_parse_dates=True, infer_schema_length=rows
        )

    skipped: list[str] = []
    lines: np.ndarray | None = None
    try:
        try:
            frame = parsed(content, _INFERRED_ROWS)
        except pl.exceptions.ComputeError as error:
            if "more fields" in str(error):
                raise
            frame = parsed(content, None)
        is_short = frame[frame.columns[-1]].null_count() > 0  # what a row that ends too early looks like
    except pl.exceptions.PolarsError:
        is_short = True
    if is_short:
        content, lines, skipped = _whole_rows(content, path, separator, len(names))
        refuse(skipped, skip)
        try:
            frame = parsed(content, None)
        except pl.exceptions.PolarsError as error:
            raise ValueError(f"path cannot be read: {path}: {_first_line(error)}") from None
    if lines is None or len(lines) != len(frame):
        lines = np.arange(2, len(frame) + 2)
    return Table(frame, [path], [lines], skipped)


def _whole_rows(content: bytes, path: Path, separator: str, width: int) -> tuple[bytes, np.ndarray, list[str]]:
    """Returns the rows that have as many fields as the header, their lines, and a message for each other one."""
    reader = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=separator)
    kept, lines, messages = io.StringIO(), [], []
    writer = csv.writer(kept, delimiter=separator, lineterminator="\n")
    line = 1
    for number, row in enumerate(reader):
        if len(row) == width:
            writer.writerow(row)
            if number:
                lines.append(line)
        elif row:
            messages.append(f"{path}:{line}: has {len(row)} fields where the header has {width}")
        line = reader.line_num + 1
    return kept.getvalue().encode(), np.array(lines), messages


def _sniffed(header: str) -> str:
    """Returns what parts the fields of a header."""
    return max(_DELIMITERS, key=lambda delimiter: len(next(csv.reader([header], delimiter=delimiter))))


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
