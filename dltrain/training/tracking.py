"""Reports the run to its trackers; a tracker that fails during training does not end the run."""

from collections.abc import Callable
from typing import Any

from dltrain.config.experiment import Experiment, to_plain
from dltrain.console import Reporter
from dltrain.errors import UserError
from dltrain.runs.folder import Run
from dltrain.trackers import TrackedRun


class Tracking:
    """The trackers of a run.

    Args:
        experiment: the experiment with its `trackers`.
        run: the run's folder.
        reporter: for warnings about trackers that fail.
        is_active: whether this process is the one that reports.
    """

    def __init__(self, experiment: Experiment, run: Run, reporter: Reporter, is_active: bool = True) -> None:
        self._trackers = experiment.trackers if is_active else ()
        self._experiment, self._run, self._reporter = experiment, run, reporter
        self._started: dict[str, TrackedRun] = {}

    def start(self) -> None:
        """Starts all trackers.

        Raises:
            UserError: if a tracker cannot start.
        """
        for block in self._trackers:
            name = block.registered_name
            try:
                self._started[name] = block.start(self._run.path, to_plain(self._experiment))
            except Exception as error:
                raise UserError(f"trackers: {name} cannot start: {_words(error)}") from None

    def epoch(self, row: dict[str, Any], model: Any) -> None:
        """Reports an epoch's row, and the network after that epoch."""
        self._report(lambda tracked: tracked.epoch(row, model))

    def end(self, summary: dict[str, Any]) -> None:
        """Reports how the run ended."""
        self._report(lambda tracked: tracked.end(summary))

    def _report(self, what: Callable[[TrackedRun], None]) -> None:
        for name, started in list(self._started.items()):
            try:
                what(started)
            except Exception as error:
                del self._started[name]
                self._reporter.warn(f"trackers: {name} failed, the run continues without it: {_words(error)}")


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
