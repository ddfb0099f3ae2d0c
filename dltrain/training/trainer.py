"""fit: the whole story of a run, top to bottom."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dltrain.assembly.data import as_before, compare, start_and_load
from dltrain.assembly.network import measuring
from dltrain.assembly.opening import Opening
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.assembly.pretrained import resolved
from dltrain.checkpoints import lineage, store
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.config.provenance import origins
from dltrain.console import Reporter
from dltrain.data import PARTS, DataSpec, Splits
from dltrain.digest import digest
from dltrain.distributed.cluster import Cluster
from dltrain.distributed.workers import SharedStop, Workers
from dltrain.errors import (
    ConfigError,
    DltrainError,
    Interrupted,
    KeyProblem,
    Pruned,
    RunError,
    TrainingError,
    UserError,
)
from dltrain.inference.evidence import baseline_metrics
from dltrain.inference.report import report_at_end
from dltrain.inference.trained_run import chosen, warn_of_changed_code
from dltrain.plugins import loading as plugins
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.runs.lock import owning
from dltrain.runs.selection import change_lines
from dltrain.runs.settings import provenance_of
from dltrain.signals import StopRequest
from dltrain.training import environment, memory
from dltrain.training.batch_size import with_batch_size
from dltrain.training.learner import Learner
from dltrain.training.loop import Loop
from dltrain.training.model_file import write_model
from dltrain.training.resume import Resume
from dltrain.wording import metric_line


def fit(
    config: Config,
    reporter: Reporter,
    root: Path,
    resume: Resume | None = None,
    profile: bool = False,
    prune_reason: Callable[[dict[str, Any]], str | None] | None = None,
    cluster: Cluster | None = None,
    repeats: Run | None = None,
) -> dict[str, Any]:
    """Trains what the config describes.

    Args:
        config: the experiment.
        reporter: for messages and progress.
        root: the folder in which a new run folder is made.
        resume: the run to resume, and how; none for a new one.
        profile: record some steps, for TensorBoard.
        prune_reason: of a search, which does not measure the test part: called with each epoch's row; returns why the
            run is pruned there, or none.
        cluster: the workers that train together; none for this process alone. Only the chief resumes and writes a run
            folder.
        repeats: the run that this one is to repeat, on the same data; none for any data.

    Returns:
        the run's summary, and its folder as "run": none for a worker that is not the chief.

    Raises:
        UserError: something the user can fix; nothing was written.
        TrainingError, Interrupted, Pruned: the run stopped early; its summary says so.
    """
    began = time.monotonic()
    resume = resume or Resume()
    resumed = resume.run
    if resumed is None:
        config = resolved(config, root)
    with ExitStack() as held:
        workers = held.enter_context(Workers.of(cluster, config, profile))
        saved = None
        if resumed is not None:
            folder.require_own_files(resumed)
            held.enter_context(owning(resumed))
            warn_of_changed_code(resumed, config, reporter)
            saved = chosen(resumed, "last", reporter)
            workers.handover.offer(resumed, resume.changes)

        def checkpoint() -> store.Checkpoint | None:
            received = workers.handover.received
            return saved if received is None else store.latest(received)[0]

        def learnt() -> DataSpec | None:
            found = checkpoint()
            return None if found is None else TrainingState.of(found).spec

        devices, splits = start_and_load(config, reporter, trains=True, like=learnt, workers=workers)
        if repeats is not None:
            _check_data(splits, repeats)
        if not workers.is_chief:
            root, resumed = workers.handover.scratch, workers.handover.received
        saved = checkpoint()
        if saved is not None:
            splits = as_before(config, splits, saved, resume.force)
            compare(config, splits, saved, reporter)
        opening = held.enter_context(Opening(splits, reporter))
        with enough_memory(config):
            config = with_batch_size(config, splits, devices, reporter)
        with enough_memory(config):
            stage = 0 if saved is None else TrainingState.of(saved).stage
            learner = Learner(config, splits, devices, reporter, fresh=saved is None, stage=stage)
            if saved is not None:
                learner.restore(saved)
                _check_length(learner, saved)
            memory.warn(learner)
            if workers.count > 1:
                values = learner.network.variables.values()
                workers.check_same("weights", [digest(np.array(variable)) for variable in values])
        opening.wait()
        if resumed is None:
            run = folder.create(root, str(config.experiment.name))
            held.enter_context(owning(run))
        else:
            run = resumed
        before = run.read_summary()
        run.read_metrics()  # a damaged table is refused before anything is written
        reporter.log_to(run.log, lambda: run.kept)
        if learner.is_finished and before.get("status") == "finished":
            reporter.say(f"{run.path} is finished: nothing left to do; to train further, add {_how_to_extend(learner)}")
            return {"run": str(run.path) if workers.is_chief else None, **before}
        reporter.say(f"run: {run.path}" + (f", resuming after step {learner.state.step}" if resumed else ""))

        loop = Loop(learner, run, began, profile, prune_reason)

        def prepare() -> None:
            if saved is not None:
                _resume(loop, run, saved, workers.handover.changes)

        parts = ("validation", "test") if prune_reason is None else ("validation",)
        summary = _trained(config, loop, run, prepare, parts)
        return {"run": str(run.path) if workers.is_chief else None, **summary}


def _check_data(splits: Splits, repeats: Run) -> None:
    """Makes sure that data are those of a run.

    Raises:
        RunError: if a part has changed since.
    """
    known = repeats.read_summary().get("data") or {}
    if changed := [part for part, found in splits.fingerprint.items() if known.get(part, found) != found]:
        raise RunError(
            f"{repeats.path}: cannot be reproduced: its {' and '.join(changed)} data have changed since, as their "
            "fingerprint shows"
        )


def _check_length(learner: Learner, saved: store.Checkpoint) -> None:
    """Makes sure that a run is not to end before the steps that it has done.

    Raises:
        ConfigError: if it is.
    """
    done, per_epoch = learner.state.step, learner.plan.steps_per_epoch
    if done <= learner.plan.total_steps:
        return
    key, least, got = "epochs", math.ceil(done / per_epoch), learner.experiment.train.epochs
    if learner.experiment.train.steps is not None:
        key, least, got = "steps", done, learner.experiment.train.steps
    raise ConfigError(
        [KeyProblem(f"train.{key}", f"must be at least {least} to resume {saved.path.parent.parent}, which has done "
         f"{done} steps, {per_epoch} an epoch; got {got}. To train so long, start a new run: dltrain fit CONFIG")]
    )  # fmt: skip


def _resume(loop: Loop, run: Run, saved: store.Checkpoint, changes: dict[str, tuple[Any, Any]]) -> None:
    """Brings the folder to the state of the checkpoint, and records the changes."""
    folder.tidy(run)
    learner = loop.learner
    if not store.make_newest(run, saved):
        learner.state.best = None
        learner.reporter.warn("the best weights are lost: the best epoch is chosen from here on")
    for line in change_lines(changes):
        learner.reporter.note(f"changed  {line}")
    if changes:
        loop.note_changes(saved, {key: [old, new] for key, (old, new) in changes.items()})


def _trained(config: Config, loop: Loop, run: Run, prepare: Callable[[], None], parts: Sequence[str]) -> dict[str, Any]:
    """Prepares the folder, trains, measures and exports; returns the summary, which is written in any case."""
    learner = loop.learner
    reporter = learner.reporter
    reporter.say(_overview(learner))

    def ended(status: str, words: str) -> None:
        folder.write_json(run.summary, _summary(loop, status, error=words))
        reporter.say(words)

    def too_late() -> None:
        is_saved = loop.save_copy()
        words = f"stopped after step {learner.state.step}, " + (
            f"resume with: dltrain fit --resume {run.path}" if is_saved else "before there was anything to save"
        )
        ended("interrupted", words)

    workers = learner.devices.workers
    workers.too_late = partial(ended, "failed")
    try:
        prepare()
        _write_config(config, run)
        recorded = {"origins": _origins(config, run), lineage.KEY: lineage.built_on(config.experiment, run, reporter)}
        folder.write_json(run.environment, environment.describe(learner.devices) | recorded)
        for file, content in plugins.of(config.experiment.plugins).items():
            run.plugins.mkdir(exist_ok=True)
            with folder.replacing(run.plugins / file.name) as aside:
                aside.write_bytes(content)
        for name, content in learner.splits.spec.files().items():
            with folder.replacing(run.path / name) as aside:
                aside.write_bytes(content)
        folder.write_json(run.summary, _summary(loop, "running"))
        with enough_memory(config), StopRequest(too_late) as asked:
            stop = workers.share_stop(asked, lambda: reporter.shows_steps)
            loop.tracking.start()
            loop.run(stop)
            measured = _measure_best(learner, run, stop, parts)
            compared = _compared(learner, measured)
            plain = write_model(config, learner, run)
        summary = _summary(loop, "finished", measured | compared)
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
        best, devices = learner.network.measured, learner.devices
        if workers.count > 1:  # reading the weights that these share would take all of them
            devices = devices.alone
            best = measuring(config, learner.splits.spec, plain, devices)
        report_at_end(config, learner.splits, run, best, devices, measured, reporter)
    loop.tracking.end(summary)
    return summary


def _how_to_extend(learner: Learner) -> str:
    """Returns the arguments with which a finished run trains further."""
    if learner.state.halted_by is not None:
        return "callbacks=[] --force: a callback stopped the run"
    if learner.state.step < learner.plan.total_steps:
        return "early_stopping.patience=N or early_stopping=none"
    return "train.epochs=N" if learner.experiment.train.steps is None else "train.steps=N"


def _write_config(config: Config, run: Run) -> None:
    """Writes config.yaml with every default filled in, and reads it again as proof that it repeats the run."""
    folder.write_text(run.config, experiments.dump(config.experiment))
    if experiments.load(run.config).experiment != config.experiment:
        raise RuntimeError(f"{run.config} does not read back as the experiment that was written")


def _origins(config: Config, run: Run) -> dict[str, str]:
    """Returns where the config's values came from; for a resumed run, as its folder says, and the arguments."""
    found, before = origins(config), provenance_of(run)
    return {**before, **{key: words for key, words in found.items() if not before or words.startswith("argument ")}}


