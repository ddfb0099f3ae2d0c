"""The stored values of one feature in all parts of the data: Parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

from dltrain.data import digests
from dltrain.data.trees import Array, Examples
from dltrain.lazy import np


class Parts(Mapping[str, Array]):
    """A feature's stored values by the name of the part that they are of, the train part's first.

    Args:
        values: the same.
        place: returns where an example came from, of a part and a position in it.
    """

    def __init__(self, values: Mapping[str, Array], place: Callable[[str, int], str]) -> None:
        self._values, self.place = values, place

    def __getitem__(self, part: str) -> Array:
        return self._values[part]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The files of the parts whose values are files of their own."""
        paths = {name: paths_of(values) for name, values in self.items()}
        return {name: list(found) for name, found in paths.items() if found is not None}

    @cached_property
    def digests(self) -> dict[str, np.ndarray]:
        """A number for each value of each part, the same for the same content alone, (examples,), uint64."""
        if self.files.keys() != self.keys():
            return {name: digests.of_rows(values) for name, values in self.items()}
        every = digests.of_files([path for paths in self.files.values() for path in paths])
        ends = np.cumsum([len(paths) for paths in self.files.values()])
        return dict(zip(self.files, np.split(every, ends[:-1]), strict=True))

    def owner(self, position: int) -> tuple[str, int]:
        """Returns the part of an example, and its position there, where all parts are counted through."""
        for name, values in self.items():
            if position < len(values):
                return name, position
            position -= len(values)
        raise IndexError(position)


def paths_of(values: Array) -> list[Path] | None:
    """Returns the file of each value; none where they are not files of their own."""
    found = values.paths if isinstance(values, Examples) else None
    return None if found is None else list(found)
