"""How large a file of data may be that is read into memory, as it is and unpacked."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from errno import EFBIG
from pathlib import Path

from dltrain import untrusted

KEY = "max_megabytes"
MEGABYTE = 10**6
USUAL = 8_192
"""Megabytes of a file where the key says nothing."""
MOST_GROWTH, FREE_GROWTH = 100, 100 * MEGABYTE
"""What is packed may then unpack to so many times its size, plus so many bytes; tables hardly grow tenfold."""

_PIECE = 2**20


@dataclass(frozen=True)
class SizeLimit:
    """The most that a file may have.

    Args:
        megabytes: as the key `max_megabytes` says it, for what is packed and unpacked alike; none for 8,192, and for
            what is unpacked, 100 times the file's size.
    """

    megabytes: int | None = None

    @property
    def most(self) -> int:
        """The bytes that a file may have."""
        return MEGABYTE * (self.megabytes or USUAL)

    def most_unpacked(self, size: int) -> int:
        """Returns the bytes that a file of this size may unpack to."""
        return self.most if self.megabytes else min(self.most, MOST_GROWTH * size + FREE_GROWTH)

    def check_unpacked(self, path: Path, size: int, unpacked: int) -> None:
        """Refuses what is too large.

        Args:
            path: the file, for the message.
            size: its bytes.
            unpacked: the bytes that it unpacks to, or those seen so far.

        Raises:
            OSError: if these are too many.
        """
        if unpacked > self.most_unpacked(size):
            words = f"has {size:,} bytes and unpacks to more than {self.most_unpacked(size):,}"
            raise OSError(EFBIG, words, str(path))

    def content(self, path: Path, is_gzip: bool = False) -> bytes:
        """Returns what is in a file.

        Args:
            path: the file.
            is_gzip: whether it is packed.

        Raises:
            OSError: if it is no regular file, or too large.
            Exception: whatever reading what is packed raises: see `untrusted.parsing`.
        """
        if not is_gzip:
            return untrusted.content(path, self.most)
        read = bytearray()
        with untrusted.opened(path, self.most) as file, gzip.open(file) as plain:
            size = path.stat().st_size
            while piece := plain.read(_PIECE):
                read += piece
                self.check_unpacked(path, size, len(read))
        return bytes(read)


def memory() -> int:
    """Returns the bytes of memory that the machine has: what is larger cannot be read into it."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def reason(error: Exception) -> str:
    """Returns why a file cannot be read, with what to type where it is too large."""
    words = untrusted.reason(error)
    is_large = isinstance(error, OSError) and error.errno == EFBIG
    return f"{words}; if you trust it, set dataset.{KEY} to what it may have" if is_large else words