def _measure_best(learner: Learner, run: Run, stop: StopRequest | SharedStop, parts: Sequence[str]) -> dict[str, Any]:
    """Restores the best weights and measures them on some parts, usually validation and test.

    Raises:
        Interrupted: if a signal asks to stop.
    """
    # Else they are in place: reading them would take memory for a second state. But several devices have normalisation
    # statistics of their own, of which a checkpoint holds the mean, and the best weights may be averages.
    if learner.devices.replicas > 1 or learner.network.engine.averages() or not store.best_is_last(run):
        store.restore_network(store.load(run, "best"), learner.network.engine.model)
    measured: dict[str, Any] = {}
    there = [name for name in parts if learner.splits.part(name)]
    if there:
        learner.reporter.say(f"measuring the best weights on {' and '.join(there)}")
    for name in parts:
        part = learner.splits.part(name)
        measured[name] = learner.evaluated(name, learner.evaluation_feed(part), stop.__bool__) if part else None
        if stop:
            raise Interrupted(
                "stopped while measuring the best weights, everything is saved",
                stop.exit_code or 130,
                f"resume with: dltrain fit --resume {run.path}",
            )
        if part:
            learner.reporter.note(f"{name} ({len(part)} examples, best weights)  {metric_line(measured[name])}")
    return measured


