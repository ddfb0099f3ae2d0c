"""From a checked config and loaded data to a compiled network: what fits what, how long, and what is monitored."""

import dataclasses
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from dltrain.config.experiment import Config, Experiment
from dltrain.data import DataSpec, Splits
from dltrain.errors import DataError, TrainingError
from dltrain.lazy import keras, starting, tf
from dltrain.schedules import Plan
from dltrain.training import device
from dltrain.training.checkpoints import Saved
from dltrain.training.device import Devices
from dltrain.training.engine import Engine
from dltrain.training.progress import Reporter
from dltrain.training.state import State, digest

SHOWN = 5
"""Examples that cannot be used and are named in the terminal; the log names all of them."""


def begin(config: Config, reporter: Reporter) -> tuple[Devices, Splits]:
    """Makes devices and data ready, both at the same time: importing TensorFlow takes seconds.

    Raises:
        UserError: if one of them cannot be used.
    """
    loaded: Future[Splits] = Future()

    def read() -> None:
        try:
            loaded.set_result(load(config))
        except BaseException as error:
            loaded.set_exception(error)

    with starting:
        threading.Thread(target=read, name="load", daemon=True).start()
        devices = start(config, reporter)
    splits = loaded.result()
    _say_skipped(splits.skipped, reporter)
    return devices, splits


def _say_skipped(skipped: tuple[str, ...], reporter: Reporter) -> None:
    for message in skipped[:SHOWN]:
        reporter.warn(f"left out: {message}")
    for message in skipped[SHOWN:]:
        reporter.note(f"left out: {message}")
    if len(skipped) > SHOWN:
        reporter.warn(f"left out: {len(skipped) - SHOWN} more, which log.txt names")


def start(config: Config, reporter: Reporter) -> Devices:
    """Makes the config's devices ready and says what was found.

    Raises:
        DeviceError: if a device that was asked for is not there.
    """
    chosen = config.experiment
    devices = device.start(chosen.device, chosen.train.precision, chosen.deterministic)
    reporter.say(devices.description)
    if devices.noise:
        reporter.detail(devices.noise)
    for warning in devices.warnings:
        reporter.warn(warning)
    return devices


def load(config: Config) -> Splits:
    """Loads the config's data and checks the rest of the config against them.

    Raises:
        UserError: if they cannot be used.
    """
    with config.blame("dataset"):
        splits = config.experiment.dataset.load()
    config.check(splits.spec)
    return splits


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


def plan_for(config: Config, splits: Splits, devices: Devices) -> Plan:
    """Works out how many steps the run has.

    Raises:
        ConfigError: if batch size, training part and devices do not fit, or the schedule does not fit the length.
    """
    train, examples = config.experiment.train, len(splits.train)
    with config.blame("train"):
        size = train.examples_per_batch
        if size > examples:
            raise ValueError(f"batch_size must be at most the {examples} training examples, got {size}")
        if train.examples_per_step > examples:
            raise ValueError(
                f"accumulate_steps must be at most {examples // size}: batch_size times it at most the {examples} "
                f"training examples, got {train.accumulate_steps}"
            )
        if size % devices.replicas:
            nearest = max(size // devices.replicas, 1) * devices.replicas
            raise ValueError(f"batch_size must divide by the {devices.replicas} devices, got {size}; try {nearest}")
    steps_per_epoch = examples // train.examples_per_step
    plan = Plan(steps_per_epoch, train.steps or steps_per_epoch * (train.epochs or 1))
    with config.blame("schedule"):
        config.experiment.schedule.check(plan)
    return plan


def check_monitors(config: Config, splits: Splits) -> None:
    """Makes sure that every column of metrics.csv that the config names will exist.

    Raises:
        ConfigError: at the key that names one which will not.
    """
    experiment, validated = config.experiment, splits.validation is not None
    measured = ["loss", *experiment.task.metrics]
    columns = measured + [f"val_{name}" for name in measured] * validated
    for path in ("checkpoint", "early_stopping", "schedule"):
        monitor = getattr(getattr(experiment, path), "monitor", None)
        if monitor is not None and monitor not in columns:
            reason = "" if validated else "; there are no validation data"
            with config.blame(path):
                raise ValueError(f"monitor must be one of {', '.join(columns)}, got {monitor!r}{reason}")


def monitor_of(block: Any, experiment: Experiment, splits: Splits) -> str:
    """Returns the column that a block of the config watches: its own choice, else the task's."""
    if block.monitor is not None:
        return block.monitor
    return experiment.task.monitor if splits.validation is not None else "loss"


def assemble(experiment: Experiment, spec: DataSpec, devices: Devices, learning_rate: Any) -> Engine:
    """Builds and compiles the network that the experiment describes, on its devices, from its seed.

    Args:
        experiment: what to build.
        spec: what the data are, their statistics included.
        devices: where it will run.
        learning_rate: a number or a Keras schedule.
    """
    from dltrain.layers.fusion import fuse

    keras.utils.set_random_seed(experiment.seed)
    with devices.strategy.scope():
        model = experiment.model.build(spec)
        fuse(model)
        model.compile(
            optimizer=experiment.optimizer.build(learning_rate),
            loss=experiment.task.loss(spec),
            metrics=experiment.task.build_metrics(spec),
        )
    return Engine(model, devices.strategy)
