"""What else keeps a run: one tracker per file, registered under the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from dltrain.registry import Choice


class TrackedRun(Protocol):
    """What is told of a run while it goes on."""

    def epoch(self, row: dict[str, Any], model: Any) -> None:
        """Takes a row of metrics.csv, and the network as it is after that epoch."""

    def end(self, summary: dict[str, Any]) -> None:
        """Takes what summary.json holds, once, at the end."""


class Tracker(Choice):
    """What every tracker is: it begins with a run, and is told of it."""

    def require(self) -> None:
        """Makes sure that its package is installed; by default it needs none.

        Raises:
            KeyProblem: if it is not, with what to install.
        """

    def start(self, run: Path, config: dict[str, Any]) -> TrackedRun:
        """Returns what is told of the run; one that was begun before goes on.

        Args:
            run: the run's folder.
            config: the experiment as plain values.
        """
        raise NotImplementedError
