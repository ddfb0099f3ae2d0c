"""A dry run: every step of a run, once, in a temporary folder."""

import dataclasses
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

from dltrain.assembly.data import start_and_load
from dltrain.assembly.opening import Opening
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.assembly.pretrained import resolved
from dltrain.checkpoints import store
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.engine.device import Devices
from dltrain.errors import TrainingError
from dltrain.lazy import tf
from dltrain.runs import folder
from dltrain.training import memory
from dltrain.training.batch_size import with_batch_size
from dltrain.training.learner import Learner
from dltrain.training.model_file import write_model


def rehearse(config: Config, reporter: Reporter, root: Path = folder.DEFAULT_ROOT) -> dict[str, Any]:
    """Rehearses a run in a temporary folder: one batch, one evaluation, one save and one load.

    Args:
        config: the experiment.
        reporter: for messages and progress.
        root: the folder of runs, in which runs that the config names are found.

    Returns:
        {"device", "parameters", "steps_per_epoch", "loss", "evaluation", "checkpoint_bytes", "peak_memory_bytes",
        "unopened_examples"}: the last are those that there was no time to open

    Raises:
        UserError: something the user can fix.
        TrainingError: the loss is not finite, or memory runs out.
    """
    config = resolved(config, root)
    devices, splits = start_and_load(config, reporter, trains=True)
    with Opening(splits, reporter) as opening:
        unopened = opening.wait()
    with enough_memory(config):
        config = with_batch_size(config, splits, devices, reporter)
    with enough_memory(config):
        learner = Learner(config, splits, devices, reporter, fresh=True)
        memory.warn(learner)
        _, finite = learner.network.engine.train(learner.training_feed(), 0, 1)
        loss = learner.network.engine.metrics()["loss"]
        if not finite:
            raise TrainingError(f"the loss of the first batch is not finite: {loss}")
        size = config.experiment.train.examples_per_batch
        part = learner.splits.validation or learner.splits.train
        metrics = learner.network.measured.evaluate(learner.evaluation_feed(part.first(size)))
    with tempfile.TemporaryDirectory() as temporary:
        run = folder.create(Path(temporary), "dry-run")
        store.save(run, learner.network.variables, dataclasses.asdict(learner.state), is_best=True, keep=2)
        learner.restore(store.load(run, "last"))
        write_model(config, learner, run)
        checkpoint_bytes = (run.checkpoints / "last.npz").stat().st_size
    return {
        "device": devices.label,
        "parameters": learner.network.parameters,
        "steps_per_epoch": learner.plan.steps_per_epoch,
        "loss": loss,
        "evaluation": metrics,
        "checkpoint_bytes": checkpoint_bytes,
        "peak_memory_bytes": _peak_memory(devices),
        "unopened_examples": unopened,
    }


def _peak_memory(devices: Devices) -> int:
    """Returns the most memory that was in use so far, in bytes: of the first GPU, or of this process on a CPU."""
    if not devices.is_cpu:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes everywhere but on macOS
