"""Random draws for the examples of a batch: the same for each example, however many devices share the batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from dltrain.lazy import tf

RANDOM = "philox"
"""TensorFlow's algorithm of random numbers for data: the same whole numbers on every device, compiled or not."""

_share: ContextVar[tuple[int, int]] = ContextVar("share", default=(0, 1))


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


def drawn(shape: Sequence[Any], seed: Any, low: Any = None, high: Any = None) -> Any:
    """Returns whole numbers from `low` up to below `high`, each equally often, int32; without both, of all int32.

    Args:
        shape: of the result; the one length that is no plain number, as tf.shape(images)[0], is that of the batch.
        seed: int32, (2,), the same for all shares of a batch.
        low: the smallest.
        high: what they are below.
    """
    number, count = _share.get()
    axis = next((axis for axis, length in enumerate(shape) if not isinstance(length, int)), None)
    if count == 1 or axis is None:
        return tf.random.stateless_uniform(shape, seed, low, high, tf.int32, alg=RANDOM)
    whole = [length * count if place == axis else length for place, length in enumerate(shape)]
    values = tf.random.stateless_uniform(whole, seed, low, high, tf.int32, alg=RANDOM)
    start = [shape[axis] * number if place == axis else 0 for place in range(len(whole))]
    return tf.slice(values, start, shape)
