"""`dltrain bench`: the speed of an experiment's training steps, and where their time goes."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dltrain.assembly.batches import plain_preparation
from dltrain.assembly.contract import plan_for
from dltrain.assembly.data import start_and_load
from dltrain.assembly.freezing import freeze
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.data import Split
from dltrain.data.trees import is_read
from dltrain.engine.compiled_loop import on_host
from dltrain.engine.feeds import Feed, feed, is_resident
from dltrain.engine.order import Order
from dltrain.errors import TrainingError, UserError
from dltrain.lazy import keras, tf
from dltrain.training import memory
from dltrain.training.batch_size import with_batch_size
from dltrain.training.learner import Learner

ROUNDS = 7
ROUND_SECONDS = 0.3
BATCHES = 4
"""Number of batches, kept on the device, on which the parts of a step are measured."""

Work = Callable[[int], Any]  # does that many steps


def bench(config: Config, reporter: Reporter) -> dict[str, Any]:
    """Measures the steps of an experiment, one batch each; nothing is kept.

    Args:
        config: the experiment.
        reporter: for messages and progress.

    Returns:
        {"device", "precision", "batch_size", "examples_per_second", "milliseconds": {"step", "input", "forward",
        "backward", "update", "wait"}, "products": {"measured", "used", "share"}, "bound_by", "keras":
        {"examples_per_second", "dltrain_examples_per_second", "ratio"} or none, "try": {"KEY=VALUE": ratio}, "notes"};
        products in floating-point operations per second, of a large matrix multiplication and of the run;
        for the comparison with Keras, both train on arrays in memory, without augmentation.

    Raises:
        UserError: if config, data or device cannot be used.
        TrainingError: if memory runs out.
    """
    devices, splits = start_and_load(config, reporter)
    config = with_batch_size(config, splits, devices, reporter)
    plan_for(config, splits, devices.replicas)  # refuses what `fit` would: without accumulation there are more steps
    with enough_memory(config):
        one_batch = _without_accumulation(config)
        learner = Learner(one_batch, splits, devices, reporter)
        memory.warn(learner)
        found = _found(one_batch, learner)
    batches = config.experiment.train.accumulate_steps
    if batches > 1:
        found["notes"].append(f"measured with an optimizer step per batch, not per {batches} (train.accumulate_steps)")
    return found


def _without_accumulation(config: Config) -> Config:
    experiment = config.experiment
    train = dataclasses.replace(experiment.train, accumulate_steps=1)
    return dataclasses.replace(config, experiment=dataclasses.replace(experiment, train=train))


def _found(config: Config, learner: Learner) -> dict[str, Any]:
    devices, reporter = learner.devices, learner.reporter
    batch_size = config.experiment.train.examples_per_batch
    part, is_read, in_first_epoch = first_batches(learner), not is_resident(learner.splits.train), False
    sample = learner.training_feed(part)
    reporter.say("measuring: the step and its parts")
    works = {"computed": steps_of(learner, sample), **_parts(learner, sample)}
    if config.experiment.augment:
        plain = plain_preparation(config.experiment, learner.splits.spec)
        works["plain"] = steps_of(learner, feed(part, sample.order, plain, devices.strategy))
    if not is_read:
        works["step"] = steps_of(learner, learner.training_feed())
    seconds = median_seconds(works)
    if is_read:
        reporter.say("measuring: the step, reading its data included")
        seconds["step"], in_first_epoch = _seconds_with_reading(learner)
    if not math.isfinite(learner.network.engine.metrics()["loss"]):
        reporter.warn("the loss is not finite: the measured steps learn nothing; try a smaller learning rate")
    parts = parts_of(seconds, is_read)
    reporter.say("measuring: matrix multiplication, Keras's fit, other settings")
    measured, used = _product_rate(), _operations(learner, sample) / seconds["step"]
    single = devices.replicas == 1
    found = {
        "device": devices.label,
        "precision": config.experiment.train.precision,
        "batch_size": batch_size,
        "examples_per_second": batch_size / seconds["step"],
        "milliseconds": {"step": 1e3 * seconds["step"], **{name: 1e3 * value for name, value in parts.items()}},
        "products": {"measured": measured, "used": used, "share": used / measured / devices.replicas},
        "bound_by": "input" if parts["wait"] + parts["input"] > seconds["step"] / 3 else "compute",
        "keras": _beside_keras(config, learner, seconds.get("plain", seconds["computed"])) if single else None,
        "try": _alternatives(config, learner, seconds["computed"] / batch_size) if single else {},
    }
    return {**found, "notes": _notes(config, found, in_first_epoch)}


def steps_of(learner: Learner, feed: Any) -> Work:
    """Returns a function that trains on a feed, step after step."""
    done = 0

    def work(count: int) -> None:
        nonlocal done
        done, _ = learner.network.engine.train(feed, done, count)

    return work


def _repeated(learner: Learner, feed: Any, what: Callable[[tuple[Any, ...]], Any]) -> Work:
    loop, done = learner.network.engine.each(feed, what), 0

    def work(count: int) -> None:
        nonlocal done
        loop(*on_host(done, count))
        done += count

    return work


def first_batches(learner: Learner) -> Split:
    """Returns the examples of a few training batches, read."""
    part = learner.splits.train.first(BATCHES * learner.experiment.train.examples_per_batch)
    if is_read(part.inputs, part.targets):
        return part
    seeds = np.stack([np.full(len(part), learner.experiment.seed), np.arange(len(part))], axis=1)
    return part.read(seeds)


def _parts(learner: Learner, sample: Feed) -> dict[str, Work]:
    """Returns partial steps: the input; with the forward pass; with the backward pass too."""
    model = learner.network.engine.model

    def forward(batch: tuple[Any, ...]) -> Any:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        return model.compute_loss(x=x, y=y, y_pred=model(x, training=True), sample_weight=weights, training=True)

    def backward(batch: tuple[Any, ...]) -> Any:
        with tf.GradientTape() as tape:
            loss = forward(batch)
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    def compiled(work: Callable[..., Any]) -> Callable[..., Any]:
        return tf.function(work, autograph=False, jit_compile=True) if model.jit_compile else work

    return {
        "input": _repeated(learner, sample, lambda batch: batch),
        "forward": _repeated(learner, sample, compiled(forward)),
        "backward": _repeated(learner, sample, compiled(backward)),
    }


def parts_of(seconds: dict[str, float], is_read: bool) -> dict[str, float]:
    """Returns the seconds of each part of a step, which add up to the step's.

    Each work is measured by itself. One that is found slower than a longer one, or than the step, is taken to be as
    slow as that. What the step takes beyond its work is waiting where data are read, otherwise the input's.

    Args:
        seconds: of the step, of what it computes, and of its input, then with the forward and the backward pass.
        is_read: whether data are read while the step is measured.
    """
    ends, most = list[float](), seconds["step"]
    for name in ("computed", "backward", "forward", "input"):
        most = min(most, seconds[name])
        ends.insert(0, most)
    names = ("input", "forward", "backward", "update")
    parts = {name: end - start for name, start, end in zip(names, [0.0, *ends], ends, strict=False)}
    rest = seconds["step"] - ends[-1]
    return {**parts, "wait": rest} if is_read else {**parts, "input": parts["input"] + rest, "wait": 0.0}


def median_seconds(works: dict[str, Work], rounds: int | None = None) -> dict[str, float]:
    """Returns the median seconds of one step of each work; the works take turns, after a warm-up each.

    Args:
        works: by name.
        rounds: how often each is measured; none for ROUNDS.
    """
    counts = {}
    for name, work in works.items():
        work(1)  # compiles
        seconds, count = 0.0, 1
        while seconds < ROUND_SECONDS / 4:
            count *= 2
            seconds = seconds_of(work, count)
        counts[name] = max(1, round(count * ROUND_SECONDS / seconds))
    turns = [
        {name: seconds_of(work, counts[name]) / counts[name] for name, work in works.items()}
        for _ in range(rounds or ROUNDS)
    ]
    return {name: statistics.median(each[name] for each in turns) for name in works}


def _seconds_with_reading(learner: Learner) -> tuple[float, bool]:
    """Returns the seconds of one step with batches that are read ahead, and whether the first epoch's were measured.

    The rounds of `median_seconds` would use up what was read while the other works took their turn. Here nothing else
    is measured meanwhile, and each stretch is twice as long as the one before it, which used up what was ready.
    """
    batches = learner.training_feed()
    work, done, epoch = steps_of(learner, batches), 1, batches.order.steps_per_epoch
    work(1)  # compiles
    least = 4 * (batches.read_ahead + 1)
    count, seconds, is_mixed = least // 4, 0.0, False
    while count < least or seconds < ROUNDS * ROUND_SECONDS / 2 or is_mixed:
        count *= 2
        seconds = seconds_of(work, count)
        # The first epoch may decode what the later ones find in a cache: a mean over both describes neither.
        is_mixed = done < epoch < done + count
        done += count
    learner.network.engine.forget(batches)  # it would go on reading
    return seconds / count, done <= epoch


def seconds_of(work: Work, count: int) -> float:
    """Returns the seconds of so many steps."""
    began = time.perf_counter()
    work(count)
    tf.test.experimental.sync_devices()
    return time.perf_counter() - began


def _product_rate() -> float:
    """Measures the operations per second of a large matrix multiplication in the precision of the run."""
    size = 2048 if not tf.config.get_visible_devices("GPU") else 8192
    matrix = tf.cast(tf.random.normal((size, size)), keras.config.dtype_policy().compute_dtype)
    multiply = tf.function(lambda: tf.reduce_sum(tf.linalg.matmul(matrix, matrix)[0]), autograph=False)
    multiply().numpy()
    return 2 * size**3 / min(seconds_of(lambda _: multiply().numpy(), 1) for _ in range(12))


def _operations(learner: Learner, sample: Feed) -> float:
    """Counts the floating-point operations of matrix multiplications and convolutions in the graph of one step."""
    model, batch = learner.network.engine.model, sample.examples(0, learner.experiment.train.examples_per_batch)
    graph = tf.function(lambda: model.train_step(batch), autograph=False).get_concrete_function().graph
    waiting = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    needed = set()  # what no result needs is never computed, such as the gradient of the images
    while waiting:
        operation = waiting.pop()
        if operation not in needed:
            needed.add(operation)
            waiting += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    return float(sum(_operations_of(operation) for operation in needed))


def _operations_of(operation: Any) -> int:
    """Counts the operations of a matrix multiplication or convolution; 0 for others, and where a size is unknown."""
    sizes = [tensor.shape.as_list() if tensor.shape.rank is not None else [None] for tensor in operation.inputs]
    kind, output = operation.type, [tensor.shape.as_list() for tensor in operation.outputs[:1]]
    if kind.startswith(("MatMul", "BatchMatMul")):
        transposed = "transpose_a" if kind == "MatMul" else "adj_x"
        terms = [*output[0], sizes[0][-2 if operation.get_attr(transposed) else -1]]
    elif kind in ("Conv2D", "Conv3D"):
        terms = output[0] + sizes[1][:-1]
    elif kind.startswith(("Conv2DBackpropInput", "Conv3DBackpropInput")):
        terms = sizes[2] + sizes[1][:-1]
    elif kind.startswith(("Conv2DBackpropFilter", "Conv3DBackpropFilter")):
        terms = sizes[2] + output[0][:-1]
    elif kind.startswith("DepthwiseConv2d"):
        images = output[0] if kind.endswith("Native") else sizes[2]
        terms = images + (output[0] if kind.endswith("BackpropFilter") else sizes[1])[:2]
    else:
        return 0
    return 0 if None in terms else 2 * math.prod(terms)


def _beside_keras(config: Config, learner: Learner, seconds: float) -> dict[str, float]:
    """Compares the speed of Keras's fit on arrays in memory with dltrain's step, which takes `seconds`."""
    size = config.experiment.train.examples_per_batch
    bare = _keras_seconds(config, learner, seconds)
    return {
        "examples_per_second": size / bare,
        "dltrain_examples_per_second": size / seconds,
        "ratio": bare / seconds,
    }


def _keras_seconds(config: Config, learner: Learner, seconds: float) -> float:
    """Returns the seconds per step of `compile` and `fit` as Keras's documentation shows them, on the same network."""
    experiment, size = config.experiment, config.experiment.train.examples_per_batch
    spec = learner.splits.spec
    part, plain = first_batches(learner), plain_preparation(experiment, learner.splits.spec)
    order = Order(len(part), len(part))
    values = feed(part, order, plain, learner.devices.strategy).examples(0, len(part))[:2]
    model = config.build_model(spec)
    freeze(model, experiment.model.freeze)
    model.compile(
        optimizer=experiment.optimizer.build(experiment.optimizer.learning_rate, plain=True),
        loss=experiment.task.loss(spec),
        metrics=experiment.task.build_metrics(spec),
    )

    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    batches = max(BATCHES, round(ROUND_SECONDS / seconds / 2))  # it will be slower than ours
    repeated = np.arange(batches * size) % len(part)
    examples = tf.nest.map_structure(lambda each: np.asarray(each)[repeated], values)
    model.fit(*examples, batch_size=size, epochs=ROUNDS + 1, verbose=0, callbacks=[clock])
    return statistics.median(np.diff(ends).tolist()) / batches


