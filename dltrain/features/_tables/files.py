"""Files of tables -> one table; rows that do not fit are named by file and line."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.data.noticing import notice
from dltrain.data.size_limit import SizeLimit, reason
from dltrain.errors import AbsentData, KeyProblem
from dltrain.features._tables.delimited import Fault, Rows, parse, stripped
from dltrain.lazy import np
from dltrain.untrusted import Unreadable, opened, parsing

if TYPE_CHECKING:
    import polars as pl

CELL_BYTES = 8
"""Of a number in memory, and of what stands for a text that is stored elsewhere."""

SHOWN = 5
"""Rows that a message names."""

_OTHERS = ".json .zip .bz2 .xz .zst .7z .tar .tgz .xlsx .xls .ods .feather .arrow .avro .orc .npy .npz .h5 .pkl .sqlite"
OTHER_KINDS = frozenset(_OTHERS.split())
"""Suffixes of files that are no text of rows, whatever else they are."""

PARQUET = ([".parquet"], [".pq"])
JSON_LINES = {".jsonl", ".ndjson"}
TABLES = ".csv, .tsv, .tab, .txt, .jsonl or .ndjson, plain or .gz, or .parquet or .pq"


@dataclass(frozen=True)
class Table:
    """Rows, and where each came from.

    Args:
        frame: the rows; of CSV files all columns are text.
        files: the files.
        lines: of each file, the line of each row; of a Parquet file its number, from 1.
        skipped: a message for each row that was left out.
        nested: what columns hold that are left out because it is no number, text or time.
    """

    frame: pl.DataFrame
    files: list[Path]
    lines: list[np.ndarray]
    skipped: list[str] = field(default_factory=list)
    nested: dict[str, str] = field(default_factory=dict)

    def place(self, row: int) -> str:
        """Returns file and line of a row."""
        for path, lines in zip(self.files, self.lines, strict=True):
            if row < len(lines):
                return f"{path}:{lines[row]}"
            row -= len(lines)
        raise IndexError(row)

    def without(self, bad: pl.Series, why: str, skip: bool, name: str | None = None) -> Table:
        """Returns the table without some rows.

        Args:
            bad: whether a row cannot be used.
            why: what is wrong with it.
            skip: leave them out.
            name: the column that is to blame, whose value the message shows.

        Raises:
            ValueError: if there are some, and they are not to be left out.
        """
        rows = np.flatnonzero(bad.to_numpy())
        if not len(rows):
            return self
        got = self.frame[name].gather(rows).to_list() if name else [None] * len(rows)
        messages = [
            f"{self.place(row)}: {why}" + ("" if value is None else f", got {_short(value)}")
            for row, value in zip(rows.tolist(), got, strict=True)
        ]
        refuse(messages, skip)
        if len(rows) == len(bad):
            raise KeyProblem("path", f"holds no row that can be used: {messages[0]}")
        return replace(self.only(~bad.to_numpy()), skipped=self.skipped + messages)

    def only(self, chosen: np.ndarray) -> Table:
        """Returns the table of some of its rows.

        Args:
            chosen: which, (rows,), bool.
        """
        ends = np.cumsum([len(lines) for lines in self.lines])[:-1]
        kept = [lines[of_file] for lines, of_file in zip(self.lines, np.split(chosen, ends), strict=True)]
        return replace(self, frame=self.frame.filter(chosen), lines=kept)


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:36]}...{shown[0]}"


class BadRows(KeyProblem):
    """A table has rows that cannot be used, which `on_bad_example: skip` leaves out."""


def refuse(messages: Sequence[str], skip: bool) -> None:
    """Raises BadRows, which names the first of the rows that cannot be used, unless they are left out."""
    if messages and not skip:
        more = f"\n... and {len(messages) - SHOWN} more" if len(messages) > SHOWN else ""
        shown = "\n".join(messages[:SHOWN])
        raise BadRows("path", f"has rows that cannot be used:\n{shown}{more}\nto skip them, set on_bad_example: skip")


def matching(path: Path) -> list[Path]:
    """Returns the file, or all files that a pattern matches.

    Raises:
        ValueError: if there are none.
    """
    try:
        if path.is_dir():
            raise KeyProblem(
                "path", f"is a folder, not a file: {path}; a pattern, such as {path / '*'}, means its files"
            )
        if path.is_file():
            return [path]
        if path.exists():
            raise KeyProblem("path", f"must be a regular file: {path}")
        files = sorted(file for file in path.parent.glob(path.name) if file.is_file())
    except OSError as error:
        raise KeyProblem("path", f"cannot be read: {path}: {error.strerror or error}") from None
    if files:
        return files
    is_pattern = any(letter in path.name for letter in "*?[")
    raise AbsentData("path", f"no file matches {path}" if is_pattern else f"no such file: {path}")


def read(
    path: Path, delimiter: str, encoding: str, missing: tuple[str, ...], skip: bool, limit: SizeLimit | None = None
) -> Table:
    """Reads one file, or all that a pattern matches.

    Args:
        path: the file or the pattern.
        delimiter: what separates the fields, as in the dataset `csv`.
        encoding: of the text.
        missing: what stands for a value that is not there.
        skip: leave out rows that cannot be used.
        limit: the most that each file may have; none for the usual one.

    Raises:
        KeyProblem: if a file cannot be read.
    """
    import polars as pl

    files, limit = matching(path), limit or SizeLimit()
    parts: list[Rows] = []
    for file in files:
        with reading(file):
            parts.append(_rows(file, delimiter, encoding, missing, limit))
    first = parts[0].frame.columns
    for file, part in zip(files, parts, strict=True):
        differing = sorted(set(first) ^ set(part.frame.columns))
        if differing:
            raise KeyProblem("path", f"{file} has other columns than {files[0]}: {', '.join(map(repr, differing))}")
    skipped = [str(fault) for part in parts for fault in part.faults]
    refuse(skipped, skip)
    with reading(path):
        frame = pl.concat([part.frame.select(first) for part in parts], how="vertical_relaxed")
    if not len(frame):
        last = f"holds no row that can be used: {skipped[0]}" if skipped else f"{path} has a header, no rows"
        raise KeyProblem("path", last)
    nested: dict[str, str] = {}
    return Table(flat(frame, nested), files, [part.lines for part in parts], skipped, nested)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns the ways in which reading a file fails into problems of the config's key."""
    try:
        with parsing():
            yield
    except (OSError, Unreadable) as error:
        raise KeyProblem("path", f"cannot be read: {path}: {reason(error)[:300]}") from error


