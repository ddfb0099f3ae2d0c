"""Numbers that tell examples apart by their content: the same for the same, and else as good as never."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from dltrain import untrusted
from dltrain.data.ragged import Ragged
from dltrain.data.size_limit import SizeLimit
from dltrain.data.trees import Array
from dltrain.lazy import np

CHUNK_BYTES = 2**22
"""Of values read at a time."""
CHUNK_ROWS = 1024
"""Of examples of different length read at a time."""
ODD = 0x9E3779B97F4A7C15


def of_rows(values: Array) -> np.ndarray:
    """Returns a digest of each example, (examples,), uint64.

    64 bits by multiplication with odd random numbers, a hundred examples in the time that a cryptographic hash takes
    for one: among a million examples two different ones meet with a probability of 3e-8.
    """
    found = np.empty(len(values), np.uint64)
    sides = values.shape[1:]
    size = 0 if None in sides else int(np.prod(sides)) * np.dtype(values.dtype).itemsize
    step = CHUNK_ROWS if None in sides else max(1, CHUNK_BYTES // max(size, 1))
    for start in range(0, len(values), step):
        rows = values[start : start + step]
        found[start : start + step] = _of_ragged(rows) if isinstance(rows, Ragged) else _of_array(np.asarray(rows))
    return found


def _of_array(rows: np.ndarray) -> np.ndarray:
    rows = rows.reshape(len(rows), -1)
    if rows.dtype.kind == "f":
        rows = rows + 0.0  # -0 equals 0, though its bits differ
    size = rows.shape[1] * rows.dtype.itemsize
    words = -(-size // 8)
    factors = np.random.RandomState(0).randint(0, 2**63, words, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    raw = np.zeros((len(rows), words * 8), np.uint8)
    raw[:, :size] = np.ascontiguousarray(rows).view(np.uint8)
    mixed = raw.view(np.uint64)
    # The low bits of floats are mostly 0, and a product's low bits hang on low bits alone.
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(ODD)
    mixed ^= mixed >> np.uint64(29)
    return mixed @ factors


def _of_ragged(rows: Ragged) -> np.ndarray:
    """Those of one length are an array; a shorter one is not the same as one that is filled up with 0."""
    found = np.empty(len(rows), np.uint64)
    for length in np.unique(rows.lengths):
        members = np.flatnonzero(rows.lengths == length)
        found[members] = combined(np.full(len(members), length, np.uint64), _of_array(rows.take(members).padded()))
    return found


def combined(*digests: np.ndarray) -> np.ndarray:
    """Returns a digest of each example that has several, in their order; the only one where there is one."""
    result = digests[0]
    for each in digests[1:]:
        mixed = result * np.uint64(ODD)
        result = (mixed ^ (mixed >> np.uint64(31))) + each
    return result


def of_files(paths: list[Path]) -> np.ndarray:
    """Returns a digest of each file, (files,), uint64; only files of equal size are read, for others differ anyway."""
    sizes = [_size(path) for path in paths]
    shared = Counter(sizes)
    found = [_of_file(path, size, shared[size] > 1) for path, size in zip(paths, sizes, strict=True)]
    return np.array(found, np.uint64)


def _of_file(path: Path, size: int | None, is_read: bool) -> int:
    found = hashlib.blake2b(digest_size=8)
    try:
        if is_read and size is not None:
            with untrusted.opened(path, SizeLimit().most) as file:
                while piece := file.read(CHUNK_BYTES):
                    found.update(piece)
        else:
            found.update(f"{path}: {size}".encode(errors="replace"))
    except OSError:  # decoding will say what is wrong
        found.update(str(path).encode(errors="replace"))
    return int.from_bytes(found.digest(), "little")


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:  # decoding will say what is wrong
        return None
