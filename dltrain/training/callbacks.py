"""What follows a run epoch by epoch: metrics.csv, the best epoch so far, early stopping.

Each keeps a small state that is part of every checkpoint, so that a resumed run decides as the uninterrupted one.
"""

import csv
import io
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from dltrain.errors import TrainingError
from dltrain.runs.folder import Run, write_text


class MetricsFile:
    """metrics.csv: a row per epoch, on disk as soon as the epoch is done.

    Args:
        run: where the file is.
        epoch: rows beyond this epoch are cut off: a resumed run does them again.
    """

    def __init__(self, run: Run, epoch: int) -> None:
        self._path = run.metrics
        rows = [row for row in run.read_metrics() if int(row["epoch"]) <= epoch]
        self.columns: list[str] = list(rows[0]) if rows else []
        if run.metrics.exists():
            write_text(run.metrics, self._text([self.columns, *(list(row.values()) for row in rows)]) if rows else "")

    def append(self, row: dict[str, Any]) -> None:
        """Adds a row.

        Raises:
            TrainingError: if it cannot be written.
        """
        lines = [] if self.columns else [list(row)]
        self.columns = self.columns or list(row)
        lines.append([row.get(column, "") for column in self.columns])
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(self._text(lines))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise TrainingError(
                f"{self._path}: cannot be written: {error.strerror}; the last checkpoint stands"
            ) from None

    @staticmethod
    def _text(lines: list[list[Any]]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        return text.getvalue()


class Due:
    """When a checkpoint within an epoch is due.

    Args:
        every_steps: steps between two of them; none for no such ones.
        every_minutes: minutes after the last one; none for no such ones.
        clock: tells seconds.
    """

    def __init__(
        self, every_steps: int | None, every_minutes: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._every_steps = every_steps
        self._every_minutes = every_minutes
        self._last = clock()

    def saved(self) -> None:
        """Notes that the state was saved just now."""
        self._last = self._clock()

    def steps_left(self, step: int) -> int:
        """Returns how many steps may be done before it is time to ask again."""
        return sys.maxsize if self._every_steps is None else self._every_steps - step % self._every_steps

    def has_come(self, step: int) -> bool:
        """Whether one is due after the step, by the number of steps."""
        return self._every_steps is not None and step % self._every_steps == 0

    @property
    def is_late(self) -> bool:
        """Whether one is due by the clock."""
        return self._every_minutes is not None and self._clock() - self._last >= 60 * self._every_minutes


class Best:
    """The best epoch so far; of equal ones the later, whose weights have trained longer.

    Args:
        monitor: the column that is compared; NaN is best only where nothing else is.
        larger_is_better: whether more is better.
        state: what a checkpoint kept, none at the start.
        is_latest: the latest epoch is the best, whatever its value.
    """

    def __init__(
        self, monitor: str, larger_is_better: bool, state: dict[str, Any] | None = None, is_latest: bool = False
    ) -> None:
        self.monitor = monitor
        self._is_latest = is_latest
        self._sign = 1.0 if larger_is_better else -1.0
        # What was best by another column says nothing about this one.
        self.state = state if state is not None and state["monitor"] == monitor else None

    def update(self, row: dict[str, Any]) -> bool:
        """Takes in an epoch's row; returns whether it is the best so far."""
        value = float(row[self.monitor])
        best = math.nan if self._is_latest or self.state is None else self.state["value"]
        # Not `value < best`: that is false of NaN too, which would then be the best.
        if not math.isnan(best) and not self._sign * value >= self._sign * best:
            return False
        self.state = {"monitor": self.monitor, "value": value, "epoch": row["epoch"], "step": row["step"]}
        return True


class Patience:
    """Early stopping: says when the monitored value has not improved for a number of epochs.

    Args:
        patience: epochs without improvement that are borne.
        min_delta: a smaller change is no improvement.
        monitor: the column that is watched.
        larger_is_better: whether more is better.
        state: what a checkpoint kept, none at the start.
    """

    def __init__(
        self,
        patience: int,
        min_delta: float,
        monitor: str,
        larger_is_better: bool,
        state: dict[str, Any] | None = None,
    ) -> None:
        self._patience = patience
        self._min_delta = min_delta
        self._monitor = monitor
        self._sign = 1.0 if larger_is_better else -1.0
        start = {"monitor": monitor, "best": None, "wait": 0}
        self.state: dict[str, Any] = state if state is not None and state["monitor"] == monitor else start

    def update(self, row: dict[str, Any]) -> None:
        """Takes in an epoch's row; NaN is no improvement, not even on nothing."""
        value = self._sign * float(row[self._monitor])
        best = -math.inf if self.state["best"] is None else self.state["best"]
        if value > best + self._min_delta:
            self.state = {**self.state, "best": value, "wait": 0}
        else:
            self.state = {**self.state, "wait": self.state["wait"] + 1}

    @property
    def exhausted(self) -> bool:
        """Whether it is time to stop."""
        return self.state["wait"] >= self._patience
