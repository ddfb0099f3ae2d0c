"""Early stopping: when the monitored value no longer improves; its state is part of every checkpoint."""

import math
from typing import Any

from dltrain.checkpoints.training_state import PatienceState


class Patience:
    """Counts the epochs in which the monitored value has not improved.

    Args:
        patience: epochs without improvement after which the run stops.
        min_delta: a smaller change is no improvement.
        monitor: the column that is watched.
        larger_is_better: whether more is better.
        state: the state from a checkpoint; none at the start.
    """

    def __init__(
        self,
        patience: int,
        min_delta: float,
        monitor: str,
        larger_is_better: bool,
        state: PatienceState | None = None,
    ) -> None:
        self._patience = patience
        self._min_delta = min_delta
        self._monitor = monitor
        self._sign = 1.0 if larger_is_better else -1.0
        start: PatienceState = {"monitor": monitor, "best": None, "wait": 0}
        self.state: PatienceState = state if state is not None and state["monitor"] == monitor else start

    def update(self, row: dict[str, Any]) -> None:
        """Takes in an epoch's row; NaN is never an improvement, not even in the first epoch."""
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
