"""A text of fields that commas, semicolons, tabs or bars separate, read whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.data.size_limit import SizeLimit, reason
from dltrain.errors import AbsentData, KeyProblem
from dltrain.features._tables.delimited import csv_rows
from dltrain.untrusted import Unreadable, parsing

_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class DelimitedFile:
    """A file whose first line names the columns.

    Args:
        path: the file.
        limit: the most that it may have.
    """

    path: Path
    limit: SizeLimit = SizeLimit()

    def lines(self, check: Callable[[list[str]], Any]) -> Iterator[tuple[int, list[str]]]:
        """Yields the fields of each non-empty line, with its number, separated as the first line is.

        Args:
            check: raises ValueError where the names of the columns are not those that are needed: it decides what
                separates them.

        Raises:
            KeyProblem: if the file cannot be read.
        """
        text = self.text()
        headers = {}
        for delimiter in _DELIMITERS:
            with suppress(ValueError):  # "path";"label" is not comma-separated
                headers[delimiter] = next(_fields(text, delimiter, self.path), (1, []))[1]
        for delimiter, header in headers.items():
            try:
                check(header)
            except ValueError:
                continue
            return _fields(text, delimiter, self.path)
        widest = max(headers, key=lambda delimiter: len(headers[delimiter]), default=_DELIMITERS[0])
        return _fields(text, widest, self.path)

    def text(self) -> str:
        """Returns the content of the file; raises as `lines`."""
        try:
            content = self.limit.content(self.path)
        except FileNotFoundError:
            raise AbsentData("path", f"no such file: {self.path}") from None
        except OSError as error:
            raise KeyProblem("path", f"cannot be read: {self.path}: {reason(error)}") from None
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise KeyProblem("path", f"{self.path}:1: is UTF-16: save it as UTF-8")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
            raise KeyProblem(
                "path",
                f"{self.path}:{line}: the byte 0x{byte:02x} is not UTF-8, but perhaps Latin-1 or Windows-1252: "
                "save the table as UTF-8",
            ) from None
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise KeyProblem("path", f"{self.path}:{line}: is not text: it contains zero bytes")
        return text


def _fields(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv_rows(text, delimiter)
    line = 1
    while True:
        try:
            with parsing():
                fields = next(reader, None)
        except Unreadable as error:
            raise KeyProblem("path", f"{path}:{line}: cannot be separated into fields: {error}") from None
        if fields is None:
            return
        if any(fields):
            yield line, fields
        line = reader.line_num + 1