def table_suffixes(path: Path) -> list[str]:
    """Returns the suffixes of a file of rows, in small letters.

    Raises:
        ValueError: if they are another kind's.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] and suffixes[-1] in OTHER_KINDS:
        hint = "; rows of JSON, one a line, are a .jsonl" if suffixes[-1] == ".json" else ""
        raise KeyProblem("path", f"must be {TABLES}, got {path.name}{hint}")
    return suffixes


def _rows(path: Path, delimiter: str, encoding: str, missing: tuple[str, ...], limit: SizeLimit) -> Rows:

    suffixes = table_suffixes(path)
    if suffixes[-1:] in PARQUET:
        frame = nulled(_parquet(path, limit), missing)
        return Rows(frame, np.arange(1, len(frame) + 1), [])
    content = as_utf8(limit.content(path, is_gzip=suffixes[-1:] == [".gz"]), path, encoding)
    if not content or content.isspace():
        raise KeyProblem("path", f"is empty: {path}")
    if JSON_LINES & set(suffixes):
        rows = json_lines(content, path, limit)
        return replace(rows, frame=nulled(rows.frame, missing))
    return parse(content, path, delimiter, missing)


def _parquet(path: Path, limit: SizeLimit) -> pl.DataFrame:
    """Returns the rows of a file in which a thousand bytes can stand for a billion."""
    import polars as pl

    with opened(path, limit.most) as file:
        size = os.fstat(file.fileno()).st_size
    lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    count = lazy.select(pl.len()).collect().item()
    limit.check_unpacked(path, size, count * len(lazy.collect_schema()) * CELL_BYTES)
    frame = pl.read_parquet(path, glob=False, hive_partitioning=False)
    limit.check_unpacked(path, size, unpacked_bytes(frame))
    return frame


def unpacked_bytes(frame: pl.DataFrame) -> int:
    """Returns the bytes of a table's values: those of a text count as often as it is there, stored once or not."""
    import polars as pl

    found = int(frame.estimated_size())
    for name, kind in frame.schema.items():
        if kind in (pl.Categorical, pl.Enum):
            counts = frame[name].alias("text").drop_nulls().value_counts()
            lengths = counts["text"].cast(pl.String).str.len_bytes().to_numpy().astype(np.float64)
            found += int(lengths @ counts["count"].to_numpy())
    return found


