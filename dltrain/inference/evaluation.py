"""What a run's network is worth on a part of its data, or on other data of the same kind."""

from collections.abc import Sequence
from typing import Any

from dltrain.assembly.batches import evaluation_feed
from dltrain.assembly.data import begin, compare
from dltrain.assembly.network import restored
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.data import DataSpec
from dltrain.errors import DataError
from dltrain.inference.trained_run import chosen, part_of, warn_of_changed_code
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
        {"run", "checkpoint", "split", "examples", "metrics": {name: value}}; the split may be "all".

    Raises:
        UserError: if config, data or checkpoint cannot be used.
        TrainingError: if memory runs out.
    """
    is_other = any(override.startswith("dataset.") for override in overrides)
    if is_other and split is None:
        overrides = [*_undivided(run, overrides), *overrides]
    config = experiments.load(run.config, [*overrides], reads_data=False)
    with config.blame("train"):
        config.experiment.train.examples_per_batch  # noqa: B018  (a number in a run's config, or a ValueError)
    warn_of_changed_code(run, reporter)
    saved = chosen(run, checkpoint, reporter)
    spec = TrainingState.of(saved).spec
    devices, splits = begin(config, reporter, like=spec)
    is_whole = is_other and split is None and not splits.validation and not splits.test
    name = "train" if is_whole else split or "test"
    part = part_of(run, splits, name)
    if splits.spec.shapes != spec.shapes:
        raise DataError(_mismatch(run, splits.spec, spec, is_other))
    if not is_other:
        compare(config, splits, saved, reporter, [name])
    with enough_memory(config):
        feed = evaluation_feed(part, config.experiment.train.examples_per_batch, devices)
        metrics = restored(config, saved, devices).evaluate(feed)
    measured = "all" if is_whole else name
    return {"run": run.name, "checkpoint": checkpoint, "split": measured, "examples": len(part), "metrics": metrics}


def _undivided(run: Run, overrides: Sequence[str]) -> list[str]:
    """Returns the overrides with which nothing is split off of other data, where it was not said otherwise."""
    dataset = experiments.load(run.config, [*overrides], reads_data=False).experiment.dataset
    keys = [key for key in ("test_fraction", "validation_fraction") if hasattr(dataset, key)]
    return [f"dataset.{key}=0" for key in keys if not any(word.startswith(f"dataset.{key}=") for word in overrides)]


def _mismatch(run: Run, found: DataSpec, trained: DataSpec, is_other: bool) -> str:
    """Returns in which way data are not such as a network was trained on."""
    whose = "the other data do not fit" if is_other else "its data have changed"
    if found.input_shape != trained.input_shape:
        got, wanted = ("x".join(map(str, spec.input_shape)) for spec in (found, trained))
        return f"{run.path}: {whose}: it takes examples of {wanted}, got {got}"
    if found.class_names != trained.class_names:
        strange = [name for name in found.class_names if name not in trained.class_names]
        words = f"{strange[0]!r} is none of its classes" if strange else "they have fewer or otherwise ordered classes"
        return f"{run.path}: {whose}: {words} ({', '.join(trained.class_names[:10])})"
    return f"{run.path}: {whose}: other columns or targets than it was trained on"
