"""Files of arrays, .npy and .npz, of which nothing is believed."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dltrain.errors import AbsentData, KeyProblem
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


@dataclass(frozen=True)
class Origin:
    """Where an array comes from.

    Args:
        key: of the dataset's block.
        words: what names it beyond that, such as the file's name.
    """

    key: str
    words: str = ""

    def problem(self, words: str) -> KeyProblem:
        """Returns what is wrong with the array, at its key."""
        between = " " if self.words and not words.startswith(":") else ""
        return KeyProblem(self.key, f"{self.words}{between}{words}")


_FAILURES = (
    *(OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(MemoryError, OverflowError),  # of a header that claims more than any memory holds
)


@contextmanager
def reading(key: str, path: Path) -> Iterator[None]:
    """Turns the ways in which reading a file fails into problems of the config's key."""
    try:
        yield
    except FileNotFoundError:
        raise AbsentData(key, f"no such file: {path}") from None
    except _FAILURES as error:
        if isinstance(error, KeyProblem) and error.key == key:
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise KeyProblem(key, f"cannot be read: {path}: {reason}") from error


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


def read_array(name: Origin, file: IO[bytes]) -> np.ndarray:
    """Returns the array of an .npy file.

    Args:
        name: where the array comes from.
        file: at its beginning; must be able to seek.

    Raises:
        ValueError: if it holds pickled objects, whose reading would run code, or is not whole.
    """
    if read_header(file).dtype.hasobject:
        raise name.problem("holds Python objects, which are never read: store numbers or strings (.astype(str))")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
