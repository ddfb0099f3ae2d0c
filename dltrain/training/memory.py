"""How much memory a run takes, estimated, and how much is free: Linux kills a process instead of refusing."""

import math
import resource
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dltrain.data import Features
from dltrain.data.spec import INPUTS
from dltrain.keras_internals import all_layers, calls
from dltrain.lazy import keras, tf
from dltrain.training.learner import Learner


def warn(learner: Learner) -> None:
    """Says so where a run on the CPU will probably not fit into memory, and which layer takes most of it."""
    free = free_bytes()
    if not learner.devices.is_cpu or free is None:
        return
    # What is there already is no longer free: only what a step adds counts.
    found = parts(learner)
    needed = found["gradients"] + found["activations"]
    if needed > free:
        activations = _activations(learner) or {"unknown": 0}
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
        "activations": 2 * sum(_activations(learner).values()) * train.examples_per_batch,
    }


def _bytes(variables: Any) -> int:
    return sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)


def _activations(learner: Learner) -> dict[str, int]:
    """Returns the bytes that each layer returns for one example, the longest there is, by the layer's name."""
    model = learner.engine.model
    layers = [layer for layer in all_layers(model, include_self=False) if calls(layer)]
    outputs = {layer.name: keras.tree.flatten(layer.output) for layer in layers}
    if any(None in output.shape[1:] for each in outputs.values() for output in each):
        outputs |= _of_longest(model, _longest(model, learner.splits.spec.inputs))
    return {
        name: sum(math.prod(side or 1 for side in output.shape[1:]) * tf.as_dtype(output.dtype).size for output in each)
        for name, each in outputs.items()
    }


def _longest(model: Any, features: Features) -> list[Any]:
    """Returns a network's symbolic inputs, each length that differs that of the longest example."""
    by_name = features if len(features) > 1 else {INPUTS: features.only}

    def largest(tensor: Any) -> Any:
        most = by_name[tensor.name].max_shape if tensor.name in by_name else tensor.shape[1:]
        sides = [most[axis] if side is None else side for axis, side in enumerate(tensor.shape[1:])]
        return keras.KerasTensor((None, *sides), tensor.dtype)

    return [largest(tensor) for tensor in model.inputs]


def _of_longest(network: Any, inputs: Sequence[Any]) -> dict[str, list[Any]]:
    """Returns the symbolic outputs of a network's layers, and of those of the networks within it, for other inputs.

    Args:
        network: a functional one.
        inputs: in the order of its own.
    """
    nodes = {layer.name: calls(layer)[-1] for layer in network.layers if calls(layer)}
    within = {layer.name: layer for layer in network.layers if layer.name in nodes and hasattr(layer, "layers")}
    wanted = {
        "inputs": {name: nodes[name].input_tensors for name in within},
        "outputs": {name: node.output_tensors for name, node in nodes.items()},
    }
    found = keras.Model(network.inputs, wanted).compute_output_spec([*inputs])
    outputs: dict[str, list[Any]] = dict(found["outputs"])
    for name, layer in within.items():
        outputs |= _of_longest(layer, found["inputs"][name])
    return outputs


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
