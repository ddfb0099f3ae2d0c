"""The values of all parts of the data, one part behind the other: Joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dltrain.data import Examples, Ragged
from dltrain.data.trees import Array, read
from dltrain.lazy import np


class Joined(Examples):
    """Values of one feature in several parts, read when they are looked at.

    Args:
        parts: the values of each.
    """

    def __init__(self, parts: Sequence[Array]) -> None:
        self._parts = list(parts)
        self._ends = np.cumsum([len(part) for part in self._parts])
        self._chosen = np.arange(int(self._ends[-1]))

    @property
    def shape(self) -> tuple[Any, ...]:
        """(examples, *shape)."""
        return len(self), *self._parts[0].shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Of the first part."""
        return np.dtype(self._parts[0].dtype)

    @property
    def lengths(self) -> np.ndarray | None:
        """Of the parts' examples."""
        found = [None if isinstance(part, np.ndarray) else part.lengths for part in self._parts]
        known = [each for each in found if each is not None]
        return np.concatenate(known)[self._chosen] if len(known) == len(found) else None

    def __len__(self) -> int:
        return len(self._chosen)

    def take(self, positions: Any) -> Joined:
        """Returns the examples at the positions without reading them."""
        taken = object.__new__(Joined)
        taken._parts, taken._ends, taken._chosen = self._parts, self._ends, self._chosen[positions]
        return taken

    def read(self, positions: np.ndarray, seeds: np.ndarray | None = None) -> Any:
        """Returns the examples at the positions, in their order."""
        chosen = self._chosen[positions]
        owners = np.searchsorted(self._ends, chosen, side="right")
        order = np.argsort(owners, kind="stable")
        starts = np.concatenate([[0], self._ends[:-1]])
        found = []
        for number in np.unique(owners).tolist():
            inside = order[owners[order] == number]
            own = None if seeds is None else seeds[inside]
            found.append(read(self._parts[number], chosen[inside] - starts[number], own))
        back = np.argsort(order, kind="stable")
        if not found:
            return self._parts[0][:0]
        if isinstance(found[0], Ragged):
            values = np.concatenate([each.values for each in found])
            lengths = np.concatenate([each.lengths for each in found])
            return Ragged(values, np.concatenate([[0], np.cumsum(lengths)])).take(back)
        return np.concatenate(found)[back]
