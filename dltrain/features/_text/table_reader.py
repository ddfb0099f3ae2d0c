"""Texts in tables, and in lines, that are given to a trained network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.data.request import STDIN, LineReader, Request
from dltrain.data.size_limit import SizeLimit
from dltrain.features._tables.files import OTHER_KINDS, matching, read

TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".parquet", ".pq")


@dataclass(frozen=True)
class TextTableReader(LineReader):
    """Reads the texts of tables as those of training were read; other files hold a text per line.

    Args:
        feature: what the texts become.
        columns: of the texts, and of the second ones of pairs, or none.
        delimiter: of the fields of a CSV file.
        encoding: its character encoding.
        missing: texts that mean a missing value.
        limit: the most that a file may have.
    """

    columns: tuple[str, str | None]
    delimiter: str
    encoding: str
    missing: tuple[str, ...]
    limit: SizeLimit

    @property
    def takes(self) -> str:
        """What may be given, for messages."""
        names = " and ".join(filter(None, self.columns))
        return f"tables with the column {names} ({', '.join(TABLES)}), or text files of a text per line"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the texts of tables, of text files and of `-` (standard input)."""
        for source in sources:
            if source != STDIN and {*TABLES, *OTHER_KINDS} & {each.lower() for each in Path(source).suffixes}:
                yield from self._table(source, size)
            else:
                yield from super().read([source], size)

    def _table(self, source: str, size: int) -> Iterator[Request]:
        try:
            matching(Path(source))
            table = read(Path(source), self.delimiter, self.encoding, self.missing, skip=True, limit=self.limit)
            absent = [name for name in self.columns if name is not None and name not in table.frame.columns]
            if absent:
                raise ValueError(f"has no column {absent[0]!r}")
        except ValueError as error:
            words = str(getattr(error, "words", error))
            yield Request([source], self.encoded([]).stored, {0: words})
            return
        columns = [table.frame[name].cast(str).fill_null("").to_list() for name in self.columns if name is not None]
        values: list[Any] = columns[0]
        if self.columns[1] is not None:
            values = [{"text": text, "pair": pair} for text, pair in zip(*columns, strict=True)]
        for start in range(0, len(values), size):
            stop = min(start + size, len(values))
            yield self._request([table.place(row) for row in range(start, stop)], values[start:stop], len(values))
