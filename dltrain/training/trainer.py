"""fit and evaluate: the whole story of a run, top to bottom."""

import dataclasses
import resource
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.data import DataSpec
from dltrain.errors import DataError, Interrupted, TrainingError
from dltrain.lazy import tf
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.training import checkpoints, environment
from dltrain.training.device import Devices
from dltrain.training.loop import Training, evaluation_feed
from dltrain.training.progress import Reporter, words_for
from dltrain.training.setup import assemble, begin, enough_memory


def fit(
    config: Config, reporter: Reporter, root: Path, resumed: Run | None = None, profile: bool = False
) -> dict[str, Any]:
    """Trains what the config describes.

    Args:
        config: what to do.
        reporter: what says how it goes.
        root: the folder in which a new run gets its own.
        resumed: the run to go on with, none for a new one.
        profile: record some steps, for TensorBoard.

    Returns:
        the run's summary, and its folder as "run".

    Raises:
        UserError: something the user can mend; nothing was written.
        TrainingError, Interrupted: the run stopped early; its summary says so.
    """
    began = time.monotonic()
    saved = checkpoints.load(resumed, "last") if resumed else None
    devices, splits = begin(config, reporter)
    with enough_memory(config):
        training = Training(config, splits, devices, reporter)
    if saved is not None:
        _check_data(saved, training.splits.spec)
        training.restore(saved)
    run = resumed or folder.create(root, str(config.experiment.name))
    reporter.log_to(run.log)
    before = run.read_summary()
    run.read_metrics()  # a table that cannot be gone on with is refused before anything is written
    if training.is_finished and before.get("status") == "finished":
        reporter.say(f"{run.path} is finished: nothing left to do; for more, say so: {_more(training)}")
        return {"run": str(run.path), **before}
    reporter.say(f"run: {run.path}" + (f", going on after step {training.state.step}" if resumed else ""))
    reporter.say(_overview(training))
    try:
        _write_config(config, run)
        folder.write_json(run.environment, environment.describe(devices))
        folder.write_json(run.summary, _summary(training, "running"))
        with enough_memory(config):
            training.run(run, began, profile)
            measured = _measure_best(training, run)
            _export(config, training, run)
        summary = _summary(training, "finished", measured)
        folder.write_json(run.summary, summary)
    except BaseException as error:
        failed = _translated(error, run)
        status = "interrupted" if isinstance(failed, Interrupted | KeyboardInterrupt) else "failed"
        words = str(failed) or type(failed).__name__
        with suppress(OSError):  # on a full disk the message on the terminal is what remains
            reporter.note(words)
            folder.write_json(run.summary, _summary(training, status, error=words))
        if failed is error:
            raise
        raise failed from None
    return {"run": str(run.path), **summary}


def evaluate(run: Run, split: str, checkpoint: str, reporter: Reporter) -> dict[str, Any]:
    """Measures a run's network on one part of its data.

    Args:
        run: a run with a checkpoint.
        split: "train", "validation" or "test".
        checkpoint: "best" or "last".
        reporter: what says how it goes.

    Returns:
        {"run", "checkpoint", "split", "examples", "metrics": {name: value}}

    Raises:
        UserError: if config, data or checkpoint cannot be used.
        TrainingError: if memory runs out.
    """
    config = experiments.load(run.config)
    saved = checkpoints.load(run, checkpoint)
    devices, splits = begin(config, reporter)
    part = getattr(splits, split)
    if part is None:
        raise DataError(f"{run.path}: its dataset has no {split} part")
    spec = DataSpec.from_plain(saved.state["data"])
    if (splits.spec.input_shape, splits.spec.class_names) != (spec.input_shape, spec.class_names):
        raise DataError(f"{run.path}: its data have changed: other shapes or classes than it was trained on")
    with enough_memory(config):
        engine = assemble(config.experiment, spec, devices, learning_rate=0.0)
        checkpoints.restore(saved, checkpoints.named_variables(model=engine.model.variables))
        metrics = engine.evaluate(evaluation_feed(part, config.experiment.train.batch_size, devices))
    return {"run": run.name, "checkpoint": checkpoint, "split": split, "examples": len(part), "metrics": metrics}


