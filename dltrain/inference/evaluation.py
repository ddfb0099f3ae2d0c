"""Evaluating a run's network on a part of its data, or on other data of the same kind."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dltrain.assembly.batches import evaluation_feed
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.inference.evidence import baseline_metrics
from dltrain.inference.part_metrics import evaluated, words
from dltrain.inference.trained_run import TrainedRun
from dltrain.runs.folder import Run


def evaluate(
    run: Run, split: str | None, checkpoint: str, reporter: Reporter, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Measures a run's network on one part of its data, or on other data of the same kind.

    What was learnt of the training data (fillings, categories, classes, means) is taken from the checkpoint.

    Args:
        run: a run with a checkpoint.
        split: "train", "validation" or "test"; none for the test part, or where the dataset is overridden and has no
            test part of its own, for all of it.
        checkpoint: "best" or "last".
        reporter: what says how it goes.
        overrides: `key.path=value` arguments, such as dataset.path=other.csv.

    Returns:
        {"run", "checkpoint", "split", "examples", "metrics": {name: value}}; the split may be "all". Where metrics are
        undefined for these data, they are none, and "undefined" says why, by name; "baselines" has the metrics of those
        who know less, by name, where the task compares.

    Raises:
        UserError: if config, data or checkpoint cannot be used.
        TrainingError: if memory runs out.
    """
    config = experiments.load(run.config, [*overrides], reads_data=False)
    is_other = any(override.startswith("dataset.") for override in overrides)
    if is_other and split is None:
        config = config.with_overrides(*_undivided(config))
    trained = TrainedRun.of(run, config, checkpoint, reporter, is_asked=True)
    devices, splits = trained.begin()
    is_whole = is_other and split is None and not splits.validation and not splits.test
    name = "train" if is_whole else split or "test"
    part = trained.part(splits, name)
    trained.require_same_kind(splits, is_other)
    if not is_other:
        trained.compare(splits, [name])
    with enough_memory(trained.config):
        feed = evaluation_feed(trained.config.experiment, trained.spec, part, devices)
        task = trained.config.experiment.task
        metrics = evaluated(trained.network(devices), task, trained.spec, name, part, feed)
        undefined = task.undefined(trained.spec, part)
        compares = task.compares and name != "train"
        baselines = baseline_metrics(config.experiment, replace(splits, spec=trained.spec), name) if compares else {}
    measured = "all" if is_whole else name
    for sentence in words("whole" if is_whole else name, undefined):
        reporter.warn(sentence)
    found = {"run": run.name, "checkpoint": checkpoint, "split": measured, "examples": len(part), "metrics": metrics}
    return found | ({"undefined": undefined} if undefined else {}) | ({"baselines": baselines} if baselines else {})


def _undivided(config: Config) -> list[str]:
    """Returns the overrides with which nothing is split off of other data, where it was not said otherwise."""
    keys, overrides = config.experiment.dataset.fractions().values(), config.text.overrides
    return [f"dataset.{key}=0" for key in keys if not any(word.startswith(f"dataset.{key}=") for word in overrides)]
