"""fit and evaluate: the whole story of a run, top to bottom."""

import dataclasses
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dltrain import plugins
from dltrain.cluster import Cluster
from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.config.origins import origins
from dltrain.data import DataSpec, Split, Splits
from dltrain.errors import CheckpointError, DataError, DltrainError, Interrupted, Pruned, TrainingError
from dltrain.lazy import keras, tf
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.runs.lock import owning
from dltrain.runs.settings import origins_of
from dltrain.training import checkpoints, environment, lineage, memory
from dltrain.training.device import Devices
from dltrain.training.feeds import evaluation_feed
from dltrain.training.learner import Learner
from dltrain.training.loop import Loop
from dltrain.training.progress import Reporter, words_for
from dltrain.training.reporting import report_at_end
from dltrain.training.setup import PARTS, as_before, begin, compare, enough_memory, restored
from dltrain.training.signals import StopRequest
from dltrain.training.starting import resolved
from dltrain.training.state import State, digest
from dltrain.training.workers import SharedStop, Workers


def fit(
    config: Config,
    reporter: Reporter,
    root: Path,
    resumed: Run | None = None,
    profile: bool = False,
    changes: dict[str, tuple[Any, Any]] | None = None,
    force: bool = False,
    gives_up: Callable[[dict[str, Any]], str | None] | None = None,
    cluster: Cluster | None = None,
) -> dict[str, Any]:
    """Trains what the config describes.

    Args:
        config: what to do.
        reporter: what says how it goes.
        root: the folder in which a new run gets its own.
        resumed: the run to go on with, none for a new one.
        profile: record some steps, for TensorBoard.
        changes: what differs from the config that the run had, before and after.
        force: go on with data of other statistics too.
        gives_up: the run is a search's: its test part is not looked at, and this is told of each epoch's row, and
            returns why the run is given up there, or nothing.
        cluster: the workers that train it together; none for this process alone. Only their chief has a run to go on
            with, and a run's folder in the end.

    Returns:
        the run's summary, and its folder as "run": none for a worker that is not the chief.

    Raises:
        UserError: something the user can mend; nothing was written.
        TrainingError, Interrupted, Pruned: the run stopped early; its summary says so.
    """
    began = time.monotonic()
    if resumed is None:
        config = resolved(config, root)
    with ExitStack() as held:
        workers = held.enter_context(Workers.of(cluster, config, profile))
        saved = None
        if resumed is not None:
            folder.refuse_links(resumed)
            held.enter_context(owning(resumed))
            _say_changed_code(resumed, reporter)
            saved, troubles = checkpoints.latest(resumed)
            for trouble in troubles:
                reporter.warn(trouble)
            workers.bring(resumed, changes or {})
        devices, splits = begin(config, reporter, trains=True, workers=workers)
        if not workers.is_chief:
            root, resumed = workers.scratch, workers.received
            saved = None if resumed is None else checkpoints.latest(resumed)[0]
        if saved is not None:
            splits = as_before(splits, saved, force)
            compare(config, splits, saved, reporter)
        with enough_memory(config):
            config = memory.with_batch_size(config, splits, devices, reporter)
        with enough_memory(config):
            stage = 0 if saved is None else State.of(saved).stage
            learner = Learner(config, splits, devices, reporter, anew=saved is None, stage=stage)
            if saved is not None:
                learner.restore(saved)
            memory.warn(learner)
            if workers.count > 1:
                values = learner.variables.values()
                workers.require_same("weights", [digest(np.array(variable)) for variable in values])
        if resumed is None:
            run = folder.create(root, str(config.experiment.name))
            held.enter_context(owning(run))
        else:
            run = resumed
        before = run.read_summary()
        run.read_metrics()  # a table that cannot be gone on with is refused before anything is written
        reporter.log_to(run.log)
        if learner.is_finished and before.get("status") == "finished":
            reporter.say(f"{run.path} is finished: nothing left to do; for more, say so: {_more(learner)}")
            return {"run": str(run.path) if workers.is_chief else None, **before}
        reporter.say(f"run: {run.path}" + (f", going on after step {learner.state.step}" if resumed else ""))

        loop = Loop(learner, run, began, profile, gives_up)

        def prepare() -> None:
            if saved is not None:
                _go_on(loop, run, saved, workers.changes)

        parts = ("validation", "test") if gives_up is None else ("validation",)
        summary = _trained(config, loop, run, prepare, parts)
        return {"run": str(run.path) if workers.is_chief else None, **summary}


