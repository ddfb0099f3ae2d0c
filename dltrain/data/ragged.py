"""Examples of different length in one array: Ragged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dltrain.lazy import np


@dataclass(frozen=True, eq=False)
class Ragged:
    """Examples whose first axis differs in length, one behind the other.

    Args:
        values: all of them, (total, *rest).
        offsets: where each begins, and where the last ends, (examples + 1,), int64.

    Raises:
        ValueError: if the offsets do not divide the values among the examples.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __post_init__(self) -> None:
        offsets = np.asarray(self.offsets, np.int64)
        object.__setattr__(self, "offsets", offsets)
        if offsets.ndim != 1 or not len(offsets) or offsets[0] != 0 or offsets[-1] != len(self.values):
            raise ValueError(f"offsets must be from 0 to the {len(self.values)} values, got {offsets}")
        if len(offsets) > 1 and np.diff(offsets).min() < 0:
            raise ValueError("offsets must not decrease")

    @classmethod
    def of(cls, rows: list[np.ndarray], dtype: Any, rest: tuple[int, ...] = ()) -> Ragged:
        """Returns rows of any length as one array.

        Args:
            rows: (length, *rest) each.
            dtype: of the values.
            rest: the axes behind the one whose length differs; asked only where there are no rows.
        """
        values = np.concatenate(rows).astype(dtype, copy=False) if rows else np.zeros((0, *rest), dtype)
        return cls(values, np.cumsum([0, *map(len, rows)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, positions: Any) -> Any:
        """Returns the example at a position, (length, *rest), or those at several, as `take` does."""
        if isinstance(positions, int | np.integer):
            place = range(len(self))[positions]
            return self.values[self.offsets[place] : self.offsets[place + 1]]
        return self.take(positions)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[place] for place in range(len(self)))

    @property
    def lengths(self) -> np.ndarray:
        """Of each example, (examples,), int64."""
        return np.diff(self.offsets)

    @property
    def longest(self) -> int:
        """The largest length that there is; 0 where there are no examples."""
        return int(self.lengths.max(initial=0))

    @property
    def shape(self) -> tuple[Any, ...]:
        """(examples, None, *rest)."""
        return len(self), None, *self.values.shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of values and offsets."""
        return int(self.values.nbytes + self.offsets.nbytes)

    def take(self, positions: Any) -> Ragged:
        """Returns the examples at the positions (integers, booleans or a slice), in their order."""
        chosen = np.arange(len(self))[positions]
        starts, lengths = self.offsets[chosen], self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Ragged(self.values[np.repeat(starts, lengths) + within], offsets)

    def padded(self, padding: float = 0, length: int | None = None, dtype: Any = None) -> np.ndarray:
        """Returns the examples as one array, (examples, length, *rest).

        Args:
            padding: what is behind the end of a shorter one.
            length: of each; none for that of the longest.
            dtype: of the result, which must hold the padding too; none for that of the values.

        Raises:
            ValueError: if an example is longer.
        """
        longest = self.longest if length is None else length
        if self.longest > longest:
            raise ValueError(f"length must be at least that of the longest example, {self.longest}, got {length}")
        result = np.full((len(self), longest, *self.values.shape[1:]), padding, dtype or self.dtype)
        result[np.arange(longest) < self.lengths[:, None]] = self.values
        return result


def filled(values: np.ndarray | Ragged, padding: float = 0, length: int | None = None, dtype: Any = None) -> np.ndarray:
    """Returns examples of different length as one array, (examples, length, *rest), as `Ragged.padded` does.

    Args:
        values: the same, or an array whose shorter examples are filled up already, (examples, length, *rest).
        padding: what is behind the end of a shorter one.
        length: of each; none for that of the longest.
        dtype: of the result; none for that of the values.

    Raises:
        ValueError: if an example is longer.
    """
    if isinstance(values, Ragged):
        return values.padded(padding, length, dtype)
    longest = values.shape[1]
    if length is not None and longest > length:
        raise ValueError(f"length must be at least that of the longest example, {longest}, got {length}")
    beyond = [(0, 0), (0, 0 if length is None else length - longest), *[(0, 0)] * (values.ndim - 2)]
    return np.pad(values, beyond, constant_values=padding).astype(dtype or values.dtype, copy=False)
