"""Arrays that are given to a trained network: .npy and .npz files, and numbers as JSON."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.data.request import Request
from dltrain.data.size_limit import SizeLimit
from dltrain.errors import KeyProblem
from dltrain.errors import named as of_written
from dltrain.features._arrays.encoding import ArrayEncoding
from dltrain.features._arrays.files import Origin, mapped, opened_npz, read_array, read_member, reading
from dltrain.lazy import np
from dltrain.untrusted import opened

SUFFIXES = (".npy", ".npz")
STDIN = "-"


@dataclass(frozen=True)
class ArrayReader:
    """Reads arrays of examples.

    Args:
        encoding: how numbers are stored.
        limit: the most that a file may have that is read into memory.
    """

    encoding: ArrayEncoding
    limit: SizeLimit = SizeLimit()

    @property
    def takes(self) -> str:
        """What may be given."""
        return f"arrays of {self.encoding} (.npy, .npz)"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the examples of the files, at most `size` at a time; `-` reads their paths, one a line."""
        for source in named(sources):
            yield from self._file(source, size)

    def read_values(self, values: Sequence[Any]) -> Request:
        """Returns examples that came as JSON: lists of numbers as deep as the shape."""
        names = [f"instances[{index}]" for index in range(len(values))]
        return Request.of(names, self.encoding.encode(values), len(values))

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the examples of an .npy file."""
        try:
            with reading("path", Path(name)):
                array = read_array(Origin("path"), io.BytesIO(content), len(content))
            inputs, problems = self.encoding.checked(self.encoding.fitting(array))
        except ValueError as error:
            return self._unusable(name, error)
        return Request([f"{name}[{row}]" for row in range(len(inputs) + len(problems))], inputs, problems)

    def _file(self, source: str, size: int) -> Iterator[Request]:
        path = Path(source)
        try:
            if path.suffix.lower() not in SUFFIXES:
                raise ValueError(f"must be {self.takes}" if path.is_file() else absence(path))
            array = self.encoding.fitting(array_of(path, self.limit))
        except ValueError as error:
            yield self._unusable(source, error)
            return
        for start in range(0, len(array), size):
            inputs, problems = self.encoding.checked(array[start : start + size])
            names = [f"{source}[{row}]" for row in range(start, min(start + size, len(array)))]
            yield Request(names, inputs, problems)

    def _unusable(self, name: str, error: Exception) -> Request:
        return Request([name], self.encoding.joined([]), {0: words(error, name)})


def named(sources: Sequence[str]) -> Iterator[str]:
    """Yields the sources, and for `-` each line of standard input that is not empty, bytes that are no UTF-8 too."""
    for source in sources:
        if source == STDIN:
            lines = (os.fsdecode(line).strip() for line in sys.stdin.buffer)
            yield from (line if os.path.lexists(line) else of_written(line) for line in lines if line)
        else:
            yield source


def words(error: Exception, name: str) -> str:
    """Returns what an error says without the config's key, nor the file's name, beside which it is shown."""
    text = " ".join((error.words if isinstance(error, KeyProblem) else str(error)).split())
    text = text.removeprefix(": ").removeprefix(f"{name}: ")
    return text.replace(f": {name}: ", ": ").removesuffix(f": {name}")


def absence(path: Path) -> str:
    """Returns why there is no file by a name."""
    if not path.exists():
        return "no such file"
    return "is a folder" if path.is_dir() else "must be a regular file"


def array_of(path: Path, limit: SizeLimit) -> np.ndarray:
    """Returns the array of an .npy file, or the only one, or x, of an .npz file."""
    with reading("path", path):
        if path.suffix.lower() == ".npy":
            with opened(path) as file:
                return mapped(file)
        with opened_npz(path, limit) as archive:
            found = [name for name in archive.namelist() if name.endswith(".npy")]
            wanted = found if len(found) == 1 else [name for name in found if name == "x.npy"]
            if not wanted:
                held = ", ".join(name.removesuffix(".npy") for name in found) or "none"
                raise KeyProblem("path", f"must hold one array, or one called x, got {held}")
            return read_member(Origin("path"), archive, wanted[0])