def rehearse(config: Config, reporter: Reporter) -> dict[str, Any]:
    """Does all that a run does, once, in a folder that goes away: a batch, an evaluation, a save and a load.

    Returns:
        {"device", "parameters", "steps_per_epoch", "loss", "evaluation", "checkpoint_bytes", "peak_memory_bytes"}

    Raises:
        UserError: something the user can mend.
        TrainingError: the loss is not finite, or memory runs out.
    """
    devices, splits = begin(config, reporter)
    with enough_memory(config):
        training = Training(config, splits, devices, reporter)
        _, finite = training.engine.train(training.training_feed(), 0, 1)
        loss = training.engine.metrics()["loss"]
        if not finite:
            raise TrainingError(f"the loss of the first batch is not finite: {loss}")
        size = config.experiment.train.batch_size
        part = training.splits.validation or training.splits.train
        metrics = training.engine.evaluate(evaluation_feed(part.first(size), size, devices))
    with tempfile.TemporaryDirectory() as temporary:
        run = folder.create(Path(temporary), "dry-run")
        checkpoints.save(run, training.variables, dataclasses.asdict(training.state), is_best=True, keep=2)
        training.restore(checkpoints.load(run, "last"))
        _export(config, training, run)
        checkpoint_bytes = (run.checkpoints / "last.npz").stat().st_size
    return {
        "device": ", ".join(devices.names),
        "parameters": training.parameters,
        "steps_per_epoch": training.plan.steps_per_epoch,
        "loss": loss,
        "evaluation": metrics,
        "checkpoint_bytes": checkpoint_bytes,
        "peak_memory_bytes": _peak_memory(devices),
    }


def _more(training: Training) -> str:
    """Returns what to type so that a finished run goes on."""
    if training.state.step < training.plan.total_steps:
        return "early_stopping.patience=N or early_stopping=none"
    return "train.epochs=N" if training.experiment.train.steps is None else "train.steps=N"


def _check_data(saved: checkpoints.Saved, spec: DataSpec) -> None:
    if DataSpec.from_plain(saved.state["data"]) != spec:
        raise DataError(
            f"{saved.path}: the training data have changed since: other shapes, classes or statistics; "
            "start a new run: dltrain fit CONFIG"
        )


def _write_config(config: Config, run: Run) -> None:
    """Writes config.yaml with every default filled in, and reads it again as proof that it repeats the run."""
    folder.write_text(run.config, experiments.dump(config.experiment))
    if experiments.load(run.config).experiment != config.experiment:
        raise RuntimeError(f"{run.config} does not read back as the experiment that was written")


def _measure_best(training: Training, run: Run) -> dict[str, Any]:
    """Puts the best weights in place and measures them on validation and test."""
    model = training.engine.model
    if not checkpoints.best_is_last(run):  # else they are in place: reading them would take memory for a second state
        checkpoints.restore(checkpoints.load(run, "best"), checkpoints.named_variables(model=model.variables))
    measured: dict[str, Any] = {}
    for name in ("validation", "test"):
        part = getattr(training.splits, name)
        measured[name] = training.engine.evaluate(training.evaluation_feed(part)) if part else None
        if part:
            training.reporter.note(f"{name} ({len(part)} examples, best weights)  {words_for(measured[name])}")
    return measured


def _export(config: Config, training: Training, run: Run) -> None:
    """Writes model.keras: the network with its present weights, without optimizer and loss."""
    with training.devices.strategy.scope():
        plain = config.experiment.model.build(training.splits.spec)
    for weight, trained in zip(plain.weights, training.engine.model.weights, strict=True):
        weight.assign(trained)
    with folder.replacing(run.model) as aside:
        plain.save(aside)


def _summary(
    training: Training, status: str, measured: dict[str, Any] | None = None, error: str | None = None
) -> dict[str, Any]:
    """Returns summary.json: the same keys whatever has happened so far."""
    state = training.state
    return {
        "status": status,
        "epochs": state.epoch,
        "steps": state.step,
        "seconds": round(state.seconds, 3),
        "parameters": training.parameters,
        "examples_per_second": training.speed.examples_per_second,
        "device": ", ".join(training.devices.names),
        "precision": training.experiment.train.precision,
        "best": state.best,
        "validation": None,
        "test": None,
        **(measured or {}),
        "error": error,
    }


def _peak_memory(devices: Devices) -> int:
    """Returns the most memory that was in use so far, in bytes: of the first GPU, or of this process on a CPU."""
    if devices.names != ("cpu",):
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes everywhere but on macOS


def _translated(error: BaseException, run: Run) -> BaseException:
    """Returns what the user should read in place of the system's words, where there is such a thing."""
    if isinstance(error, OSError):
        place = error.filename or run.path
        return TrainingError(f"{place}: cannot be written: {error.strerror or error}; the last checkpoint stands")
    return error


def _overview(training: Training) -> str:
    """Returns what will be trained on what, in one line."""
    splits, experiment = training.splits, training.experiment
    parts = {"training": splits.train, "validation": splits.validation, "test": splits.test}
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in parts.items() if part)
    return (
        f"{experiment.dataset.registered_name}: {sizes} examples; "
        f"{experiment.model.registered_name}: {training.parameters:,} weights; "
        f"{training.plan.steps_per_epoch} steps per epoch"
    )
