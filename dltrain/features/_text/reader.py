"""Texts that are given to a trained network: files of one text each, folders of them, lines, and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain import untrusted
from dltrain.data.request import STDIN, LineReader, Request
from dltrain.features._files import files_below

SUFFIX = ".txt"
MOST_BYTES = 2**24
"""A text that is larger is no example."""


@dataclass(frozen=True)
class DocumentReader(LineReader):
    """Reads a .txt file as one text, as those of training were; what comes on standard input, a text per line.

    Args:
        feature: what the texts become.
    """

    @property
    def takes(self) -> str:
        """What may be given, for messages."""
        return f"{SUFFIX} files of one text each, folders of them, or lines on standard input"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the texts of files, of all files below folders, and of `-` (standard input)."""
        for source in sources:
            if source == STDIN:
                yield from super().read([source], size)
                continue
            files = below(Path(source)) if Path(source).is_dir() else [Path(source)]
            names = [*map(str, files)] or [source]
            for start in range(0, len(names), size):
                yield self._documents(names[start : start + size])

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the text that a file's content is."""
        try:
            return self._request([name], [as_text(content)])
        except ValueError as error:
            return Request([name], self.encoded([]).stored, {0: str(error)})

    def _documents(self, names: Sequence[str]) -> Request:
        texts: list[Any] = []
        problems = {}
        for place, name in enumerate(names):
            try:
                texts.append(text_of(Path(name)) if not Path(name).is_dir() else _no_text())
            except ValueError as error:
                problems[place] = str(error)
        encoded = self.encoded(texts)
        usable = [place for place in range(len(names)) if place not in problems]
        problems |= {usable[place]: why for place, why in encoded.problems.items()}
        notices = {usable[place]: encoded.noticed(place) for place in sorted(encoded.notices)}
        return Request(names, encoded.stored, problems, notices=notices)


def below(folder: Path) -> list[Path]:
    """Returns the text files below a folder, sorted by the names on the way to them."""
    return files_below(folder, (SUFFIX,))


def text_of(path: Path) -> str:
    """Returns the text in a file.

    Raises:
        ValueError: if it cannot be read, or is no UTF-8; with the byte that is not.
    """
    try:
        return as_text(untrusted.content(path, MOST_BYTES))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None


def as_text(content: bytes) -> str:
    """Returns bytes as text, without a byte order mark.

    Raises:
        ValueError: if they are no UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"must be UTF-8, got the byte 0x{content[error.start]:02x} at {error.start} (line {line}); save it as UTF-8"
        ) from None


def _no_text() -> str:
    raise ValueError(f"has no {SUFFIX} file below it")