def _say_changed_code(run: Run, reporter: Reporter) -> None:
    """Warns where a plugin is no longer the file that the run began with."""
    for file, content in plugins.loaded.items():
        kept = run.plugins / file.name
        if kept.is_file() and kept.read_bytes() != content:
            reporter.warn(f"{file} has changed since the run began with {kept}: what follows goes by what it is now")


def _go_on(loop: Loop, run: Run, saved: checkpoints.Saved, changes: dict[str, tuple[Any, Any]]) -> None:
    """Puts the folder where the checkpoint is, and notes what was changed."""
    folder.tidy(run)
    learner = loop.learner
    if not checkpoints.settle(run, saved):
        learner.state.best = None
        learner.reporter.warn("the best weights are lost: what is best is looked for from here on")
    for key, (old, new) in changes.items():
        learner.reporter.note(f"changed  {key}: {old} -> {new}")
    if changes:
        loop.note_changes(saved, {key: [old, new] for key, (old, new) in changes.items()})


def _trained(config: Config, loop: Loop, run: Run, prepare: Callable[[], None], parts: Sequence[str]) -> dict[str, Any]:
    """Prepares the folder, trains, measures and exports; returns the summary, which is written whatever happens."""
    learner = loop.learner
    reporter = learner.reporter
    reporter.say(_overview(learner))

    def ended(status: str, words: str) -> None:
        folder.write_json(run.summary, _summary(loop, status, error=words))
        reporter.say(words)

    def too_late() -> None:
        is_saved = loop.save_copy()
        words = f"stopped after step {learner.state.step}, " + (
            f"go on with: dltrain fit --resume {run.path}" if is_saved else "before there was anything to save"
        )
        ended("interrupted", words)

    workers = learner.devices.workers
    workers.too_late = partial(ended, "failed")
    try:
        prepare()
        _write_config(config, run)
        told = {"origins": _origins(config, run), lineage.KEY: lineage.built_on(config.experiment, run, reporter)}
        folder.write_json(run.environment, environment.describe(learner.devices) | told)
        for file, content in plugins.loaded.items():
            run.plugins.mkdir(exist_ok=True)
            with folder.replacing(run.plugins / file.name) as aside:
                aside.write_bytes(content)
        folder.write_json(run.summary, _summary(loop, "running"))
        with enough_memory(config), StopRequest(too_late) as asked:
            stop = workers.heed(asked, lambda: reporter.shows_steps)
            loop.tracking.start()
            loop.run(stop)
            measured = _measure_best(learner, run, stop, parts)
            plain = _export(config, learner, run)
        summary = _summary(loop, "finished", measured)
        folder.write_json(run.summary, summary)
    except BaseException as error:
        failed = _translated(workers.translated(error), run)
        is_cut, is_pruned = isinstance(failed, Interrupted | KeyboardInterrupt), isinstance(failed, Pruned)
        status = "interrupted" if is_cut else "pruned" if is_pruned else "failed"
        words = str(failed) or type(failed).__name__
        with suppress(OSError, TrainingError):  # on a full disk the message on the terminal is what remains
            reporter.note(words)
            summary = _summary(loop, status, error=words)
            folder.write_json(run.summary, summary)
            loop.tracking.end(summary)
        if failed is error:
            raise
        raise failed from None
    if config.experiment.report and workers.is_chief:
        # Reading the weights that several workers share takes all of them.
        report_at_end(config, learner, run, learner.measured.model if workers.count == 1 else plain)
    loop.tracking.end(summary)
    return summary


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
    _say_changed_code(run, reporter)
    saved = chosen(run, checkpoint, reporter)
    spec = State.of(saved).spec
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