def as_utf8(content: bytes, path: Path, encoding: str) -> bytes:
    marked = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig"):
            content = content.removeprefix(b"\xef\xbb\xbf")
            content.decode("utf-8")
        else:
            content = content.decode(encoding).removeprefix("\ufeff").encode()
    except LookupError:
        raise KeyProblem("encoding", f"is none that Python knows: {encoding!r}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        hint = "utf-16" if marked else "latin-1 or cp1252"
        raise KeyProblem(
            "encoding", f"{encoding} does not fit {path}:{line}: the byte 0x{content[error.start]:02x}; perhaps {hint}"
        ) from None
    except UnicodeError as error:
        raise KeyProblem("encoding", f"{encoding} does not fit {path}: {error}") from None
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise KeyProblem(
            "encoding", f"{encoding} does not fit {path}:{line}: a zero byte; perhaps utf-16, or it is no text"
        )
    return content


def json_lines(content: bytes, path: Path, limit: SizeLimit) -> Rows:
    """Returns an object of each line as a row."""
    import polars as pl

    lines = [number for number, text in enumerate(content.split(b"\n"), 1) if text.strip()]
    # Each line may have keys of its own, of which each is a column of all rows.
    limit.check_unpacked(path, len(content), len(lines) * len(_json_names(content)) * CELL_BYTES)
    try:
        frame = pl.read_ndjson(content, infer_schema_length=None)
        if len(frame) == len(lines):
            return Rows(frame, np.array(lines), [])
    except pl.exceptions.PolarsError:
        pass
    found = json_objects(content)
    faults = [Fault(path, number, str(each)) for number, each in found.items() if isinstance(each, ValueError)]
    good = {number: each for number, each in found.items() if not isinstance(each, ValueError)}
    odd, mixed = _odd_kinds(good)
    for number, why in odd:
        faults.append(Fault(path, number, why))
        del good[number]
    if not good:
        return Rows(pl.DataFrame(), np.array([], np.int64), faults)
    alike = ({name: cell(value) if name in mixed else value for name, value in row.items()} for row in good.values())
    frame = pl.read_ndjson("\n".join(map(json.dumps, alike)).encode(), infer_schema_length=None)
    return Rows(frame, np.array(list(good)), faults)


def _json_names(content: bytes) -> set[str]:
    """Returns the keys of all lines."""
    names = set[str]()
    for text in content.split(b"\n"):
        with suppress(ValueError, RecursionError):  # what is wrong is said where it is read
            row = json.loads(text)
            names.update(row if isinstance(row, dict) else ())
    return names


def json_objects(content: bytes) -> dict[int, dict[str, Any] | ValueError]:
    """Returns an object of each line that is not empty, by its number; what is wrong in place of one that is none."""
    found: dict[int, dict[str, Any] | ValueError] = {}
    for number, text in enumerate(content.split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text, parse_constant=_CONSTANTS.get)
            found[number] = row if isinstance(row, dict) else ValueError('must be an object, such as {"a": 1}')
        except (ValueError, RecursionError) as error:
            found[number] = ValueError(f"must be JSON: {error}")
    return found


def cell(value: Any) -> str | None:
    """Returns a value of JSON as a text file has it.

    Raises:
        ValueError: if it is a list or an object.
    """
    if isinstance(value, list | dict):
        raise ValueError(f"must be a number or a text, got {_KINDS[type(value)]}")
    return json.dumps(value) if isinstance(value, bool) else None if value is None else str(value)


_CONSTANTS = {"Infinity": "inf", "-Infinity": "-inf"}  # as a CSV file writes them; NaN is missing
_KINDS = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", dict: "an object"}


_OF_TEXT = {"a boolean", "a number", "a text"}


def _odd_kinds(rows: dict[int, dict[str, Any]]) -> tuple[list[tuple[int, str]], set[str]]:
    """Returns which rows have a value of another kind than most of its column, and what is wrong with them.

    Returns:
        these rows, and the columns of numbers, booleans and texts, which are texts as in a CSV file.
    """
    kinds: dict[str, dict[int, str]] = {}
    for number, row in rows.items():
        for name, value in row.items():
            if value is not None:
                kinds.setdefault(name, {})[number] = _KINDS[type(value)]
    odd: dict[int, str] = {}
    mixed = set()
    for name, of_rows in kinds.items():
        counts = Counter(of_rows.values())
        if len(counts) == 1 or counts.keys() <= _OF_TEXT:
            mixed |= {name} if len(counts) > 1 else set()
            continue
        ((most, _),) = counts.most_common(1)
        for number, kind in of_rows.items():
            if kind != most:
                odd.setdefault(number, f"{name} must be {most} as in most rows, got {kind}")
    return sorted(odd.items()), mixed


def nulled(frame: pl.DataFrame, missing: tuple[str, ...]) -> pl.DataFrame:
    """Returns rows as a text file has them: `stripped` texts, categories among them, and nulls for NaN.

    pandas writes NaN for a missing value.
    """
    import polars as pl

    frame = stripped(frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String)), missing)
    return frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))


def flat(frame: pl.DataFrame, nested: dict[str, str]) -> pl.DataFrame:
    """Returns the columns that hold one number, text or time in each row; says which others there are."""
    import polars as pl

    seconds = []
    for name, kind in frame.schema.items():
        if kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Unknown):
            if name not in nested:
                notice(f"column {name!r} is not used: it holds {kind}, not numbers, texts or dates")
            nested[name] = str(kind)
        elif kind == pl.Duration:
            notice(f"column {name!r} holds durations, which are read as seconds")
            seconds.append(pl.col(name).dt.total_microseconds() / 1e6)
    return frame.drop(nested, strict=False).with_columns(seconds)
