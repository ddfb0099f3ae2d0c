"""Means and deviations of stored values, a piece at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from dltrain.data.ragged import Ragged
from dltrain.data.trees import Examples
from dltrain.lazy import np

SAMPLE = 512
"""Examples that mean and deviation are taken from, where reading them all would take long."""

CHUNK_VALUES = 2**23
"""Numbers read at a time, so that a memory map may be large; 64 MB as float64."""


class Moments(NamedTuple):
    """Mean and standard deviation of one number over the train part.

    Args:
        name: what it is called in messages.
    """

    name: str
    mean: float
    standard_deviation: float


@dataclass(frozen=True)
class Pieces:
    """Stored values of a part, some at a time: all of an array; of examples that are read later, `SAMPLE`.

    Args:
        values: (examples, *shape); pieces of `Ragged` are such too.
    """

    values: Any

    @property
    def are_sampled(self) -> bool:
        """Whether only some of the examples are in it."""
        return isinstance(self.values, Examples)

    @property
    def longest(self) -> int | None:
        """The largest first axis of all examples, where their source says how long each is; else none."""
        lengths = None if isinstance(self.values, np.ndarray) else self.values.lengths
        return None if lengths is None or not len(lengths) else int(np.max(lengths))

    def __iter__(self) -> Iterator[np.ndarray | Ragged]:
        if self.are_sampled:
            places = spaced(len(self.values), SAMPLE)
            yield from (self.values[places[start : start + 32]] for start in range(0, len(places), 32))
        elif isinstance(self.values, Ragged):
            yield from (self.values[start : start + SAMPLE] for start in range(0, len(self.values), SAMPLE))
        else:
            yield from chunks(self.values)


def chunks(values: np.ndarray, numbers: int = CHUNK_VALUES) -> Iterator[np.ndarray]:
    """Yields an array in slices of at most so many numbers, an example at least."""
    size = max(1, numbers // max(1, math.prod(values.shape[1:])))
    yield from (np.asarray(values[start : start + size]) for start in range(0, len(values), size))


def channel_statistics(values: np.ndarray, chunk_values: int = CHUNK_VALUES) -> tuple[tuple[float, ...], ...]:
    """Returns mean and standard deviation of each channel (the last axis); 1 for the deviation of a constant one.

    Args:
        values: (examples, ..., channels).
        chunk_values: numbers read at a time.
    """
    return statistics_of(chunks(values, chunk_values), values.shape[-1])


def statistics_of(pieces: Iterable[np.ndarray], channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the same of values that come in pieces, (examples, ..., channels) each."""
    count, mean, squares = 0, np.zeros(channels), np.zeros(channels)
    for piece in pieces:
        part = piece.reshape(-1, channels)
        size = len(part)
        part_mean, part_variance = (_byte_moments if part.dtype == np.uint8 else _float_moments)(part)
        # Chan, Golub and LeVeque's update: the sum of squares never cancels.
        squares += part_variance * size + (part_mean - mean) ** 2 * count * size / (count + size)
        mean += (part_mean - mean) * size / (count + size)
        count += size
    deviation = np.sqrt(squares / max(count, 1))
    deviation[deviation == 0] = 1.0
    return tuple(mean.tolist()), tuple(deviation.tolist())


def spaced(count: int, most: int) -> np.ndarray:
    """Returns at most so many of the places 0 to count - 1, evenly spaced, the first and the last of them included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def of_length_1(vectors: np.ndarray) -> np.ndarray:
    """Returns vectors, (..., numbers), divided by their lengths; those of zeros stay so."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))


def cosines(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns the cosine of each vector and the other in its place, -1 to 1, (...,), float64; 0 where one is zeros."""
    one, other = (of_length_1(np.asarray(each, np.float64)) for each in (vectors, others))
    return np.asarray(np.clip((one * other).sum(axis=-1), -1, 1))


def _float_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values = values.astype(np.float64)
    return values.mean(axis=0), values.var(axis=0)


def _byte_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each column of bytes, from how often each of the 256 values occurs: ten times faster."""
    counts = np.stack([np.bincount(column, minlength=256) for column in values.T])
    levels = np.arange(256)
    mean = counts @ levels / len(values)
    return mean, (counts * (levels - mean[:, None]) ** 2).sum(axis=1) / len(values)
