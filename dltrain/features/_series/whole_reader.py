"""Whole series that are given to a trained network: .ts files, arrays, tables, and a series per line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import Encoded
from dltrain.data.request import STDIN, LineReader, Request
from dltrain.data.size_limit import SizeLimit
from dltrain.errors import KeyProblem
from dltrain.features._arrays import reader as arrays
from dltrain.features._series import ts_files
from dltrain.features._series.panels import Panels
from dltrain.features._tables.encoding import MISSING
from dltrain.features._tables.files import JSON_LINES, OTHER_KINDS, read

if TYPE_CHECKING:
    from dltrain.features.whole_series import WholeSeries

_TABLES = (".csv", ".tsv", ".tab", *sorted(JSON_LINES), ".parquet", ".pq")


@dataclass(frozen=True)
class WholeSeriesReader(LineReader):
    """Reads series as those of training were read; other files hold a series per line, as JSON.

    Args:
        feature: what the series are.
        limit: the most that a file may have.
        table: what the columns of tables are; none where the run was trained on no table.
        delimiter: of the fields of a CSV file.
        encoding: its character encoding.
        missing: texts that mean a missing value.
    """

    feature: WholeSeries
    limit: SizeLimit = SizeLimit()
    table: Panels | None = None
    delimiter: str = "auto"
    encoding: str = "utf-8"
    missing: tuple[str, ...] = MISSING

    @property
    def takes(self) -> str:
        """What may be given, for messages."""
        tables = "" if self.table is None else f"tables with {self.table.words} ({', '.join(_TABLES)}), "
        kinds = ", ".join((ts_files.SUFFIX, *arrays.SUFFIXES))
        return f"{tables}series in files ({kinds}), or text files of a series per line, as JSON"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the series of files and of `-` (standard input), at most `size` at a time."""
        for source in sources:
            found = None if source == STDIN else self._found(source)
            if found is None:
                yield from super().read([source], size)
                continue
            try:
                names, encoded = found()
            except (ValueError, OSError) as error:
                yield Request([source], self.encoded([]).stored, {0: arrays.words(error, source)})
                continue
            yield from Request.of(names, encoded, len(names)).pieces(size)

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the series of a file that came without a place on this machine."""
        if Path(name).suffix.lower() != ts_files.SUFFIX:
            return super().read_file(name, content)
        try:
            names, encoded = self._cases(ts_files.parse(content, Path(name)))
        except ValueError as error:
            return Request([name], self.encoded([]).stored, {0: arrays.words(error, name)})
        return Request.of(names, encoded, len(names))

    def _found(self, source: str) -> Callable[[], tuple[list[str], Encoded]] | None:
        """Returns what reads a file; none for one of a series per line."""
        path = Path(source)
        suffixes = {each.lower() for each in path.suffixes}
        if ts_files.SUFFIX in suffixes:
            return lambda: self._cases(ts_files.read(path, self.limit))
        if suffixes & {*arrays.SUFFIXES}:
            return lambda: self._of_array(source, arrays.array_of(path, self.limit))
        if (table := self.table) is not None and suffixes & {*_TABLES, *OTHER_KINDS}:
            return lambda: self._of_table(path, table)
        return None

    def _cases(self, cases: ts_files.Cases) -> tuple[list[str], Encoded]:
        return [cases.place(index) for index in range(len(cases.rows))], self.feature.encode(cases.rows)

    def _of_array(self, source: str, array: Any) -> tuple[list[str], Encoded]:
        """Returns the series of an array; one without an axis of channels has one channel."""
        if array.dtype.kind not in "uifb":
            raise KeyProblem("path", f"must hold numbers, got {array.dtype}")
        if self.feature.channels == 1 and array.ndim == 2 and array.shape[1:] != (1,):
            array = array[..., None]
        if array.ndim == 2:
            array = array[None]
        if array.ndim != 3:
            raise KeyProblem("path", f"must be (series, steps, channels), got {array.ndim} axes")
        return [f"{source}[{row}]" for row in range(len(array))], self.feature.encode([*array])

    def _of_table(self, path: Path, layout: Panels) -> tuple[list[str], Encoded]:
        table = read(path, self.delimiter, self.encoding, self.missing, skip=False, limit=self.limit)
        found = layout.found(table)
        return [f"{path}: {name}" for name in found.names], self.feature.encode(found.values)
