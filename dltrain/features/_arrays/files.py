"""Files of arrays, .npy and .npz, of which nothing is believed."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from dltrain.data.size_limit import SizeLimit, reason
from dltrain.errors import AbsentData, KeyProblem
from dltrain.lazy import np
from dltrain.untrusted import Unreadable, opened, parsing


@dataclass(frozen=True)
class Header:
    """What the beginning of an .npy file says of its array.

    Args:
        shape: the array's shape.
        dtype: the type of its elements.
        is_fortran: whether the first axis is that of neighbours.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool = False

    @property
    def words(self) -> str:
        """How many values there are, of which type."""
        return f"{'x'.join(map(str, self.shape)) or 'one'} values of {self.dtype}"


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


@contextmanager
def reading(key: str, path: Path) -> Iterator[None]:
    """Turns the ways in which reading a file fails into problems of the config's key."""
    try:
        with parsing():
            yield
    except FileNotFoundError:
        raise AbsentData(key, f"no such file: {path}") from None
    except (OSError, Unreadable) as error:
        raise KeyProblem(key, f"cannot be read: {path}: {reason(error)}") from error


def read_header(file: IO[bytes]) -> Header:
    """Returns the header of an .npy file, without its data.

    Raises:
        ValueError: if it has none.
    """
    if np.lib.format.read_magic(file) == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
    if min(shape, default=0) < 0 or dtype.itemsize == 0:
        raise ValueError(f"its header states {dtype} of shape {shape}")
    return Header(shape, dtype, is_fortran)


def read_array(name: Origin, file: IO[bytes], size: int) -> np.ndarray:
    """Returns the array of an .npy file.

    Args:
        name: where the array comes from.
        file: at its beginning; must be able to seek.
        size: its bytes: no memory is taken for more.

    Raises:
        ValueError: if it holds pickled objects, whose reading would run code, or is not whole.
    """
    header = read_header(file)
    if header.dtype.hasobject:
        raise name.problem("holds Python objects, which are never read: store numbers or strings (.astype(str))")
    if file.tell() + math.prod(header.shape) * header.dtype.itemsize > size:
        raise ValueError(f"it ends before the {header.words} that its header states")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def mapped(file: IO[bytes]) -> np.ndarray:
    """Returns the array of an .npy file as a memory map.

    Args:
        file: on a disk, at its beginning.

    Raises:
        ValueError: if it holds pickled objects or no values, or is not whole.
    """
    header = read_header(file)
    if header.dtype.hasobject:
        raise ValueError("it holds Python objects, which are never read")
    order: Literal["F", "C"] = "F" if header.is_fortran else "C"
    return np.memmap(file, header.dtype, "r", file.tell(), header.shape, order)


def read_member(name: Origin, archive: zipfile.ZipFile, member: str) -> np.ndarray:
    """Returns an array in an .npz file, as `read_array` does."""
    with archive.open(member) as file:
        return read_array(name, file, archive.getinfo(member).file_size)


@contextmanager
def opened_npz(path: Path, limit: SizeLimit) -> Iterator[zipfile.ZipFile]:
    """Opens an .npz file, whose arrays must together not be too large.

    Raises:
        OSError: if it cannot be opened, is no regular file, or is too large.
    """
    with opened(path, limit.most) as file, zipfile.ZipFile(file) as archive:
        limit.check_unpacked(path, path.stat().st_size, sum(member.file_size for member in archive.infolist()))
        yield archive
