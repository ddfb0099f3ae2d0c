"""The speed of steps, and how many of them one call of the compiled loop should do."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CALL_SECONDS = 0.5
"""How long a call should last: Python sees Ctrl-C, and the terminal its progress, only between two calls."""


class Speed:
    """Measures calls of the compiled loop, except for the first, which compiles.

    Args:
        batch_size: examples per step.
        agree: maps the seconds that a call took in this process to those that all workers use.
    """

    def __init__(self, batch_size: int, agree: Callable[[float], float] = float) -> None:
        self._agree = agree
        self._batch_size = batch_size
        self._calls = 0
        self._steps = 0
        self._seconds = 0.0
        self._began = 0.0
        self._beside = 0.0
        self._beside_of_epoch: float | None = None
        self.next_count = 1
        self.last_seconds = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        self.last_seconds = seconds = self._agree(time.perf_counter() - self._began)
        self._calls += 1
        if self._calls == 1:
            return
        self._steps += self._done
        self._seconds += seconds
        fitting = int(CALL_SECONDS / max(seconds / self._done, 1e-9))
        self.next_count = max(1, min(fitting, 2 * self.next_count))

    def doing(self, count: int) -> "Speed":
        """Returns the context in which a call of `count` steps is measured."""
        self._done = count
        return self

    @property
    def has_begun(self) -> bool:
        """Whether a call was made, so that the next one need not compile."""
        return self._calls > 0

    @property
    def examples_per_second(self) -> float | None:
        """Examples per second over all measured calls, none before the second."""
        return self._steps * self._batch_size / self._seconds if self._seconds else None

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Measures what an epoch takes beside its steps: validation, checkpoints, callbacks."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._beside += time.perf_counter() - began

    def end_epoch(self) -> None:
        """Takes what this epoch took beside its steps as what each further one will take."""
        self._beside_of_epoch, self._beside = self._beside, 0.0

    @property
    def knows_epochs(self) -> bool:
        """Whether an epoch has ended, so that it is known what one takes beside its steps."""
        return self._beside_of_epoch is not None

    def seconds_for(self, steps: int, epochs: int = 0) -> float | None:
        """Estimates how long that many steps will take, and the ends of epochs among them; none before the second call.

        Args:
            steps: how many steps.
            epochs: how many epochs end with or within them.
        """
        if not self._steps:
            return None
        return steps * self._seconds / self._steps + epochs * (self._beside_of_epoch or 0.0)
