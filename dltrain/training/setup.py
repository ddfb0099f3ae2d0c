"""From a checked config and loaded data to a compiled network: what fits what, how long, and what is monitored."""

import dataclasses
import re
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dltrain.config.blocks import Stage
from dltrain.config.experiment import Config, Experiment
from dltrain.data import DataSpec, Splits
from dltrain.errors import ConfigError, DataError, TrainingError
from dltrain.inspection.findings import Finding, examine, short
from dltrain.inspection.fingerprint import fingerprint
from dltrain.inspection.subject import Subject
from dltrain.lazy import keras, starting, tf
from dltrain.runs.folder import Run
from dltrain.training import device
from dltrain.training.checkpoints import Saved, restore_network
from dltrain.training.contract import require
from dltrain.training.device import Devices
from dltrain.training.engine import Engine
from dltrain.training.freezing import freeze, freeze_for
from dltrain.training.layer_rates import weight_shares
from dltrain.training.progress import Reporter
from dltrain.training.starting import begin_with
from dltrain.training.state import State, digest
from dltrain.training.workers import Workers

SHOWN = 5
"""Findings, and examples that cannot be used, that the terminal names; the log names all of these examples."""
PARTS = ("train", "validation", "test")


def begin(
    config: Config,
    reporter: Reporter,
    trains: bool = False,
    like: DataSpec | None = None,
    workers: Workers | None = None,
) -> tuple[Devices, Splits]:
    """Makes devices and data ready, both at the same time: importing TensorFlow takes seconds.

    Args:
        config: what to make ready.
        reporter: what says how it goes.
        trains: training follows: look at the data, say what is wrong with them, and check that all fits together.
        like: what a run was trained on, whose fillings, categories and classes are used instead of learning anew.
        workers: with whom it is done; none for this process alone.

    Raises:
        UserError: if one of them cannot be used.
    """
    loaded: Future[tuple[Splits, list[Finding]]] = Future()

    def read() -> None:
        try:
            splits = load(config, trains, like)
            loaded.set_result((splits, examine(Subject(splits, brief=True), brief=True) if trains else []))
        except BaseException as error:
            loaded.set_exception(error)

    workers = workers or Workers()
    with starting:
        reading = threading.Thread(target=read, name="load", daemon=True)
        if workers.count == 1:
            reading.start()
        devices = start(config, reporter, workers)
    if workers.count > 1:  # the strategy of several wants to be the first to use TensorFlow: data may use it, too
        reading.start()
    splits, findings = loaded.result()
    workers.require_same("data", [f"{part} {value}" for part, value in sorted(splits.fingerprint.items())])
    _say_skipped(splits.skipped, reporter)
    _say_findings(findings, config.experiment.strict, reporter)
    return devices, splits


def _say_skipped(skipped: tuple[str, ...], reporter: Reporter) -> None:
    for message in skipped[:SHOWN]:
        reporter.warn(f"left out: {message}")
    for message in skipped[SHOWN:]:
        reporter.note(f"left out: {message}")
    if len(skipped) > SHOWN:
        reporter.warn(f"left out: {len(skipped) - SHOWN} more, which log.txt names")


def _say_findings(findings: list[Finding], strict: bool, reporter: Reporter) -> None:
    """Warns of what is wrong with the data, in a line each.

    Raises:
        DataError: under `strict`, if there is anything.
    """
    lines = [short(finding) for finding in findings]
    more = [f"{len(lines) - SHOWN} more findings: dltrain inspect CONFIG"] if len(lines) > SHOWN else []
    if lines and strict:
        raise DataError("\n".join([*lines[:SHOWN], *more, "strict: true makes errors of these; strict=false goes on"]))
    for line in [*lines[:SHOWN], *more]:
        reporter.warn(line)


