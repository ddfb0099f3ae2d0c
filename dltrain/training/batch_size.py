"""The largest batch that fits into memory: tried on a GPU, estimated on a CPU."""

import dataclasses
import gc
import math
from collections.abc import Callable, Iterator

from dltrain.assembly import oversampling
from dltrain.assembly.contract import check_batches
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.data import Splits
from dltrain.engine.device import Devices
from dltrain.errors import KeyProblem, TrainingError
from dltrain.lazy import keras, tf
from dltrain.training import memory
from dltrain.training.learner import Learner

EFFECTIVE_BATCH_SIZE = 256
"""Examples per optimizer step with `batch_size: auto` alone: the same on every machine, so that results are too."""


SHARE = 0.8
"""The share of the free memory that an estimate may use: it does not include the kernels' scratch space."""


def with_batch_size(config: Config, splits: Splits, devices: Devices, reporter: Reporter) -> Config:
    """Replaces `train.batch_size: auto` by the largest size that fits, and reports it.

    Raises:
        ConfigError: if `effective_batch_size` does not fit data and devices, or the size that fits is too small for the
            task.
        TrainingError: if nothing fits.
    """
    train = config.experiment.train
    if train.batch_size != "auto":
        return config
    if devices.workers.count > 1:
        with config.blame("train"):
            raise KeyProblem(
                "batch_size", "must be a number when several workers share a batch: each has its own memory"
            )
    goal = _goal(config, splits, devices)

    def sized(size: int) -> Config:
        chosen = dataclasses.replace(train, batch_size=size, accumulate_steps=goal // size, effective_batch_size=None)
        return dataclasses.replace(config, experiment=dataclasses.replace(config.experiment, train=chosen))

    fits = _fits_free_memory if devices.is_cpu else _fits_gpu
    last = max(len(config.experiment.stages) - 1, 0)  # the stage that trains the most, on the largest images
    for size in _sizes(goal, devices.replicas):
        if fits(lambda config: Learner(config, splits, devices, reporter, stage=last), sized(size)):
            reporter.say(
                f"train.batch_size: auto chose {size}, and train.accumulate_steps {goal // size}: "
                f"{goal} examples per optimizer step"
            )
            check_batches(sized(size), splits, devices.replicas)
            return sized(size)
    raise TrainingError(f"out of memory: not even train.batch_size: {devices.replicas} fits; try a smaller model")


def _goal(config: Config, splits: Splits, devices: Devices) -> int:
    wanted = config.experiment.train.effective_batch_size
    with config.blame("train"):
        examples = oversampling.count(config.experiment, splits.spec, splits.train)
        if examples < devices.replicas:
            raise KeyProblem(
                "batch_size",
                f"cannot be shared by {devices.replicas} devices: there are only {examples} training examples",
            )
        if wanted is None:
            whole = min(EFFECTIVE_BATCH_SIZE, 2 ** int(math.log2(examples)))
            return max(whole // devices.replicas, 1) * devices.replicas
        if wanted > examples:
            raise KeyProblem("effective_batch_size", f"must be at most the {examples} training examples, got {wanted}")
        if wanted % devices.replicas:
            raise KeyProblem(
                "effective_batch_size", f"must be divisible by the number of devices, {devices.replicas}, got {wanted}"
            )
    return wanted


def _sizes(goal: int, replicas: int) -> Iterator[int]:
    """Yields batch sizes that divide the goal and are shared by all devices, each at most half of the one before."""
    size, before = goal, 2 * goal
    while size >= 1:
        if goal % size == 0 and size % replicas == 0 and 2 * size <= before:
            yield size
            before = size
        size -= 1


def _fits_gpu(build: Callable[[Config], Learner], config: Config) -> bool:
    """Tries one step."""
    try:
        learner = build(config)
        learner.network.engine.train(learner.training_feed(), 0, 1)
    except tf.errors.ResourceExhaustedError:
        return False
    finally:
        learner = None  # type: ignore[assignment]
        keras.backend.clear_session()
        gc.collect()
    return True


def _fits_free_memory(build: Callable[[Config], Learner], config: Config) -> bool:
    free = memory.free_bytes()
    return free is None or memory.needed_bytes(build(config)) <= SHARE * free
