"""How numbers of one shape are stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dltrain.data.feature import Encoded
from dltrain.lazy import np


@dataclass(frozen=True)
class ArrayEncoding:
    """Takes nested lists of numbers, or arrays.

    Args:
        shape: of one example.
        may_be_bare: whether a last axis of one number may be missing, as that of grey images often is.
    """

    shape: tuple[int, ...]
    may_be_bare: bool = False

    def __str__(self) -> str:
        return "x".join(map(str, self.shape))

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns the values that can be used, (usable, *shape)."""
        stored, problems = [], {}
        for place, raw in enumerate(raws):
            try:
                stored.append(self.value(raw))
            except ValueError as error:
                problems[place] = str(error)
        return Encoded(self.joined(stored), problems)

    def value(self, raw: Any) -> np.ndarray:
        """Returns one value, (*shape), float32.

        Raises:
            ValueError: if it is none that can be used.
        """
        try:
            with np.errstate(over="ignore"):  # what float32 cannot hold is told below
                array = np.array(raw, np.float32)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(f"must be numbers of shape {self}, nested lists") from None
        stored, problems = self.checked(self.fitting(array[np.newaxis]))
        if problems:
            raise ValueError(problems[0])
        return stored[0]

    def fitting(self, array: np.ndarray) -> np.ndarray:
        """Returns an array as (examples, *shape): one example may come by itself.

        Raises:
            ValueError: if it is not of the shape, or not of numbers.
        """
        if array.dtype.kind not in "uifb":
            raise ValueError(f"must hold numbers, got {array.dtype}")
        bare = self.shape[:-1] if self.may_be_bare and self.shape[-1] == 1 else self.shape
        for wanted in (self.shape, bare):
            if array.shape == wanted:
                array = array[np.newaxis]
            if len(array) and array.shape[1:] == wanted:
                return array.reshape(len(array), *self.shape)
        raise ValueError(f"must be examples of {self}, got shape {'x'.join(map(str, array.shape)) or 'of one'}")

    def checked(self, array: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
        """Returns the examples that are finite, uint8 or float32, and what is wrong with the others."""
        if array.dtype == np.uint8:
            return np.asarray(array), {}
        with np.errstate(over="ignore"):
            stored = np.asarray(array, np.float32)
        usable = are_finite(stored)
        words = "holds NaN, infinite values, or some that float32 cannot hold"
        return stored[usable], {int(row): words for row in np.flatnonzero(~usable)}

    def joined(self, stored: Sequence[np.ndarray]) -> np.ndarray:
        """Returns single values as one array."""
        return np.stack(stored) if stored else np.empty((0, *self.shape), np.float32)


def is_lost_in_float32(values: np.ndarray) -> bool:
    """Whether float32 cannot tell numbers apart that differ: large ones beside their spread, such as milliseconds.

    Args:
        values: (examples, ...), of which each number of an example is looked at by itself.
    """
    if values.dtype.kind not in "uif" or values.dtype.itemsize <= 4 or not len(values):
        return False
    exact = np.asarray(values[:: max(1, len(values) // SAMPLED)], np.float64).reshape(-1, math.prod(values.shape[1:]))
    with np.errstate(over="ignore", invalid="ignore"):
        lost = np.abs(exact.astype(np.float32) - exact).max(axis=0)
        return bool(((lost > LOST * exact.std(axis=0)) & (np.ptp(exact, axis=0) > 0)).any())


LOSES = "has different numbers that float32 takes for the same, so large are they: subtract one of them first"
"""What is said of such numbers, behind their name."""

SAMPLED = 10_000
"""Examples that are looked at, at most or not many more."""

LOST = 0.01
"""Rounding that loses more than this part of the standard deviation changes what can be learnt."""


def are_finite(values: np.ndarray) -> np.ndarray:
    """Returns which examples are of finite numbers alone, (examples,), bool."""
    finite: np.ndarray = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    return finite
