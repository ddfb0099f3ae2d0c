"""The schedule of checkpoints within an epoch, by steps or by the clock."""

import sys
import time
from collections.abc import Callable


class CheckpointSchedule:
    """When a checkpoint within an epoch is due.

    Args:
        every_steps: steps between two checkpoints; none for no checkpoints by steps.
        every_minutes: minutes after the last checkpoint; none for no checkpoints by time.
        clock: returns the time in seconds.
    """

    def __init__(
        self, every_steps: int | None, every_minutes: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._every_steps = every_steps
        self._every_minutes = every_minutes
        self._last = clock()

    def saved(self) -> None:
        """Records that the state was saved just now."""
        self._last = self._clock()

    def steps_left(self, step: int) -> int:
        """Returns how many steps may be done before the next question whether a checkpoint is due."""
        return sys.maxsize if self._every_steps is None else self._every_steps - step % self._every_steps

    def is_due_at(self, step: int) -> bool:
        """Whether a checkpoint is due after the step, by the number of steps."""
        return self._every_steps is not None and step % self._every_steps == 0

    @property
    def is_due_by_clock(self) -> bool:
        """Whether a checkpoint is due by the clock."""
        return self._every_minutes is not None and self._clock() - self._last >= 60 * self._every_minutes
