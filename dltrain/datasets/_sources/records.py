"""The records of a TFRecord file, looked at before TensorFlow is: it takes as much memory as a length states.

A record is its length (8 bytes, little-endian), a checksum of these 8 bytes, its content, and a checksum of that
(https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details). TensorFlow looks at the last.
"""

from __future__ import annotations

import gzip
import os
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from dltrain.data.size_limit import SizeLimit
from dltrain.untrusted import Unreadable, opened, parsing

_HEAD, _CHECKSUM = 12, 4
_PIECE = 2**20


class DamagedRecord(Unreadable):
    """A record that is not whole.

    Args:
        number: which, from 0.
        words: what is wrong with it.
    """

    def __init__(self, number: int, words: str) -> None:
        self.number = number
        super().__init__(words)


def check_records(path: Path, limit: SizeLimit) -> bool:
    """Follows the lengths of all records to the end of a file.

    Args:
        path: the file, plain or gzip.
        limit: the most that it may have, also unpacked.

    Returns:
        whether it is packed.

    Raises:
        OSError: if it is no regular file, or too large.
        DamagedRecord: at the first record that is not whole.
        Unreadable: if it cannot be unpacked.
    """
    with ExitStack() as stack, parsing():
        file = stack.enter_context(opened(path, limit.most))
        size = os.fstat(file.fileno()).st_size
        start = file.peek(_HEAD)[:_HEAD]
        if not start.startswith(b"\x1f\x8b") or _has_checksum(start):  # a length may look like gzip
            _follow(file, path, size, None)
            return False
        unpacked: Any = stack.enter_context(gzip.GzipFile(fileobj=file))
        _follow(unpacked, path, size, limit)
        return True


def _follow(file: IO[bytes], path: Path, size: int, limit: SizeLimit | None) -> None:
    """Goes from record to record.

    Args:
        file: at its beginning.
        path: where it is, for messages.
        size: its bytes on disk.
        limit: the most that it may unpack to; none where it is plain.
    """
    number = 0
    while head := file.read(_HEAD):
        if len(head) < _HEAD or not _has_checksum(head):
            raise DamagedRecord(number, "its length is damaged" if len(head) == _HEAD else "the file ends within it")
        left = struct.unpack("<Q", head[:8])[0] + _CHECKSUM
        if limit is None:
            there = size - file.tell()
            if left > there:
                raise DamagedRecord(number, f"it has {left - _CHECKSUM:,} bytes by its length, the file only {there:,}")
            file.seek(left, os.SEEK_CUR)
        while limit is not None and left:
            piece = len(file.read(min(left, _PIECE)))
            limit.check_unpacked(path, size, file.tell())
            if not piece:
                raise DamagedRecord(number, "the file ends within it")
            left -= piece
        number += 1


def _has_checksum(head: bytes) -> bool:
    """Whether the checksum behind a length is that of the length: CRC-32C, turned, plus a constant."""
    found = 0xFFFFFFFF
    for byte in head[:8]:
        found = _TABLE[(found ^ byte) & 0xFF] ^ found >> 8
    found ^= 0xFFFFFFFF
    masked = ((found >> 15 | found << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return head[8:] == masked.to_bytes(4, "little")


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = [_remainder(byte) for byte in range(256)]
