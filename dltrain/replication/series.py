"""A series of runs of one experiment: finished runs are kept, interrupted ones resumed."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.errors import Interrupted, TrainingError
from dltrain.lazy import keras
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.resume import Changes, Resume, resumed_config


@dataclass(frozen=True)
class Series:
    """A series of runs that differ in a few keys.

    Args:
        config: what all runs have in common.
        root: the folder in which the run folders are made.
        reporter: makes a new reporter for each run.
        resumes: keep the newest runs of these names that are finished, and resume the others.
        force: resume runs even if the changes turn them into another experiment.
    """

    config: Config
    root: Path
    reporter: Callable[[], Reporter]
    resumes: bool = False
    force: bool = False

    def member(self, name: str, *overrides: str) -> Config:
        """Returns the config of the run whose name ends in `name`."""
        config = self.config.with_overrides(*overrides).checked()
        return experiments.renamed(config, f"{str(config.experiment.name)[:80]}-{name}")

    def train(self, members: Sequence[Config], command: str) -> list[dict[str, Any]]:
        """Trains the runs; returns their summaries.

        Args:
            members: the config of each run.
            command: the command that trains the remaining runs.

        Raises:
            ConfigError: if an existing run is of another experiment; raised before anything is trained.
            UserError, TrainingError, Interrupted: as `fit`, with the number of remaining runs.
        """
        plans = [self._plan(member) for member in members]
        summaries: list[dict[str, Any]] = []
        for config, run, changes in plans:
            try:
                summaries.append(self._trained(config, run, changes))
            except (Interrupted, KeyboardInterrupt, TrainingError) as error:
                left = f"{len(summaries)} of {len(plans)} runs are done; for the others: {command}"
                words = f"{error}\n{left}".strip()
                if isinstance(error, TrainingError):
                    raise TrainingError(words) from None
                raise Interrupted(words, error.exit_code if isinstance(error, Interrupted) else 130) from None
        return summaries

    def _plan(self, config: Config) -> tuple[Config, Run | None, Changes]:
        """Returns a run's config, the run to resume (none for a new one), and the differences."""
        reporter = self.reporter()
        run = folder.newest(self.root, str(config.experiment.name))
        if run is None or run.saved is None:
            return config, None, {}
        if not self.resumes:
            reporter.say(f"{run.path} exists already; a new run is trained (`--resume auto` would keep it)")
            return config, None, {}
        after, changes = resumed_config(run, experiments.load(run.config), config, self.root, reporter.say, self.force)
        return after, run, changes

    def _trained(self, config: Config, run: Run | None, changes: Changes) -> dict[str, Any]:
        reporter = self.reporter()
        if run is not None and not changes:
            summary = run.read_summary()
            if summary.get("status") == "finished":
                reporter.say(f"{run.path} is finished and kept")
                return {"run": str(run.path), **summary}
        summary = trainer.fit(config, reporter, self.root, Resume(run, changes, self.force))
        keras.backend.clear_session()  # else each network stays in memory
        return summary


def spread(summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Computes mean and spread of what several runs measured.

    Returns:
        {"runs": [folder], "validation" and "test": {metric: {"mean", "standard_deviation" (of a sample), "minimum",
        "maximum", "values"}}}, none for a part that does not exist.
    """
    return {
        "runs": [summary["run"] for summary in summaries],
        **{part: _spread([summary[part] for summary in summaries]) for part in ("validation", "test")},
    }


def _spread(measured: list[dict[str, float] | None]) -> dict[str, dict[str, Any]] | None:
    if not any(measured):
        return None
    # A loss that was not finite is null in a summary: NaN, which the means then are too.
    columns = [
        {name: math.nan if value is None else value for name, value in (each or {}).items()} for each in measured
    ]
    names = dict.fromkeys(name for metrics in columns for name in metrics)
    values = {name: [metrics.get(name, math.nan) for metrics in columns] for name in names}
    return {
        name: {
            "mean": statistics.fmean(each),
            "standard_deviation": statistics.stdev(each) if all(map(math.isfinite, each)) else math.nan,
            "minimum": min(each),
            "maximum": max(each),
            "values": each,
        }
        for name, each in values.items()
    }
