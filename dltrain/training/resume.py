"""Resuming a run with a changed config: which changes are safe, need --force, or are refused."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dltrain.assembly.pretrained import resolved
from dltrain.config import experiment as experiments
from dltrain.config.changes import classify
from dltrain.config.experiment import Config
from dltrain.errors import ConfigError
from dltrain.runs.folder import Run
from dltrain.runs.selection import change_lines

Changes = dict[str, tuple[Any, Any]]
"""Values that differ, before and after, by key path."""


@dataclass(frozen=True)
class Resume:
    """The run that a fit resumes, and how.

    Args:
        run: the run to resume; none for a new one, and for a worker that receives it from the chief.
        changes: the differences from the run's own config.
        force: resume even if the statistics of the data have changed.
    """

    run: Run | None = None
    changes: Changes = field(default_factory=dict)
    force: bool = False


def resumed_config(
    run: Run,
    before: Config,
    after: Config,
    root: Path,
    say: Callable[[str], None],
    force: bool = False,
    sizes_anew: bool = False,
) -> tuple[Config, Changes]:
    """Returns the config with which a run resumes, and its differences from the run's own.

    Args:
        run: the run.
        before: the config of the run.
        after: the new config.
        root: the folder of runs.
        say: called with a message for each change.
        force: allow changes that turn the run into another experiment.
        sizes_anew: `train.batch_size=auto` in its overrides chooses again.

    Raises:
        ConfigError: if a change would make it another experiment.
    """
    overrides = after.text.overrides
    with before.blame("train"):
        before.experiment.train.examples_per_batch  # noqa: B018  (a number in a run's config, or a ValueError)
    after = experiments.renamed(after, before.experiment.name)
    if any(word.startswith("model.weights=") for word in overrides):
        raise ConfigError(
            [f"{run.path}: model.weights is read only when a run starts: leave it out when a run resumes"]
        )
    after = resolved(experiments.with_initial_weights_of(after, before), root, fresh=False)
    if after.experiment.train.batch_size == "auto":
        fresh = sizes_anew and any(word.startswith("train.batch_size=") for word in overrides)
        after = experiments.with_batch_of(after, before, fresh)
    changes = classify(before.experiment, after.experiment)
    for line in change_lines(changes.all):
        say(f"changed  {line}")
    sizes = [config.experiment.train.planned_examples_per_step for config in (before, after)]
    if sizes[0] != sizes[1]:
        raise ConfigError(
            [f"{run.path}: a step must see {sizes[0]} examples as before, got {sizes[1]}: this cannot change when a "
             "run resumes, with --force either: schedule, order and checkpoints go by steps; keep train.batch_size "
             f"* train.accumulate_steps at {sizes[0]}, or begin a new run with these weights: dltrain fit CONFIG "
             f"model.weights={run.path}"]
        )  # fmt: skip
    if changes.refused:
        raise ConfigError(
            [f"{run.path}: {', '.join(changes.refused)} cannot change when a run resumes: the checkpoint would not "
             "fit; start a new run: dltrain fit CONFIG"]
        )  # fmt: skip
    if changes.forced and not force:
        raise ConfigError(
            [f"{run.path}: {', '.join(changes.forced)} would make this another experiment; add --force to "
             "resume all the same, or start a new run: dltrain fit CONFIG"]
        )  # fmt: skip
    if changes.lengthens:
        say("the learning-rate schedule is recomputed for the new length")
    return after, changes.all