def _alternatives(config: Config, learner: Learner, seconds: float) -> dict[str, float]:
    """Measures other settings on the same batches; returns those that are faster, with the factor."""
    experiment = config.experiment
    train, faster = experiment.train, {}
    changes: dict[str, Any] = {}
    if 2 * train.examples_per_batch <= len(learner.splits.train):
        changes[f"train.batch_size={2 * train.examples_per_batch}"] = {"batch_size": 2 * train.examples_per_batch}
    on_gpu = not learner.devices.is_cpu
    precision = "mixed_float16" if on_gpu else "float32"
    if (train.precision == "float32") == on_gpu:
        changes[f"train.precision={precision}"] = {"precision": precision}
    for words, change in changes.items():
        changed = dataclasses.replace(experiment, train=dataclasses.replace(train, **change))
        try:
            keras.config.set_dtype_policy(changed.train.precision)
            ratio = seconds / _seconds_per_example(dataclasses.replace(config, experiment=changed), learner)
        except (UserError, TrainingError, tf.errors.ResourceExhaustedError):
            continue  # what cannot be run need not be tried; all else that was measured stands
        finally:
            keras.config.set_dtype_policy(train.precision)
        if ratio > 1.05:
            faster[words] = ratio
    return faster


def _seconds_per_example(config: Config, learner: Learner) -> float:
    """Measures the seconds per example of a changed config.

    Raises:
        UserError: if it does not fit the data.
        TrainingError: if it would not fit into memory, where the system ends a process instead of refusing.
    """
    changed = Learner(config, learner.splits, learner.devices, learner.reporter)
    free = memory.free_bytes()
    if learner.devices.is_cpu and free is not None and memory.needed_bytes(changed) > free:
        raise TrainingError("out of memory")
    work = steps_of(changed, changed.training_feed(first_batches(changed)))
    return median_seconds({"changed": work})["changed"] / config.experiment.train.examples_per_batch


def _notes(config: Config, found: dict[str, Any], in_first_epoch: bool) -> list[str]:
    """Returns remarks and advice on the measurements.

    Args:
        config: the experiment.
        found: the measurements.
        in_first_epoch: whether the data were read for the first time.
    """
    notes, times, cache = [], found["milliseconds"], config.experiment.dataset.cache
    if times["wait"] > times["step"] / 4:
        if cache == "none":
            notes.append("dataset.cache=memory or dataset.cache=disk decodes each image once, not in every epoch")
        elif cache is not None and in_first_epoch:
            notes.append("measured in the first epoch, which decodes; later epochs read the cache")
    if times["input"] > times["step"] / 4 and config.experiment.augment:
        notes.append("the augmentations take a large part of the step")
    if found["products"]["share"] < 0.1 and found["bound_by"] == "compute":
        notes.append("little of the step is matrix multiplication: the layers are small, and a larger batch helps most")
    return notes
