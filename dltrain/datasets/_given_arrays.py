"""Arrays that are given to a trained network: .npy and .npz files, and numbers as JSON."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.data import DataSpec
from dltrain.data.request import Request
from dltrain.datasets._arrays import Origin, read_array, reading
from dltrain.errors import KeyProblem
from dltrain.lazy import np

SUFFIXES = (".npy", ".npz")
STDIN = "-"


@dataclass(frozen=True)
class ArrayReader:
    """Reads arrays of examples.

    Args:
        spec: what the run was trained on.
    """

    spec: DataSpec

    @property
    def takes(self) -> str:
        """What may be given."""
        return f"arrays of {self._shape} (.npy, .npz)"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the examples of the files, at most `size` at a time; `-` reads their paths, one a line."""
        for source in named(sources):
            yield from self._file(source, size)

    def read_values(self, values: Sequence[Any]) -> Request:
        """Returns examples that are lists of numbers as deep as the input's shape."""
        names, inputs, problems = [f"instances[{index}]" for index in range(len(values))], [], {}
        for index, value in enumerate(values):
            try:
                inputs.append(self._value(value))
            except ValueError as error:
                problems[index] = str(error)
        return Request(names, self._joined(inputs), problems, len(values))

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the examples of an .npy file."""
        try:
            with reading("path", Path(name)):
                array = read_array(Origin("path"), io.BytesIO(content))
            inputs, problems = self._checked(self._fitting(array))
        except ValueError as error:
            return self._unusable(name, error)
        return Request([f"{name}[{row}]" for row in range(len(inputs) + len(problems))], inputs, problems)

    @property
    def _shape(self) -> str:
        return "x".join(map(str, self.spec.input_shape))

    def _file(self, source: str, size: int) -> Iterator[Request]:
        path = Path(source)
        try:
            if path.suffix.lower() not in SUFFIXES:
                raise ValueError(f"must be {self.takes}" if path.is_file() else _absence(path))
            array = self._fitting(_opened(path))
        except ValueError as error:
            yield self._unusable(source, error)
            return
        for start in range(0, len(array), size):
            inputs, problems = self._checked(array[start : start + size])
            names = [f"{source}[{row}]" for row in range(start, min(start + size, len(array)))]
            yield Request(names, inputs, problems)

    def _value(self, value: Any) -> np.ndarray:
        try:
            array = np.array(value, np.float32)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(f"must be numbers of shape {self._shape}, nested lists") from None
        inputs, problems = self._checked(self._fitting(array[np.newaxis]))
        if problems:
            raise ValueError(problems[0])
        return inputs[0]

    def _fitting(self, array: np.ndarray) -> np.ndarray:
        """Returns the array as (examples, *input_shape): one example and images without channels may come bare."""
        shape = self.spec.input_shape
        if array.dtype.kind not in "uifb":
            raise ValueError(f"must hold numbers, got {array.dtype}")
        bare = shape[:-1] if self.spec.is_image and shape[-1] == 1 else shape
        for wanted in (shape, bare):
            if array.shape == wanted:
                array = array[np.newaxis]
            if len(array) and array.shape[1:] == wanted:
                return array.reshape(len(array), *shape)
        raise ValueError(f"must be examples of {self._shape}, got shape {'x'.join(map(str, array.shape)) or 'of one'}")

    def _checked(self, array: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
        """Returns the examples that are finite, and what is wrong with the others."""
        if array.dtype == np.uint8:
            return np.asarray(array), {}
        with np.errstate(over="ignore"):
            inputs = np.asarray(array, np.float32)
        finite = np.isfinite(inputs).reshape(len(inputs), -1).all(axis=1)
        words = "holds NaN, infinite values, or some that float32 cannot hold"
        return inputs[finite], {int(row): words for row in np.flatnonzero(~finite)}

    def _joined(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs) if inputs else np.empty((0, *self.spec.input_shape), np.float32)

    def _unusable(self, name: str, error: Exception) -> Request:
        return Request([name], self._joined([]), {0: words(error, name)})


def named(sources: Sequence[str]) -> Iterator[str]:
    """Yields the sources, and for `-` each line of standard input that is not empty."""
    import sys

    for source in sources:
        if source == STDIN:
            yield from (line.strip() for line in sys.stdin if line.strip())
        else:
            yield source


def words(error: Exception, name: str) -> str:
    """Returns what an error says without the config's key, nor the file's name, beside which it is shown."""
    text = " ".join((error.words if isinstance(error, KeyProblem) else str(error)).split())
    text = text.removeprefix(f"{name}: ")
    return text.replace(f": {name}: ", ": ").removesuffix(f": {name}")


def _opened(path: Path) -> np.ndarray:
    with reading("path", path):
        if path.suffix.lower() == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with zipfile.ZipFile(path) as archive:
            found = [name for name in archive.namelist() if name.endswith(".npy")]
            wanted = found if len(found) == 1 else [name for name in found if name == "x.npy"]
            if not wanted:
                held = ", ".join(name.removesuffix(".npy") for name in found) or "none"
                raise KeyProblem("path", f"must hold one array, or one called x, got {held}")
            with archive.open(wanted[0]) as file:
                return read_array(Origin("path"), io.BytesIO(file.read()))


def _absence(path: Path) -> str:
    return "is a folder" if path.is_dir() else "no such file"
