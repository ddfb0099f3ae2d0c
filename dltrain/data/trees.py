"""What examples are stored in: an array, or a dict of arrays by name; an array is an ndarray, Ragged or Examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dltrain.data.ragged import Ragged
from dltrain.errors import DataError
from dltrain.lazy import np

_TOGETHER = 64
"""Examples that are read at a time where they are looked at one by one."""


class Examples:
    """Values that are read only when they are looked at, such as those of files.

    A source must have `shape`, `dtype`, `__len__`, `take` and `read`.
    """

    @property
    def shape(self) -> tuple[Any, ...]:
        """(examples, *shape), without views; none where a length differs from example to example."""
        raise NotImplementedError(f"{type(self).__name__} must have shape")

    @property
    def dtype(self) -> np.dtype:
        """Of the arrays that are read."""
        raise NotImplementedError(f"{type(self).__name__} must have dtype")

    @property
    def lengths(self) -> np.ndarray | None:
        """How long each example is, (examples,), int64: batches are of examples of like length; none where all are."""
        return None

    @property
    def blocks(self) -> np.ndarray | None:
        """Where each piece begins that is best read whole, and where the last ends, (pieces + 1,); none without."""
        return None

    @property
    def paths(self) -> Sequence[Path] | None:
        """The file of each example; none where examples are not files of their own."""
        return None

    @property
    def is_steady(self) -> bool:
        """Whether reading takes no longer than copying, and draws nothing: a few such examples are held in memory."""
        return False

    @property
    def nbytes(self) -> int:
        """Bytes of all values, as they are read."""
        sides = [side for side in self.shape[1:] if side is not None]
        longer = len(self) if self.lengths is None else int(np.sum(self.lengths))
        return math.prod(sides) * longer * np.dtype(self.dtype).itemsize

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must have __len__()")

    def take(self, positions: Any) -> Examples:
        """Returns the examples at the positions (integers or a slice) without reading them."""
        raise NotImplementedError(f"{type(self).__name__} must have take(positions)")

    def read(self, positions: np.ndarray, seeds: np.ndarray | None = None) -> np.ndarray | Ragged:
        """Reads the examples at the positions.

        Here alone, and only without seeds, is there an axis of views: all else (`examples[positions]`, what `encode`
        returns of a request, arrays in memory) has one value for each example.

        Args:
            positions: integers, (some,).
            seeds: what is drawn at random for each example comes from its seed, (some, 2), int64; none for what
                evaluation sees.

        Returns:
            (some, *shape). Without seeds, of a feature with several views: (some, views, *shape), shorter ones filled
            up with its `padding`; or `Ragged` of some * views rows, the views of each example one behind the other.
        """
        raise NotImplementedError(f"{type(self).__name__} must have read(positions, seeds)")

    def opened(self) -> Iterator[int]:
        """Opens all examples once, some at a time, so that what cannot be read is known before it is needed.

        Yields:
            how many are opened so far: none at all of a source in which nothing can be broken.

        Raises:
            DataError: as `read` would, with all that are known to be unusable.
        """
        return iter(())

    def __getitem__(self, positions: Any) -> Any:
        """Reads the examples at the positions, integers or a slice, as they are looked at: the first view of each."""
        chosen = np.arange(len(self))[positions]
        values = self.read(chosen)
        if isinstance(values, Ragged):
            return values.take(slice(None, None, max(1, len(values) // max(1, chosen.size))))
        return values[:, 0] if values.ndim > len(self.shape) else values

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields each example as it is looked at, some of them read together."""
        # Without it Python asks for one position after the other until one is beyond the last, which an array's
        # complaint about a single number reads like: nothing at all would be yielded.
        for start in range(0, len(self), _TOGETHER):
            yield from self[start : start + _TOGETHER]


Array = Any
"""An ndarray, Ragged or Examples; ndarrays may be memory maps."""

Tree = Any
"""An Array, or a dict of these by name."""


def leaves(tree: Tree) -> list[Array]:
    """Returns the arrays of a tree."""
    return [*tree.values()] if isinstance(tree, dict) else [tree]


def mapped(function: Callable[..., Any], tree: Tree, *others: Tree) -> Tree:
    """Returns a tree of what the function makes of each array, and of those of the others in its place."""
    if isinstance(tree, dict):
        return {name: function(value, *(other[name] for other in others)) for name, value in tree.items()}
    return function(tree, *others)


def taken(tree: Tree, positions: Any) -> Tree:
    """Returns the examples at the positions (integers or a slice), those that are read later unread."""
    return mapped(lambda array: array[positions] if isinstance(array, np.ndarray) else array.take(positions), tree)


def at(tree: Tree, position: int) -> Tree:
    """Returns one example, whose values are in memory: (*shape), or a dict of these by name."""
    return mapped(lambda array: array[position], tree)


def read(tree: Tree, positions: Any, seeds: np.ndarray | None = None) -> Tree:
    """Returns the examples at the positions (integers or a slice), read: ndarrays and Ragged.

    Args:
        tree: the arrays.
        positions: which of the examples.
        seeds: as `Examples.read` has them, of each of these examples; none for the first view of each.
    """

    def one(array: Array) -> Any:
        if isinstance(array, np.ndarray):
            return np.asarray(array[positions])
        if isinstance(array, Ragged):
            return array.take(positions)
        return array[positions] if seeds is None else array.read(np.arange(len(array))[positions], seeds)

    return mapped(one, tree)


def views(array: Array, positions: Any = slice(None)) -> tuple[np.ndarray | Ragged, int]:
    """Returns what evaluation sees of examples, each view as a row, and how many views an example has.

    Args:
        array: the examples.
        positions: which of them, integers or a slice.

    Returns:
        (some * views, *shape), the views of each example one behind the other; and 1 where there is no axis of views.
    """
    if not isinstance(array, Examples):
        return read(array, positions), 1
    chosen = np.arange(len(array))[positions]
    values = array.read(chosen)
    if isinstance(values, Ragged):
        return values, max(1, len(values) // max(1, len(chosen)))
    if values.ndim == len(array.shape):
        return values, 1
    return values.reshape(-1, *values.shape[2:]), values.shape[1]


def joined(trees: Sequence[Tree]) -> Tree:
    """Returns the examples of several trees, all of them read, one behind the other."""

    def one(*arrays: Array) -> Any:
        if not isinstance(arrays[0], Ragged):
            return np.concatenate(arrays)
        rows, values = [row for array in arrays for row in array], arrays[0].values
        return Ragged.of(rows, values.dtype, values.shape[1:])

    return mapped(one, *trees)


def is_read(*trees: Tree) -> bool:
    """Whether all arrays are in memory, or mapped into it."""
    return all(isinstance(array, np.ndarray | Ragged) for tree in trees for array in leaves(tree))


def count(tree: Tree) -> int:
    """Returns how many examples a tree holds.

    Raises:
        DataError: if its arrays are not of one length.
    """
    lengths = {len(array) for array in leaves(tree)}
    if len(lengths) != 1:
        raise DataError(f"the arrays of examples must be of one length, got {', '.join(map(str, sorted(lengths)))}")
    return lengths.pop()
