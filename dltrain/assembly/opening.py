"""Examples that are opened once before they are needed: one that is broken must not end a run after hours."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from dltrain.console import Reporter
from dltrain.data import Examples, Splits, trees
from dltrain.errors import DataError

SHORT = 10.0
"""Seconds that opening all examples may take before the first step; otherwise training does not wait for it."""
FIRST = 1.0
"""Seconds after which is estimated how long it takes."""


class Opening:
    """Opens the examples of all parts once, in a thread, until all are opened or the block ends.

    Args:
        splits: the parts, of which the smaller ones, which are needed last, come first.
        reporter: for messages.
    """

    def __init__(self, splits: Splits, reporter: Reporter) -> None:
        parts = [part for part in (splits.test, splits.validation, splits.train) if part is not None]
        arrays = [array for part in parts for tree in (part.inputs, part.targets) for array in trees.leaves(tree)]
        self._arrays = [array for array in arrays if isinstance(array, Examples)]
        self._total = sum(map(len, self._arrays))
        self._reporter = reporter
        self._count, self._ends, self._waits = 0, False, True
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._open, name="open", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends = True
        self._thread.join()

    def wait(self) -> int:
        """Waits for all to be opened where that takes seconds; otherwise they go on to be opened.

        Returns:
            how many examples are not opened yet.

        Raises:
            DataError: with all that are known to be unusable.
        """
        began = time.monotonic()
        self._thread.join(FIRST)
        if self._thread.is_alive() and self._count:
            seconds = FIRST * self._total / self._count
            if seconds <= SHORT:
                self._reporter.say(f"opening all {self._total:,} examples once: about {seconds:.0f} s")
                self._thread.join(began + 2 * SHORT - time.monotonic())
        self._waits = False
        if self._problem is not None:
            raise self._problem
        if not self._thread.is_alive():
            return 0
        left = self._total - self._count
        self._reporter.say(f"{left:,} of {self._total:,} examples are opened while training, to find broken ones")
        return left

    def _open(self) -> None:
        try:
            before = 0
            for array in self._arrays:
                for count in array.opened():
                    self._count = before + count
                    if self._ends:
                        return
                before += len(array)
        except DataError as error:
            self._problem = error
            if not self._waits:
                self._reporter.warn(f"the run will end where it needs these examples:\n{error}")
        except BaseException as error:  # raised where it is waited for, or by what reads the example itself
            self._problem = error
