"""Tables that are given to a trained network: files of rows, a block of lines at a time, standard input, JSON."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.data.feature import Encoded
from dltrain.data.request import Request
from dltrain.data.size_limit import SizeLimit
from dltrain.errors import KeyProblem
from dltrain.features._arrays import reader as arrays
from dltrain.features._arrays.reader import ArrayReader
from dltrain.features._images.headers import SUFFIXES as IMAGES
from dltrain.features._tables.delimited import Rows, parse
from dltrain.features._tables.encoding import Seen, TableEncoding
from dltrain.features._tables.files import (
    JSON_LINES,
    PARQUET,
    TABLES,
    as_utf8,
    json_objects,
    nulled,
    reading,
    table_suffixes,
    unpacked_bytes,
)
from dltrain.lazy import np
from dltrain.untrusted import opened

BLOCK_BYTES = 2**22
"""Of a file of rows that are held in memory at a time."""
LONGEST_ROW = 2**28
"""Bytes of a row, whose end is looked for block by block."""
BLOCK_ROWS = 100_000
"""Likewise of Parquet."""
STDIN = Path("<stdin>")


@dataclass(frozen=True)
class TableReader:
    """Reads rows with what was learnt of the training table; and arrays. A row that cannot be read is named.

    Args:
        table: how rows are stored.
        delimiter: what separates the fields, as in the dataset `csv`.
        charset: the encoding of the text.
        limit: the most that a file may have.
    """

    table: TableEncoding
    delimiter: str = "auto"
    charset: str = "utf-8"
    limit: SizeLimit = SizeLimit()

    @property
    def takes(self) -> str:
        """What may be given."""
        return f"tables ({TABLES}) of the columns that it was trained on, or {self._arrays.takes}"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the rows of the files, at most `size` at a time; `-` is rows of CSV or JSON lines."""
        for source in sources:
            path = STDIN if source == arrays.STDIN else Path(source)
            if path.suffix.lower() in arrays.SUFFIXES:
                yield from self._arrays.read([source], size)
                continue
            try:
                if path != STDIN and not path.is_file():
                    raise ValueError(arrays.absence(path))
                if path.suffix.lower() in IMAGES:
                    raise ValueError(f"must be {TABLES}")
                for given in self._requests(path):
                    yield from given.pieces(size)
            except ValueError as error:
                yield Request([str(path)], self.table.numbers.joined([]), {0: arrays.words(error, str(path))})

    def read_values(self, values: Sequence[Any]) -> Request:
        """Returns rows that are objects of a value for each column, or lists of numbers as the network takes them."""
        names = [f"instances[{index}]" for index in range(len(values))]
        return Request.of(names, self.table.encode(values), len(values))

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the examples of an .npy file."""
        return self._arrays.read_file(name, content)

    @property
    def _arrays(self) -> ArrayReader:
        return ArrayReader(self.table.numbers, self.limit)

    def _requests(self, path: Path) -> Iterator[Request]:
        count = 0
        with reading(path):
            for lines, encoded in self._blocks(path):
                if lines:
                    yield Request.of([f"{path}:{line}" for line in lines], encoded)
                count += len(lines)
        if not count:
            raise ValueError("has no rows")

    def _opened(self, path: Path, suffixes: list[str], stack: ExitStack) -> Callable[[int], bytes]:
        """Returns what reads a text's next bytes."""
        if path == STDIN:
            return sys.stdin.buffer.read
        file = stack.enter_context(opened(path, self.limit.most))
        if suffixes[-1:] != [".gz"]:
            return file.read
        size, plain = os.fstat(file.fileno()).st_size, stack.enter_context(gzip.GzipFile(fileobj=file))

        def read(count: int) -> bytes:
            piece = plain.read(count)
            self.limit.check_unpacked(path, size, plain.tell())
            return piece

        return read

    def _blocks(self, path: Path) -> Iterator[tuple[list[int], Encoded]]:
        """Yields the rows of a file, some at a time, with the line of each.

        Raises:
            ValueError: if it cannot be read.
        """
        import polars as pl

        seen, suffixes = Seen(), table_suffixes(path)
        if suffixes[-1:] in PARQUET:
            with opened(path, self.limit.most) as file:
                size = os.fstat(file.fileno()).st_size
            frame, start, unpacked = pl.scan_parquet(path, glob=False, hive_partitioning=False), 0, 0
            while len(part := frame.slice(start, BLOCK_ROWS).collect()):
                unpacked += unpacked_bytes(part)
                self.limit.check_unpacked(path, size, unpacked)
                rows = Rows(nulled(part, self.table.missing), np.arange(start + 1, start + len(part) + 1), [])
                yield self.table.of_rows(path, rows, seen)
                start += len(part)
            return
        with ExitStack() as stack:
            for content in _lines(self._opened(path, suffixes, stack)):
                text = as_utf8(content, path, self.charset)
                if not text or text.isspace():
                    continue
                if JSON_LINES & set(suffixes) or (path == STDIN and text.lstrip().startswith(b"{")):
                    objects = json_objects(text)
                    yield list(objects), self.table.of_objects([*objects.values()])
                else:
                    yield self.table.of_rows(path, parse(text, path, self.delimiter, self.table.missing), seen)


def _lines(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yields a text in blocks of whole rows, each with the first line on top and its own lines at their numbers.

    What ends within quotation marks is no row. UTF-16, whose lines cannot be told byte by byte, comes in one piece.

    Args:
        read: returns the text's next bytes, at most as many as it is given.

    Raises:
        KeyProblem: if a row, or a text that comes in one piece, is too long.
    """
    rest, header, line = read(BLOCK_BYTES), b"", 1
    is_whole = rest[:2] in (b"\xff\xfe", b"\xfe\xff")
    while True:
        more = read(BLOCK_BYTES)
        end = 0 if is_whole and more else _row_end(rest) if more else len(rest)
        if end:
            block, rest = rest[:end], rest[end:]
            # Empty lines are passed over, and counted.
            yield block if is_whole else header + b"\n" * (line - 1 - header.count(b"\n")) + block
            if not header and not block.lstrip().startswith(b"{"):
                header = block[: _first_row_end(block)]
            line += block.count(b"\n")
        if not more:
            return
        rest += more
        if len(rest) > LONGEST_ROW:
            what = "UTF-16" if is_whole else f"row, which begins in line {line},"
            raise KeyProblem("", f"its {what} has more than {LONGEST_ROW:,} bytes; save it as UTF-8, a row per line")


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
