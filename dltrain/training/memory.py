"""Which batch fits into memory: tried on a GPU; estimated on a CPU, where Linux kills a process instead of refusing."""

import dataclasses
import gc
import math
import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from dltrain.config.experiment import Config
from dltrain.data import Splits
from dltrain.errors import KeyProblem, TrainingError
from dltrain.lazy import keras, tf
from dltrain.training import oversampling
from dltrain.training.device import Devices
from dltrain.training.learner import Learner
from dltrain.training.progress import Reporter

EFFECTIVE_BATCH_SIZE = 256
"""Examples per optimizer step with `batch_size: auto` alone: the same on every machine, so that results are too."""

SHARE = 0.8
"""How much of the free memory an estimate may take up: it knows nothing of kernels' scratch space."""


def with_batch_size(config: Config, splits: Splits, devices: Devices, reporter: Reporter) -> Config:
    """Returns the config with a number where `train.batch_size` is auto, and says which.

    Raises:
        ConfigError: if `effective_batch_size` does not fit data and devices.
        TrainingError: if nothing fits.
    """
    train = config.experiment.train
    if train.batch_size != "auto":
        return config
    if devices.workers.count > 1:
        with config.blame("train"):
            raise KeyProblem(
                "batch_size", "must be a number where several workers share it: each has memory of its own"
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
                f"train.batch_size: auto is {size}, train.accumulate_steps {goal // size}: "
                f"{goal} examples per optimizer step"
            )
            return sized(size)
    raise TrainingError(f"out of memory: not even train.batch_size: {devices.replicas} fits; try a smaller model")


def _goal(config: Config, splits: Splits, devices: Devices) -> int:
    wanted = config.experiment.train.effective_batch_size
    with config.blame("train"):
        examples = oversampling.count(config.experiment, splits.train)
        if examples < devices.replicas:
            raise KeyProblem(
                "batch_size", f"cannot be shared by {devices.replicas} devices: {examples} training examples"
            )
        if wanted is None:
            whole = min(EFFECTIVE_BATCH_SIZE, 2 ** int(math.log2(examples)))
            return max(whole // devices.replicas, 1) * devices.replicas
        if wanted > examples:
            raise KeyProblem("effective_batch_size", f"must be at most the {examples} training examples, got {wanted}")
        if wanted % devices.replicas:
            raise KeyProblem("effective_batch_size", f"must divide by the {devices.replicas} devices, got {wanted}")
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
        learner.engine.train(learner.training_feed(), 0, 1)
    except tf.errors.ResourceExhaustedError:
        return False
    finally:
        learner = None  # type: ignore[assignment]
        keras.backend.clear_session()
        gc.collect()
    return True


def _fits_free_memory(build: Callable[[Config], Learner], config: Config) -> bool:
    free = free_bytes()
    return free is None or needed_bytes(build(config)) <= SHARE * free


def warn(learner: Learner) -> None:
    """Says so where a run on the CPU will probably not fit into memory, and which layer takes most of it."""
    free = free_bytes()
    if not learner.devices.is_cpu or free is None:
        return
    # What is there already is no longer free: only what a step adds counts.
    found = parts(learner)
    needed = found["gradients"] + found["activations"]
    if needed > free:
        activations = _activations(learner.engine.model) or {"unknown": 0}
        name, most = max(activations.items(), key=lambda item: item[1])
        size = learner.experiment.train.examples_per_batch
        learner.reporter.warn(
            f"a step takes about {needed / 1e9:.1f} GB with train.batch_size: {size} (layer {name} alone "
            f"{most * size / 1e9:.1f} GB), and {free / 1e9:.1f} GB are free: the system may end the run without a "
            "word; train.batch_size=auto takes a size that fits"
        )


def needed_bytes(learner: Learner) -> int:
    """Estimates what a run takes beside its data: weights, the optimizer's slots, gradients and activations."""
    return sum(parts(learner).values())


def parts(learner: Learner) -> dict[str, int]:
    """Estimates the bytes of weights, slots (of the optimizer), gradients and activations; weights hold all states."""
    model, train = learner.engine.model, learner.experiment.train
    slots = _bytes(model.optimizer.variables)
    return {
        "weights": _bytes(learner.variables.values()) - slots,
        "slots": slots,
        "gradients": _bytes(model.trainable_variables) * (2 if train.accumulate_steps > 1 else 1),
        # What each layer returns is kept for the backward pass, where a gradient of the same size stands beside it.
        "activations": 2 * sum(_activations(model).values()) * train.examples_per_batch,
    }


def _bytes(variables: Any) -> int:
    return sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)


def _activations(model: Any) -> dict[str, int]:
    """Returns the bytes that each layer returns for one example, by the layer's name."""
    return {
        layer.name: sum(
            math.prod(output.shape[1:]) * tf.as_dtype(output.dtype).size for output in keras.tree.flatten(layer.output)
        )
        for layer in model._flatten_layers(include_self=False)
        if getattr(layer, "_inbound_nodes", None)
    }


def free_bytes() -> int | None:
    """Returns how much memory this process may still take: of the machine, its control group and its own limit.

    None where the system does not say.
    """
    found = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")))
    found += _group_headrooms()
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        with suppress(OSError, ValueError):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            found.append(limit - pages * resource.getpagesize())
    return max(min(found), 0) if found else None


def _group_headrooms() -> Iterator[int]:
    """Yields what each control group (version 2, then 1) above this process leaves of its limit."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, place = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            root, limit, used = (
                (Path("/sys/fs/cgroup"), "memory.max", "memory.current")
                if controllers == ""
                else (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes", "memory.usage_in_bytes")
            )
            folder = root / place.lstrip("/")
            for group in [folder, *folder.parents]:
                with suppress(OSError, ValueError):  # "max": no limit here
                    yield int((group / limit).read_text()) - int((group / used).read_text()) + _cached(group)
                if group == root:
                    break


def _cached(group: Path) -> int:
    """Returns the bytes of files that a control group keeps in memory and would give up."""
    with suppress(OSError, ValueError):
        for line in (group / "memory.stat").read_text().splitlines():
            if line.startswith(("inactive_file ", "total_inactive_file ")):
                return int(line.split()[1])
    return 0
