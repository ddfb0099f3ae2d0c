"""Tells the trackers of a run what happens: one that fails later on does not take the run with it."""

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
        experiment: whose `trackers` are told.
        run: the run's folder.
        reporter: what says which of them failed.
        tells: whether it is this process that tells them.
    """

    def __init__(self, experiment: Experiment, run: Run, reporter: Reporter, tells: bool = True) -> None:
        self._trackers = experiment.trackers if tells else ()
        self._experiment, self._run, self._reporter = experiment, run, reporter
        self._started: dict[str, TrackedRun] = {}

    def start(self) -> None:
        """Begins with all of them.

        Raises:
            UserError: if one of them cannot begin.
        """
        for block in self._trackers:
            name = block.registered_name
            try:
                self._started[name] = block.start(self._run.path, to_plain(self._experiment))
            except Exception as error:
                raise UserError(f"trackers: {name} cannot begin: {_words(error)}") from None

    def epoch(self, row: dict[str, Any], model: Any) -> None:
        """Tells them of an epoch's row, and of the network as it is after it."""
        self._tell(lambda tracked: tracked.epoch(row, model))

    def end(self, summary: dict[str, Any]) -> None:
        """Tells them how the run ended."""
        self._tell(lambda tracked: tracked.end(summary))

    def _tell(self, what: Callable[[TrackedRun], None]) -> None:
        for name, started in list(self._started.items()):
            try:
                what(started)
            except Exception as error:
                del self._started[name]
                self._reporter.warn(f"trackers: {name} failed, the run goes on without it: {_words(error)}")


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
