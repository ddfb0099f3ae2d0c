"""What tarfile reads of an untrusted archive: headers are looked at before it parses them, and bytes are counted.

tarfile believes the length that a header states, and parses extended headers with regular expressions that take
quadratic time: https://github.com/python/cpython/issues/121285.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from typing import Any

from dltrain.untrusted import Unreadable

LONGEST_HEADER = 2**16
"""Bytes of an extended header: a path has 4,096 at most, other programs' notes a few thousand."""

_PIECE = 2**20
_EXTENDED = (b"x", b"g", b"X")
_DIGITS = re.compile(rb"[0-9]{400}")
"""No number, and no name of a file."""
_RECORD = re.compile(rb"([1-9][0-9]{0,5}) ([^=\n]{1,200})=", re.DOTALL)


class Refused(Unreadable):
    """An archive that may be intact, but must not be unpacked."""


class TarStream:
    """The content of an archive, of which at most a limit of bytes is read.

    Args:
        file: what is read.
        limit: the bytes in it that are read at most.
    """

    def __init__(self, file: Any, limit: int) -> None:
        self._file, self._limit = file, limit
        self.tell: Callable[[], int] = file.tell
        self.last = b""
        self.is_header = True
        """Whether what is read now is a header, not a member's content."""
        self._kind = b""

    def read(self, size: int) -> bytes:
        """Returns some bytes, and remembers them as the last.

        Raises:
            Unreadable: if they are a header that must not be parsed.
            Refused: if they are beyond the limit, or of a sparse file.
        """
        if not 0 <= size <= (LONGEST_HEADER if self.is_header else _PIECE):
            raise Unreadable("a header is too long")
        self.last = self._file.read(size)
        if self._file.tell() > self._limit:
            raise too_large(self._limit)
        if self.is_header:
            self._check(self.last)
        return self.last

    def seek(self, position: int) -> None:
        """Goes to a position, which decompresses all that lies before it.

        Raises:
            Refused: if it is beyond the limit.
        """
        if position > self._limit:
            raise too_large(self._limit)
        self._file.seek(position)

    def _check(self, content: bytes) -> None:
        if self._kind in _EXTENDED:
            _check_extended(content)
            self._kind = b""
        elif len(content) == tarfile.BLOCKSIZE:
            self._kind = content[156:157]
            if self._kind == tarfile.GNUTYPE_SPARSE:
                raise Refused("it contains a sparse file")


def too_large(limit: int) -> Refused:
    """Returns what is said of an archive that unpacks to more than a limit of bytes."""
    return Refused(
        f"it unpacks to more than {limit / 1e9:.1f} GB, too much for its size; if you trust it, unpack it "
        "yourself and set path to the folder"
    )


def _check_extended(content: bytes) -> None:
    """Refuses an extended header whose records are not `length key=value` and a new line, one behind the other."""
    position = 0
    if content.count(b"hdrcharset=") > 1 or _DIGITS.search(content):
        raise Unreadable("a header is damaged")
    while position < len(content) and content[position]:
        found = _RECORD.match(content, position)
        end = position + int(found[1]) if found else 0
        if found is None or not found.end() < end <= len(content) or content[end - 1] != ord("\n"):
            raise Unreadable("a header is damaged")
        if found[2].startswith(b"GNU.sparse"):
            raise Refused("it contains a sparse file")
        position = end