def start(config: Config, reporter: Reporter, workers: Workers | None = None) -> Devices:
    """Makes the config's devices ready and says what was found.

    Raises:
        DeviceError: if a device that was asked for is not there.
        ClusterError: if the workers do not come or do not fit together.
    """
    chosen = config.experiment
    if workers is not None and workers.words:
        reporter.say(workers.words)
    devices = device.start(chosen.device, chosen.train.precision, chosen.deterministic, workers)
    reporter.say(devices.description)
    if devices.noise:
        reporter.detail(devices.noise)
    for warning in devices.warnings:
        reporter.warn(warning)
    return devices


def load(config: Config, trains: bool = False, like: DataSpec | None = None) -> Splits:
    """Loads the config's data, checks that network and task can take them, and takes their fingerprint.

    Args:
        config: what to load.
        trains: training follows: check that all fits together.
        like: what a run was trained on.

    Raises:
        UserError: if they cannot be used.
    """
    with config.blame("dataset"):
        splits = config.experiment.dataset.load(like)
    if trains:
        require(config, splits)
    else:
        config.check(splits.spec)
    return dataclasses.replace(splits, fingerprint=fingerprint(splits))


def as_before(splits: Splits, saved: Saved, force: bool) -> Splits:
    """Returns the data with the statistics that the run began with.

    Raises:
        DataError: if the data are others than they were.
    """
    state = State.of(saved)
    spec = state.spec
    was = spec.shapes, state.examples
    found = splits.spec.shapes, len(splits.train)
    if was != found:
        raise DataError(
            f"{saved.path}: the training data have changed since: other shapes, classes or number of examples "
            f"(now {len(splits.train)}, then {state.examples}); start a new run: dltrain fit CONFIG"
        )
    if (spec, state.targets) != (splits.spec, digest(splits.train.targets)) and not force:
        what = "labels" if spec == splits.spec else "values, by their statistics"
        raise DataError(
            f"{saved.path}: the training data have changed since: other {what}; "
            "start a new run: dltrain fit CONFIG, or go on with --force, and with the statistics of before"
        )
    return dataclasses.replace(splits, spec=spec)


def compare(config: Config, splits: Splits, saved: Saved, reporter: Reporter, parts: Iterable[str] = PARTS) -> None:
    """Warns of parts of the data whose content is no longer what it was when the checkpoint was made.

    Raises:
        DataError: under `strict`, if there are some.
    """
    was, now = State.of(saved).fingerprint, splits.fingerprint
    changed = [part for part in parts if was and was.get(part) != now.get(part)]
    if not changed:
        return
    words = f"{saved.path}: the {' and '.join(changed)} data have changed since, by their fingerprint"
    if config.experiment.strict:
        raise DataError(f"{words}; strict: true makes an error of it, strict=false or a new run goes on")
    reporter.warn(f"{words}: results cannot be compared with those of before")


@contextmanager
def enough_memory(config: Config) -> Iterator[None]:
    """Says what to try, in place of TensorFlow's words, where memory runs out: a TrainingError."""
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        train = config.experiment.train
        if train.batch_size == "auto":
            raise TrainingError(f"out of memory{_place(str(error))} before a batch size was found") from None
        size = train.examples_per_batch
        half = f"train.batch_size={size // 2} train.accumulate_steps={2 * train.accumulate_steps}"
        smaller = f"{half}, train.batch_size=auto or a smaller model" if size > 1 else "a smaller model"
        raise TrainingError(f"out of memory with train.batch_size: {size}{_place(str(error))}; try {smaller}") from None


def _place(message: str) -> str:
    """Returns at which tensor of which layer memory ran out, as far as TensorFlow's message tells."""
    shape = re.search(r"tensor with shape\s*(\[[\d,]*\])", message)
    node = re.search(r"\{\{node ([^}]+)\}\}", message)
    # Keras writes the names of model and layer into the node's: while/body/resnet_1/stage2_convolution_1/Conv2D.
    steps = [step for step in node[1].split("/") if not _SCAFFOLD.fullmatch(step)] if node else []
    layer = f" in layer {steps[1]} ({steps[-1]})" if len(steps) > 2 else ""
    return layer + (f" at a tensor of shape {shape[1]}" if shape else "")