def _compared(learner: Learner, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the task's baselines measure on the last part, where results mean little without; else nothing."""
    there = [name for name, metrics in measured.items() if metrics]
    if not there or not learner.experiment.task.compares:
        return {}
    return {"baselines": {there[-1]: baseline_metrics(learner.experiment, learner.splits, there[-1])}}


def _summary(
    loop: Loop, status: str, measured: dict[str, Any] | None = None, error: str | None = None
) -> dict[str, Any]:
    """Returns summary.json: the same keys whatever has happened so far."""
    learner, state = loop.learner, loop.learner.state
    task = learner.experiment.task
    return {
        "status": status,
        "epochs": state.epoch,
        "steps": state.step,
        "seconds": round(state.seconds, 3),
        "parameters": learner.network.parameters,
        "examples_per_second": loop.speed.examples_per_second,
        "device": learner.devices.label,
        "precision": learner.experiment.train.precision,
        "monitor": {"column": learner.monitor, "larger_is_better": task.larger_is_better(learner.monitor)},
        "larger_is_better": {name: task.larger_is_better(name) for name in learner.measured},
        "best": None if state.best is None else {key: state.best[key] for key in ("monitor", "value", "epoch")},
        "restores": state.restores,
        "data": state.fingerprint,
        "skipped_examples": len(learner.splits.skipped),
        "changes": state.changes,
        "undefined": {part: found for part in PARTS if (found := learner.undefined(part))},
        "validation": None,
        "test": None,
        **(measured or {}),
        "error": error,
    }


def _translated(error: BaseException, run: Run) -> BaseException:
    """Replaces an error of the system by a message for the user, where there is one."""
    if isinstance(error, Exception) and not isinstance(error, DltrainError) and (words := plugins.fault(error)):
        return TrainingError(words)
    is_gone = not run.checkpoints.is_dir()  # which is there from the beginning on
    if isinstance(error, OSError | TrainingError) and is_gone:
        moved = "if it was moved, resume it from where it is now: dltrain fit --resume FOLDER"
        return TrainingError(f"{run.path}: was deleted or moved while the run was writing to it; {moved}")
    if isinstance(error, UserError) and not is_gone:
        kept = f"{run.path} keeps its checkpoints; when that is mended, type: dltrain fit --resume {run.path}"
        return TrainingError(f"{error}\n{kept if run.saved else f'{run.path} has no checkpoint yet'}")
    if isinstance(error, OSError):
        place = error.filename or run.path
        return TrainingError(f"{place}: cannot be written: {error.strerror or error}; {run.kept}")
    return error


def _overview(learner: Learner) -> str:
    """Describes dataset, model and length of the run in one line."""
    splits, experiment = learner.splits, learner.experiment
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in splits.parts.items())
    return (
        f"{experiment.dataset.registered_name}: {sizes} examples; "
        f"{experiment.model.registered_name}: {learner.network.parameters:,} weights; "
        f"{learner.plan.steps_per_epoch} steps per epoch"
    )