def part_of(run: Run, splits: Splits, name: str) -> Split:
    """Returns a part of a run's data.

    Raises:
        DataError: if there is none of this name.
    """
    part = getattr(splits, name)
    if part is None:
        parts = [each for each in PARTS if getattr(splits, each)]
        raise DataError(f"{run.path}: its dataset has no {name} part; choose one: --split {' or '.join(parts)}")
    return part


def _undivided(run: Run, overrides: Sequence[str]) -> list[str]:
    """Returns the overrides with which nothing is split off of other data, where it was not said otherwise."""
    dataset = experiments.load(run.config, [*overrides], reads_data=False).experiment.dataset
    keys = dataset.fractions().values()
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


def chosen(run: Run, checkpoint: str, reporter: Reporter) -> checkpoints.Saved:
    """Reads a checkpoint; in place of a damaged `last`, with a word, the one before it."""
    if checkpoint == "last":
        saved, troubles = checkpoints.latest(run)
        for trouble in troubles:
            reporter.warn(f"{trouble}; measured instead: {saved.path}")
        return saved
    try:
        return checkpoints.load(run, checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"{error}\n`--checkpoint last` measures the newest state that can be read") from None


def rehearse(config: Config, reporter: Reporter, root: Path = folder.DEFAULT_ROOT) -> dict[str, Any]:
    """Does all that a run does, once, in a folder that goes away: a batch, an evaluation, a save and a load.

    Args:
        config: what to do.
        reporter: what says how it goes.
        root: the folder in which other runs are looked for.

    Returns:
        {"device", "parameters", "steps_per_epoch", "loss", "evaluation", "checkpoint_bytes", "peak_memory_bytes"}

    Raises:
        UserError: something the user can mend.
        TrainingError: the loss is not finite, or memory runs out.
    """
    config = resolved(config, root)
    devices, splits = begin(config, reporter, trains=True)
    with enough_memory(config):
        config = memory.with_batch_size(config, splits, devices, reporter)
    with enough_memory(config):
        learner = Learner(config, splits, devices, reporter, anew=True)
        memory.warn(learner)
        _, finite = learner.engine.train(learner.training_feed(), 0, 1)
        loss = learner.engine.metrics()["loss"]
        if not finite:
            raise TrainingError(f"the loss of the first batch is not finite: {loss}")
        size = config.experiment.train.examples_per_batch
        part = learner.splits.validation or learner.splits.train
        metrics = learner.measured.evaluate(evaluation_feed(part.first(size), size, devices))
    with tempfile.TemporaryDirectory() as temporary:
        run = folder.create(Path(temporary), "dry-run")
        checkpoints.save(run, learner.variables, dataclasses.asdict(learner.state), is_best=True, keep=2)
        learner.restore(checkpoints.load(run, "last"))
        _export(config, learner, run)
        checkpoint_bytes = (run.checkpoints / "last.npz").stat().st_size
    return {
        "device": devices.label,
        "parameters": learner.parameters,
        "steps_per_epoch": learner.plan.steps_per_epoch,
        "loss": loss,
        "evaluation": metrics,
        "checkpoint_bytes": checkpoint_bytes,
        "peak_memory_bytes": _peak_memory(devices),
    }


def _more(learner: Learner) -> str:
    """Returns what to type so that a finished run goes on."""
    if learner.state.halted_by is not None:
        return "callbacks=[] --force, a callback stopped it"
    if learner.state.step < learner.plan.total_steps:
        return "early_stopping.patience=N or early_stopping=none"
    return "train.epochs=N" if learner.experiment.train.steps is None else "train.steps=N"


def _write_config(config: Config, run: Run) -> None:
    """Writes config.yaml with every default filled in, and reads it again as proof that it repeats the run."""
    folder.write_text(run.config, experiments.dump(config.experiment))
    if experiments.load(run.config).experiment != config.experiment:
        raise RuntimeError(f"{run.config} does not read back as the experiment that was written")


def _origins(config: Config, run: Run) -> dict[str, str]:
    """Returns where the config's values came from; of a run that goes on, what its folder knew, and the arguments."""
    found, before = origins(config), origins_of(run)
    return {**before, **{key: words for key, words in found.items() if not before or words.startswith("argument ")}}


