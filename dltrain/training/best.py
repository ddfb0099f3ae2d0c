"""The best epoch so far; its state is part of every checkpoint."""

import math
from typing import Any

from dltrain.checkpoints.training_state import BestState


class Best:
    """The best epoch so far; of equal ones the later, whose weights have trained longer.

    Args:
        monitor: the column that is compared; a NaN is best only as long as there is no number.
        larger_is_better: whether more is better.
        state: the state from a checkpoint; none at the start.
        is_latest: always take the latest epoch as the best, whatever its value.
    """

    def __init__(
        self, monitor: str, larger_is_better: bool, state: BestState | None = None, is_latest: bool = False
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
