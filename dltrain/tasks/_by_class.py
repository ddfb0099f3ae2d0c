"""Examples of which training reads several of a class next to each other, so that a batch has pairs of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dltrain.data import DataSpec, Split, trees
from dltrain.data.trees import Examples
from dltrain.lazy import np
from dltrain.tasks._trials import identities

POOL = 8
"""Pieces whose examples the order of training shuffles together, `dltrain.engine.order.POOL`."""

_EXAMPLES = 20_000
"""Of epochs together, of which it is counted how many of their class are in a batch."""


def by_class(split: Split, data: DataSpec, count: int) -> Split:
    """Returns a part in another order, in pieces of one class that are read whole.

    Args:
        split: the part.
        data: what the data are.
        count: examples of a piece; classes end in smaller ones.
    """
    found = identities(data, split)
    order = np.argsort(found, kind="stable")
    ordered = split.take(order)
    blocks = np.cumsum([0, *_sizes(found, count)])
    return replace(ordered, inputs=trees.mapped(lambda array: ByClass(array, blocks), ordered.inputs))


def _sizes(found: np.ndarray, count: int) -> list[int]:
    """Returns the sizes of the pieces of examples that are sorted by class."""
    return [
        size
        for members in np.unique(found, return_counts=True)[1].tolist()
        for size in [count] * (members // count) + [members % count] * (members % count > 0)
    ]


def partners(split: Split, data: DataSpec, count: int, batch_size: int) -> float:
    """Returns how many other examples of its own class an example has in a batch, on average over some epochs.

    Args:
        split: the part, in any order.
        data: what the data are.
        count: examples of a piece, as `by_class` has it.
        batch_size: examples of a batch, at most those of the part.
    """
    found = np.sort(identities(data, split))
    pieces = np.array(_sizes(found, count))
    random, used = np.random.RandomState(0), len(found) // batch_size * batch_size
    means = []
    for _ in range(max(1, _EXAMPLES // len(found))):
        place = random.permutation(len(pieces))  # of each piece in an epoch
        pool = np.repeat(place // POOL, pieces)
        seen = found[np.lexsort((random.random_sample(len(found)), pool))][:used]
        of_batch = np.arange(used) // batch_size * (found[-1] + 1) + seen
        counts = np.unique(of_batch, return_counts=True)[1]
        means.append((counts * (counts - 1)).sum() / used)
    return float(np.mean(means))


def is_by_class(split: Split) -> bool:
    """Whether a part is what `by_class` returned."""
    return any(isinstance(array, ByClass) for array in trees.leaves(split.inputs))


class ByClass(Examples):
    """The same examples, with where their pieces begin.

    Args:
        array: the examples.
        blocks: where each piece begins, and where the last ends, (pieces + 1,).
    """

    def __init__(self, array: Any, blocks: np.ndarray) -> None:
        self._array, self._blocks = array, blocks

    @property
    def shape(self) -> tuple[Any, ...]:
        """That of the examples."""
        return tuple(self._array.shape)

    @property
    def dtype(self) -> np.dtype:
        """Likewise."""
        return np.dtype(self._array.dtype)

    @property
    def lengths(self) -> np.ndarray | None:
        """Likewise."""
        return None if isinstance(self._array, np.ndarray) else self._array.lengths

    @property
    def blocks(self) -> np.ndarray:
        """Where each piece begins, and where the last ends."""
        return self._blocks

    @property
    def is_steady(self) -> bool:
        """Whether the examples are in memory, or as good as."""
        return self._array.is_steady if isinstance(self._array, Examples) else True

    def __len__(self) -> int:
        return len(self._array)

    def take(self, positions: Any) -> Any:
        """Returns the examples at the positions, without pieces."""
        return trees.taken(self._array, positions)

    def read(self, positions: np.ndarray, seeds: np.ndarray | None = None) -> Any:
        """Reads the examples at the positions."""
        return trees.read(self._array, positions, seeds)
