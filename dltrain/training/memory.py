"""Estimates of the memory that a run needs, and the free memory: Linux kills a process instead of refusing."""

import math
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from dltrain.data import DataSpec
from dltrain.keras_internals import all_layers, calls
from dltrain.lazy import keras, tf
from dltrain.training.learner import Learner


def warn(learner: Learner) -> None:
    """Warns where a run on the CPU will probably not fit into memory, and names the largest layer."""
    free = free_bytes()
    if not learner.devices.is_cpu or free is None:
        return
    # What is there already is no longer free: only what a step adds counts.
    found = parts(learner)
    needed = found["gradients"] + found["activations"]
    if needed > free:
        activations = _activations(learner.network.engine.model, learner.splits.spec) or {"unknown": 0}
        name, most = max(activations.items(), key=lambda item: item[1])
        size = learner.experiment.train.examples_per_batch
        learner.reporter.warn(
            f"a step needs about {needed / 1e9:.1f} GB with train.batch_size: {size} (layer {name} alone "
            f"{most * size / 1e9:.1f} GB), but only {free / 1e9:.1f} GB are free: the system may kill the run without "
            "a message; train.batch_size=auto chooses a size that fits"
        )


def needed_bytes(learner: Learner) -> int:
    """Estimates the bytes that a run needs beside its data: weights, optimizer slots, gradients and activations."""
    return sum(parts(learner).values())


def parts(learner: Learner) -> dict[str, int]:
    """Estimates the bytes of weights, slots (of the optimizer), gradients and activations; weights hold all states."""
    model, train = learner.network.engine.model, learner.experiment.train
    slots = _bytes(model.optimizer.variables)
    return {
        "weights": _bytes(learner.network.variables.values()) - slots,
        "slots": slots,
        "gradients": _bytes(model.trainable_variables) * (2 if train.accumulate_steps > 1 else 1),
        # What each layer returns is kept for the backward pass, where a gradient of the same size stands beside it.
        "activations": 2 * sum(_activations(model, learner.splits.spec).values()) * train.examples_per_batch,
    }


def _bytes(variables: Any) -> int:
    return sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)


def _activations(model: Any, spec: DataSpec) -> dict[str, int]:
    """Returns the bytes that each layer returns for one example, by the layer's name.

    A length that differs between examples is that of the longest.
    """
    pairs = (pair for each in spec.inputs.values() for pair in zip(each.shape, each.max_shape, strict=True))
    longest = max((most for side, most in pairs if side is None), default=1)
    return {
        layer.name: sum(
            math.prod(longest if side is None else side for side in output.shape[1:]) * tf.as_dtype(output.dtype).size
            for output in keras.tree.flatten(layer.output)
        )
        for layer in all_layers(model, include_self=False)
        if calls(layer)
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
