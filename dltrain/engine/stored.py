"""Stored arrays as tensors: kept on a device, or read from wherever they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from dltrain.data import Examples, Feature, Ragged, trees
from dltrain.data.ragged import filled
from dltrain.data.trees import Array
from dltrain.engine.order import HOST
from dltrain.errors import DataError
from dltrain.lazy import tf


def lengths_up_to(most: int) -> list[int]:
    """Returns the lengths that batches are filled up to, four for each power of two: XLA compiles one after the other.

    Args:
        most: the largest.
    """

    def each() -> Iterator[int]:
        length = 1
        while length < most:
            yield length
            length += max(1, 2 ** (length.bit_length() - 3))
        yield max(most, 1)

    return list(each())


class Alike:
    """Examples of one shape, on a device."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def at(self, positions: Any, whole: Any) -> Any:
        """Returns the examples at the positions, int64, (some,)."""
        return tf.gather(self._values, positions)

    def between(self, first: int, end: int) -> Any:
        """Returns the examples from `first` up to `end`."""
        return self._values[first:end]


class Differing:
    """Examples whose first axis differs in length, on a device; where they begin is known to the host."""

    def __init__(self, values: Any, ragged: Ragged, feature: Feature | None) -> None:
        self._values = values
        self._dtype: Any = feature.dtype if feature else values.dtype
        self._padding = feature.padding if feature else 0
        with tf.device(HOST):
            self._starts = tf.constant(ragged.offsets[:-1], tf.int64)
            self._lengths = tf.constant(ragged.lengths, tf.int64)
            self._sizes = tf.constant(lengths_up_to(ragged.longest), tf.int64)

    def at(self, positions: Any, whole: Any) -> Any:
        """Returns the examples at the positions, int64, (some,), filled up to one length.

        Args:
            positions: of the examples.
            whole: positions of the examples of the whole batch, which all are filled up to one length: replicas see
                what one device would.
        """
        with tf.device(HOST):  # a length that a GPU computed would make the host wait for it
            starts, lengths = (tf.gather(values, positions) for values in (self._starts, self._lengths))
            longest = tf.reduce_max(tf.gather(self._lengths, whole))
            places = tf.range(tf.gather(self._sizes, tf.searchsorted(self._sizes, [longest])[0]))
        is_inside = places < lengths[:, None]
        values = tf.gather(self._values, tf.where(is_inside, starts[:, None] + places, 0))
        for _ in range(len(values.shape) - 2):
            is_inside = is_inside[..., None]
        return tf.where(is_inside, tf.cast(values, self._dtype), tf.cast(self._padding, self._dtype))

    def between(self, first: int, end: int) -> Any:
        """Returns the examples from `first` up to `end`, filled up to one length."""
        positions = tf.range(first, min(end, len(self._lengths)), dtype=tf.int64)
        return self.at(positions, positions)


class Source:
    """An array that is read, a portion at a time.

    Args:
        array: the examples.
        feature: what they are; none for values of one shape, filled up with 0.
        is_drawn: readings are those of training, which may draw, not of evaluation.
    """

    def __init__(self, array: Array, feature: Feature | None, is_drawn: bool) -> None:
        self._array, self._feature = array, feature
        self.is_drawn = is_drawn and not isinstance(array, np.ndarray | Ragged)
        """Whether readings may differ by their seed."""
        self.differs = array.shape[1:2] == (None,)
        """Whether lengths differ: it is read as two tensors, the second of which are the lengths of the batches."""

    @cached_property
    def types(self) -> list[np.dtype]:
        """Of the tensors."""
        if not self.differs:
            return [self._array.dtype]
        return [np.dtype(self._feature.dtype) if self._feature else self._array.dtype, np.dtype(np.int64)]

    def shapes(self, size: int, batches: int) -> list[tuple[int | None, ...]]:
        """Returns those of the tensors of a portion of so many examples of so many batches."""
        shape = (size, *self._views, *self._array.shape[1:])
        return [shape, (batches,)] if self.differs else [shape]

    @cached_property
    def _views(self) -> tuple[int, ...]:
        if self._feature is None or self.is_drawn or not isinstance(self._array, Examples):
            return ()
        return (self._feature.views,) if self._feature.views > 1 else ()

    @cached_property
    def bytes_per_example(self) -> int:
        """Of the largest example."""
        sides = (self._longest or 1 if side is None else side for side in self._array.shape[1:])
        return math.prod(self._views) * math.prod(sides) * self._array.dtype.itemsize

    @cached_property
    def _longest(self) -> int | None:
        """The largest length of all; none where the source of the examples does not say how long each is."""
        return None if self._array.lengths is None else int(self._array.lengths.max(initial=0))

    def read(self, positions: np.ndarray, seeds: np.ndarray, batches: np.ndarray) -> list[np.ndarray]:
        """Returns the tensors of the examples at the positions.

        Args:
            positions: of the portion's examples, (some,).
            seeds: of what is drawn for each, (some, 2); nothing asks for them where nothing is drawn.
            batches: positions of the examples of the whole of each batch, (batches, batch_size).

        Raises:
            DataError: if an example cannot be read, or has other views than its feature says.
        """
        if self.is_drawn:
            values, views = self._array.read(positions, seeds), 1
        else:
            values, views = trees.views(self._array, positions)
        wanted = math.prod(self._views)
        if views != wanted and len(positions):
            raise DataError(f"{type(self._array).__name__}.read must return {wanted} views of an example, got {views}")
        if not self.differs:
            return [self._in_views(np.asarray(values))]
        lengths = self._lengths(values, batches)
        padding = self._feature.padding if self._feature else 0
        try:
            whole = filled(values, padding, int(lengths.max()), self.types[0])
        except ValueError as error:
            raise DataError(f"{type(self._array).__name__}: {error}, as its `lengths` say") from None
        return [self._in_views(whole), lengths]

    def _in_views(self, rows: np.ndarray) -> np.ndarray:
        return rows.reshape(-1, *self._views, *rows.shape[1:]) if self._views else rows

    def _lengths(self, values: np.ndarray | Ragged, batches: np.ndarray) -> np.ndarray:
        """Returns what the examples of each batch are filled up to, (batches,)."""
        if self._longest is None:
            longest = values.longest if isinstance(values, Ragged) else values.shape[1]
            return np.full(len(batches), longest, np.int64)
        longest = self._array.lengths[batches].max(axis=1, initial=0)
        return self._sizes[np.searchsorted(self._sizes, longest)]

    @cached_property
    def _sizes(self) -> np.ndarray:
        return np.array(lengths_up_to(self._longest or 1), np.int64)