_SCAFFOLD = re.compile(r"(while|body|cond|StatefulPartitionedCall|gradient_tape|gradients|loop)(_\d+)?")


def monitor_of(block: Any, experiment: Experiment, splits: Splits) -> str:
    """Returns the column that a block of the config watches: its own choice, else the task's."""
    if block.monitor is not None:
        return block.monitor
    return experiment.task.monitor if splits.validation is not None else "loss"


def assemble(
    config: Config,
    spec: DataSpec,
    devices: Devices,
    learning_rate: Any,
    anew: bool = False,
    stage: Stage | None = None,
) -> Engine:
    """Builds and compiles the network that the experiment describes, on its devices, from its seed.

    Args:
        config: what to build.
        spec: what the data are, their statistics included.
        devices: where it will run.
        learning_rate: a number or a Keras schedule.
        anew: training begins here: the network gets the weights that it is to begin with.
        stage: the part of the run that it is trained in; none to train all that may be.

    Raises:
        ConfigError: if the network cannot be built or begun, or its last layer is not as wide as the data ask.
        UserError: if the weights to begin with cannot be used.
    """
    from dltrain.layers.fusion import fuse, synchronise

    experiment = config.experiment
    keras.utils.set_random_seed(experiment.seed)
    with devices.strategy.scope():
        model = config.build_model(spec)
        found = [list(each.shape[1:]) for each in keras.tree.flatten(model.output)]
        if found != [[spec.outputs]]:
            shapes = " and ".join(map(str, found)) or "no"
            raise ConfigError(
                [f"model.name {experiment.model.registered_name} returns {shapes} numbers for an example, the data ask "
                 f"for {spec.outputs}: it must end in data.head(x), or in Dense(num_classes)"]
            )  # fmt: skip
        if not model.trainable_weights:
            raise ConfigError(
                [f"model.name {experiment.model.registered_name} has no weights to train: a network makes its layers "
                 "in __init__, not in call"]
            )  # fmt: skip
        with config.blame("model"):
            if anew:
                _begin(experiment.model, model, spec)
            freeze(model, experiment.model.freeze)
        if stage is not None:
            freeze_for(model, stage)
        if devices.replicas > 1:
            synchronise(model)
        fuse(model)
        decay = experiment.optimizer.layer_decay
        shares = {"shares": weight_shares(model, decay)} if decay else {}
        model.compile(
            optimizer=experiment.optimizer.build(learning_rate, **shares),
            loss=experiment.task.loss(spec),
            metrics=experiment.task.build_metrics(spec),
            jit_compile="auto" if devices.replicas == 1 else False,  # XLA knows nothing of other devices
        )
    return Engine(model, devices.strategy, devices.workers)


def restored(config: Config, saved: Saved, devices: Devices) -> Engine:
    """Returns what measures a run's network, with the weights of a checkpoint in place; it is not to be trained.

    Raises:
        UserError: if the checkpoint is not of this network.
    """
    engine = assemble(config, State.of(saved).spec, devices, learning_rate=0.0)
    restore_network(saved, engine.model)
    return engine


def refuse_changed(run: Run, splits: Splits, trained: DataSpec) -> None:
    """Makes sure that a run's data are still such as its network takes.

    Raises:
        DataError: if they are not.
    """
    if splits.spec.shapes != trained.shapes:
        raise DataError(f"{run.path}: its data have changed: other shapes, columns or classes than it was trained on")


def _begin(block: Any, model: Any, spec: DataSpec) -> None:
    """Gives a network the weights that it is to begin with, by itself where it knows of some."""
    if isinstance(block.weights, Path):
        begin_with(block.weights, model, spec)
    elif block.weights is not None:
        block.initialize(model)
