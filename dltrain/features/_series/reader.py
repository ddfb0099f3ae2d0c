"""Reads series that a trained network goes on with: tables of steps, standard input, JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import Encoded
from dltrain.data.request import STDIN, Request
from dltrain.data.size_limit import SizeLimit
from dltrain.errors import KeyProblem
from dltrain.features._series.ends import ends
from dltrain.features._series.tables import Layout, collected
from dltrain.features._tables.delimited import parse
from dltrain.features._tables.encoding import MISSING
from dltrain.features._tables.files import TABLES, Table, as_utf8, json_lines, nulled, read, refuse

if TYPE_CHECKING:
    from dltrain.features.series import Series


@dataclass(frozen=True)
class SeriesReader:
    """Reads tables of steps; each series in one is an example, whose forecast begins behind its end.

    Args:
        feature: what windows are.
        delimiter: what separates the fields, as in the dataset `time_series`.
        encoding: of the text.
        missing: what stands for a value that is not there.
        limit: the most that a file may have.
    """

    feature: Series
    delimiter: str = "auto"
    encoding: str = "utf-8"
    missing: tuple[str, ...] = MISSING
    limit: SizeLimit = SizeLimit()

    @property
    def takes(self) -> str:
        """What may be given, for messages."""
        return f"tables ({TABLES}) with {', '.join(self._columns)}: the steps of a series up to its end"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the ends of the series of each file, at most `size` at a time; `-` is rows of CSV or JSON lines."""
        for source in sources:
            try:
                if source != STDIN and not Path(source).is_file():
                    raise ValueError("no such file" if not Path(source).exists() else f"must be {TABLES}")
                request = self._request(source, self._table(source))
            except ValueError as error:
                yield Request([source], self._nothing.stored, {0: _line(error)})
                continue
            yield from request.pieces(size)

    def read_values(self, values: Sequence[Any]) -> Request:
        """Returns series that came as JSON, a list of steps each."""
        names = [f"instances[{index}]" for index in range(len(values))]
        return Request.of(names, self.feature.encode(values), len(values))

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the ends of the series of a file that came without a place on this machine."""
        try:
            return self._request(name, self._parsed(content, Path(name)))
        except ValueError as error:
            return Request([name], self._nothing.stored, {0: _line(error)})

    @property
    def _columns(self) -> tuple[str, ...]:
        layout = self.feature.layout
        return layout.time, *layout.targets, *layout.past, *layout.known

    @property
    def _nothing(self) -> Encoded:
        return self.feature.encode([])

    def _table(self, source: str) -> Table:
        if source == STDIN:
            return self._parsed(sys.stdin.buffer.read(), Path("<stdin>"))
        return read(Path(source), self.delimiter, self.encoding, self.missing, skip=False, limit=self.limit)

    def _parsed(self, content: bytes, path: Path) -> Table:
        text = as_utf8(content, path, self.encoding)
        if not text or text.isspace():
            raise KeyProblem("", "is empty")
        if text.lstrip().startswith(b"{"):
            rows = json_lines(text, path, self.limit)
            rows = replace(rows, frame=nulled(rows.frame, self.missing))
        else:
            rows = parse(text, path, self.delimiter, self.missing)
        refuse([str(fault) for fault in rows.faults], skip=False)
        if not len(rows.frame):
            raise KeyProblem("", "has no rows")
        return Table(rows.frame, [path], [rows.lines])

    def _request(self, source: str, table: Table) -> Request:
        """Returns an example of each series of a table."""
        found = collected(table, self._layout(table), self.feature.frequency, is_asked=True)
        names = [f"{source}: {name}" if name else source for name in found.names]
        return Request.of(names, ends(self.feature, found), len(names))

    def _layout(self, table: Table) -> Layout:
        """Returns what the columns are: in wide form all are series that are nothing else."""
        layout = self.feature.layout
        if not layout.is_wide:
            return layout
        others = {layout.time, *layout.past, *layout.known}
        return replace(layout, targets=tuple(name for name in table.frame.columns if name not in others))


def _line(error: ValueError) -> str:
    return " ".join(str(error).split())