def _measure_best(learner: Learner, run: Run, stop: StopRequest | SharedStop, parts: Sequence[str]) -> dict[str, Any]:
    """Puts the best weights in place and measures them on some parts, mostly validation and test.

    Raises:
        Interrupted: if a signal asks to stop.
    """
    # Else they are in place: reading them would take memory for a second state. But several devices have normalisation
    # statistics of their own, of which a checkpoint holds the mean, and the best weights may be averages.
    if learner.devices.replicas > 1 or learner.engine.averages() or not checkpoints.best_is_last(run):
        checkpoints.restore_network(checkpoints.load(run, "best"), learner.engine.model)
    measured: dict[str, Any] = {}
    for name in parts:
        part = getattr(learner.splits, name)
        measured[name] = learner.measured.evaluate(learner.evaluation_feed(part), stop.__bool__) if part else None
        if stop:
            raise Interrupted(
                "stopped while the best weights are measured, all saved",
                stop.exit_code or 130,
                f"go on with: dltrain fit --resume {run.path}",
            )
        if part:
            learner.reporter.note(f"{name} ({len(part)} examples, best weights)  {words_for(measured[name])}")
    return measured


def _export(config: Config, learner: Learner, run: Run) -> Any:
    """Writes model.keras: the network with its present weights, without optimizer and loss; returns it."""
    plain = config.build_model(learner.splits.spec)
    for weight, trained in zip(plain.weights, learner.engine.model.weights, strict=True):
        weight.assign(np.array(trained))
    try:
        with folder.replacing(run.model) as aside:
            plain.save(aside)
            if plugins.loaded:  # a class of the user's may be saved in a way that nothing can read
                keras.models.load_model(aside)
    except Exception as error:
        if not plugins.loaded or isinstance(error, OSError):
            raise
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        learner.reporter.warn(
            f"{run.model}: not written, the network cannot be exported ({reason}); eval and --resume build it anew "
            "from config.yaml and checkpoint. Keras needs get_config and @keras.saving.register_keras_serializable()"
        )
    return plain


def _summary(
    loop: Loop, status: str, measured: dict[str, Any] | None = None, error: str | None = None
) -> dict[str, Any]:
    """Returns summary.json: the same keys whatever has happened so far."""
    learner, state = loop.learner, loop.learner.state
    return {
        "status": status,
        "epochs": state.epoch,
        "steps": state.step,
        "seconds": round(state.seconds, 3),
        "parameters": learner.parameters,
        "examples_per_second": loop.speed.examples_per_second,
        "device": learner.devices.label,
        "precision": learner.experiment.train.precision,
        "best": None if state.best is None else {key: state.best[key] for key in ("monitor", "value", "epoch")},
        "restores": state.restores,
        "data": state.fingerprint,
        "skipped_examples": len(learner.splits.skipped),
        "changes": state.changes,
        "validation": None,
        "test": None,
        **(measured or {}),
        "error": error,
    }


def _peak_memory(devices: Devices) -> int:
    """Returns the most memory that was in use so far, in bytes: of the first GPU, or of this process on a CPU."""
    if not devices.is_cpu:
        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes everywhere but on macOS


def _translated(error: BaseException, run: Run) -> BaseException:
    """Returns what the user should read in place of the system's words, where there is such a thing."""
    if isinstance(error, Exception) and not isinstance(error, DltrainError) and (words := plugins.fault(error)):
        return TrainingError(words)
    is_gone = not (run.config.is_file() and run.checkpoints.is_dir())
    if isinstance(error, OSError | TrainingError) and is_gone:
        return TrainingError(f"{run.path}: was deleted or moved while the run was writing to it; nothing is left of it")
    if isinstance(error, OSError):
        place = error.filename or run.path
        return TrainingError(f"{place}: cannot be written: {error.strerror or error}; the last checkpoint stands")
    return error


def _overview(learner: Learner) -> str:
    """Returns what will be trained on what, in one line."""
    splits, experiment = learner.splits, learner.experiment
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in splits.parts.items())
    return (
        f"{experiment.dataset.registered_name}: {sizes} examples; "
        f"{experiment.model.registered_name}: {learner.parameters:,} weights; "
        f"{learner.plan.steps_per_epoch} steps per epoch"
    )
