"""Series one behind the other, and windows of them, which are gathered when they are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dltrain.data.trees import Examples
from dltrain.features._series.frequency import Frequency
from dltrain.lazy import np


@dataclass(frozen=True, eq=False)
class Collection:
    """Several series on one grid of times, one behind the other, without a gap.

    Args:
        values: of each step, (steps, channels), float32; NaN where one is not known.
        offsets: where each series begins, and where the last ends, (series + 1,), int64.
        firsts: which step of the grid each begins with, (series,), int64.
        names: of the series.
        rows: the row of the table that each step is, (steps,), int64; -1 where there is none.
        frequency: the grid.
        channels: what the values are called, targets first.
        filled: which targets were not known, and took the value before, (steps, targets), bool; none where none did.
        parts: from which step of the grid on each part has its targets, and where they end, by its name.
    """

    values: np.ndarray
    offsets: np.ndarray
    firsts: np.ndarray
    names: tuple[str, ...]
    rows: np.ndarray
    frequency: Frequency
    channels: tuple[str, ...]
    filled: np.ndarray | None = None
    parts: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def series(self) -> np.ndarray:
        """Which series each step is of, (steps,), int32."""
        return np.repeat(np.arange(len(self.names), dtype=np.int32), np.diff(self.offsets))

    @property
    def ordinals(self) -> np.ndarray:
        """Which step of the grid each step is, (steps,), int64."""
        lengths = np.diff(self.offsets)
        return np.arange(self.offsets[-1]) + np.repeat(self.firsts - self.offsets[:-1], lengths)

    def of(self, number: int) -> slice:
        """Returns where the steps of a series are."""
        return slice(int(self.offsets[number]), int(self.offsets[number + 1]))

    def before(self, number: int, end: int) -> slice:
        """Returns where the steps of a series are that come before a step of the grid."""
        where = self.of(number)
        length = min(end - int(self.firsts[number]), where.stop - where.start)
        return slice(where.start, where.start + max(length, 0))


class Windows(Examples):
    """Stretches of series, of one length: the memory is that of the series, however many there are.

    Args:
        collection: the series.
        starts: where each begins among all steps, (examples,), int64.
        length: steps of each.
        channels: how many of the channels are seen, the first ones.
        seen: steps up to which all of these are seen; none for all.
        hidden: channels, the first ones, that are 0 behind `seen`.
        as_measured: values that were filled in are NaN again, as targets have them.
    """

    def __init__(
        self,
        collection: Collection,
        starts: np.ndarray,
        length: int,
        channels: int,
        seen: int | None = None,
        hidden: int = 0,
        as_measured: bool = False,
    ) -> None:
        self.collection, self.starts, self.length, self.channels = collection, starts, length, channels
        self._seen, self._hidden, self._as_measured = seen, hidden, as_measured

    @property
    def shape(self) -> tuple[int, int, int]:
        """(examples, length, channels)."""
        return len(self.starts), self.length, self.channels

    @property
    def dtype(self) -> np.dtype:
        """float32."""
        return np.dtype(np.float32)

    @property
    def is_steady(self) -> bool:
        """Always: the series are in memory."""
        return True

    def __len__(self) -> int:
        return len(self.starts)

    def take(self, positions: Any) -> Windows:
        """Returns the windows at the positions; nothing is gathered."""
        return Windows(
            self.collection,
            self.starts[positions],
            self.length,
            self.channels,
            self._seen,
            self._hidden,
            self._as_measured,
        )

    def read(self, positions: np.ndarray, seeds: np.ndarray | None = None) -> np.ndarray:
        """Gathers the windows at the positions, (some, length, channels)."""
        places = self.starts[positions][..., None] + np.arange(self.length)
        values = np.take(self.collection.values[:, : self.channels], places, axis=0)
        if self._seen is not None:
            values[..., self._seen :, : self._hidden] = 0
        if self._as_measured and self.collection.filled is not None:
            values[self.collection.filled[places]] = np.nan
        return values
