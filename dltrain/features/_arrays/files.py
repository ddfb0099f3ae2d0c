"""Files of arrays, .npy and .npz, of which nothing is believed."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dltrain.errors import AbsentData
from dltrain.lazy import np


@dataclass(frozen=True)
class Header:
    """What the beginning of an .npy file says of its array.

    Args:
        shape: the array's shape.
        dtype: the type of its elements.
    """

    shape: tuple[int, ...]
    dtype: np.dtype


_FAILURES = (
    *(OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(MemoryError, OverflowError),  # of a header that claims more than any memory holds
)


@contextmanager
def reading(key: str, path: Path) -> Iterator[None]:
    """Turns the ways in which reading a file fails into ValueErrors that begin with the config's key."""
    try:
        yield
    except FileNotFoundError:
        raise AbsentData(f"{key} no such file: {path}") from None
    except _FAILURES as error:
        if str(error).startswith(f"{key} "):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"{key} cannot be read: {path}: {reason}") from error


def read_header(file: IO[bytes]) -> Header:
    """Returns the header of an .npy file, without its data.

    Raises:
        ValueError: if it has none.
    """
    if np.lib.format.read_magic(file) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return Header(shape, dtype)


def read_array(name: str, file: IO[bytes]) -> np.ndarray:
    """Returns the array of an .npy file.

    Args:
        name: where the array comes from, beginning with the config's key; messages start with it.
        file: at its beginning; must be able to seek.

    Raises:
        ValueError: if it holds pickled objects, whose reading would run code, or is not whole.
    """
    if read_header(file).dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are never read: store numbers or strings (.astype(str))")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
