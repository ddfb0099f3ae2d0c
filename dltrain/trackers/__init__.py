"""Trackers, which record a run in other tools: one per file, registered under the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from dltrain.registry import Choice


class TrackedRun(Protocol):
    """A run in a tracker's tool, which receives rows during training."""

    def epoch(self, row: dict[str, Any], model: Any) -> None:
        """Records a row of metrics.csv, and the network after that epoch."""

    def end(self, summary: dict[str, Any]) -> None:
        """Records the content of summary.json, once, at the end."""


class Tracker(Choice):
    """The contract of every tracker: it starts with a run and records it."""

    def check_installed(self) -> None:
        """Checks that its package is installed; by default it needs none.

        Raises:
            KeyProblem: if it is not, with the command that installs it.
        """

    def start(self, run: Path, config: dict[str, Any]) -> TrackedRun:
        """Starts recording a run, or continues with one that was started before.

        Args:
            run: the run's folder.
            config: the experiment as plain values.
        """
        raise NotImplementedError
