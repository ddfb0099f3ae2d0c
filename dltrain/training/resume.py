"""Going on with a run under a config that may have changed: what is safe, what needs a word, what cannot be."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dltrain.assembly.pretrained import resolved
from dltrain.config import experiment as experiments
from dltrain.config.changes import sort
from dltrain.config.experiment import Config
from dltrain.errors import ConfigError
from dltrain.runs.folder import Run

Changes = dict[str, tuple[Any, Any]]
"""Values that differ, before and after, by key path."""


@dataclass(frozen=True)
class Resume:
    """What a fit begins with where it does not begin anew.

    Args:
        run: the run that is resumed; none for a new one, and for a worker that gets it from the chief.
        changes: what differs from the config that the run had.
        force: resume with data of other statistics too.
    """

    run: Run | None = None
    changes: Changes = field(default_factory=dict)
    force: bool = False


def continued(
    run: Run,
    before: Config,
    after: Config,
    root: Path,
    say: Callable[[str], None],
    force: bool = False,
    sizes_anew: bool = False,
) -> tuple[Config, Changes]:
    """Returns the config with which a run goes on, and what differs from the one that it had.

    Args:
        run: the run.
        before: the config that it had.
        after: what it is to go on with.
        root: the folder that runs lie in.
        say: what tells the user of changes.
        force: make it another experiment from here on.
        sizes_anew: `train.batch_size=auto` in its arguments chooses again.

    Raises:
        ConfigError: if a change would make it another experiment.
    """
    overrides = after.text.overrides
    with before.blame("train"):
        before.experiment.train.examples_per_batch  # noqa: B018  (a number in a run's config, or a ValueError)
    after = experiments.renamed(after, before.experiment.name)
    if any(word.startswith("model.weights=") for word in overrides):
        raise ConfigError([f"{run.path}: model.weights is where a run begins: it cannot be said when one goes on"])
    after = resolved(experiments.with_beginning_of(after, before), root, anew=False)
    if after.experiment.train.batch_size == "auto":
        anew = sizes_anew and any(word.startswith("train.batch_size=") for word in overrides)
        after = experiments.with_batch_of(after, before, anew)
    changes = sort(before.experiment, after.experiment)
    for key, (old, new) in changes.all.items():
        say(f"changed  {key}: {_short(old)} -> {_short(new)}")
    if changes.refused:
        raise ConfigError(
            [f"{run.path}: {', '.join(changes.refused)} cannot change when a run goes on: the checkpoint would not "
             "fit; start a new one: dltrain fit CONFIG"]
        )  # fmt: skip
    if changes.forced and not force:
        raise ConfigError(
            [f"{run.path}: {', '.join(changes.forced)} would make it another experiment from here on; add --force to "
             "go on all the same, or start a new one: dltrain fit CONFIG"]
        )  # fmt: skip
    if changes.lengthens:
        say("the learning-rate schedule is planned anew for the new length")
    return after, changes.all


def _short(value: Any) -> str:
    return str(value) if len(str(value)) <= 60 else f"{str(value)[:60]}..."
