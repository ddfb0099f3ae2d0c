"""Random draws for the examples of a batch: the same for each example, however many devices share the batch.

A draw belongs to an example's place in the whole batch. In evaluation it belongs to the example's position in its part
instead, so that no size of a batch changes it. Along an axis whose length differs from batch to batch draws are made
for the largest length that there is, and cut: how far a batch is filled up changes none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from dltrain.lazy import np, tf

RANDOM = "philox"
"""TensorFlow's algorithm of random numbers for data: the same whole numbers on every device, compiled or not."""

_share: ContextVar[tuple[int, int]] = ContextVar("share", default=(0, 1))
_positions: ContextVar[Any] = ContextVar("positions", default=None)


@contextmanager
def sharing(number: int, count: int) -> Iterator[None]:
    """Has draws be those of one device's share of a batch, within the block; of all shares the same size.

    Args:
        number: which share, from 0, in the order of the examples.
        count: of how many.
    """
    token = _share.set((number, count))
    try:
        yield
    finally:
        _share.reset(token)


@contextmanager
def evaluating(positions: Any) -> Iterator[None]:
    """Has draws depend on each example's position alone, within the block; of all examples of a batch.

    Args:
        positions: of the examples in their part, (batch,), int64.
    """
    token = _positions.set(positions)
    try:
        yield
    finally:
        _positions.reset(token)


def drawn(
    shape: Sequence[Any], seed: Any, low: Any = None, high: Any = None, largest: Mapping[int, int] | None = None
) -> Any:
    """Returns whole numbers from `low` up to below `high`, each equally often, int32; without both, of all int32.

    Args:
        shape: of the result; the one length that is no plain number, as tf.shape(images)[0], is that of the batch; so
            may be those that `largest` names.
        seed: int32, (2,), the same for all shares of a batch.
        low: the smallest.
        high: what they are below.
        largest: of each axis whose length differs from batch to batch, the largest there is, as `Feature.max_shape` has
            it: two replicas whose examples are filled up to different lengths draw the same for each example.
    """
    differing = largest or {}
    number, count = _share.get()
    positions = _positions.get()
    axes = (axis for axis, length in enumerate(shape) if axis not in differing and not isinstance(length, int))
    axis = next(axes, None)
    if positions is None and not differing and (count == 1 or axis is None):
        return _uniform(shape, seed, low, high)
    whole = [tf.maximum(differing[place], each) if place in differing else each for place, each in enumerate(shape)]
    start = [0] * len(whole)
    if positions is not None and axis is not None:
        values = _by_position(positions, whole, axis, seed, low, high)
    else:
        if axis is not None:
            whole[axis], start[axis] = shape[axis] * count, shape[axis] * number
        values = _uniform(whole, seed, low, high)
    return tf.slice(values, start, shape)


def folded(seed: Any, number: Any) -> Any:
    """Returns another seed for each number."""
    return tf.random.experimental.stateless_fold_in(seed, number, alg=RANDOM)


def uniform(seeds: np.ndarray) -> np.ndarray:
    """Returns a number above 0 and at most 1 for each pair of seeds: splitmix64 of both.

    For what is drawn while examples are read; seeds that follow each other, as `Examples.read` gets them, are as good
    as any.

    Args:
        seeds: (some, 2), int64.
    """
    mixed = np.zeros(len(seeds), np.uint64)
    for column in np.asarray(seeds).astype(np.uint64).T:
        mixed = (mixed ^ column) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return ((mixed >> np.uint64(11)).astype(np.float64) + 1) / 2.0**53


def _by_position(positions: Any, whole: list[Any], axis: int, seed: Any, low: Any, high: Any) -> Any:
    rest = whole[:axis] + whole[axis + 1 :]

    def one(position: Any) -> Any:
        return _uniform(rest, folded(seed, position), low, high)

    values = tf.map_fn(one, tf.cast(positions, tf.int32), fn_output_signature=tf.int32)
    return tf.transpose(values, [*range(1, axis + 1), 0, *range(axis + 1, len(whole))])


def _uniform(shape: Any, seed: Any, low: Any, high: Any) -> Any:
    return tf.random.stateless_uniform(shape, seed, low, high, tf.int32, alg=RANDOM)
