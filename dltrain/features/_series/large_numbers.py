"""Large numbers of little spread in series, whose differences float32 would lose."""

from __future__ import annotations

from collections.abc import Callable

from dltrain.data.statistics import spaced
from dltrain.features._arrays.encoding import is_lost_in_float32
from dltrain.lazy import np

MOST_SERIES = 200
"""Series that are looked at."""


def lost_channels(of: Callable[[int], np.ndarray], count: int) -> dict[int, int]:
    """Returns the channels whose values differ in a series, but not as float32, each with the first such series.

    Args:
        of: returns a series, (steps, channels), float64.
        count: how many series there are.
    """
    found: dict[int, int] = {}
    for number in spaced(count, MOST_SERIES).tolist():
        for channel, values in enumerate(of(number).T):
            if channel not in found and is_lost_in_float32(values[np.isfinite(values)]):
                found[channel] = number
    return found
