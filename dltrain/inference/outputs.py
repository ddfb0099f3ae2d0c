"""What a task's `inference` returns for examples, collected: nothing else leaves the device."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dltrain.data import DataSpec, Outcome, Split, trees
from dltrain.engine.tensors import averaged, rows, specs
from dltrain.lazy import tf

BATCH = 256
"""Examples at a time, at most, where nothing is compiled."""


class Stopped(Exception):
    """A signal asked to stop."""


def compiled(task: Any, spec: DataSpec, model: Any) -> Any:
    """Returns the task's `inference` as a compiled function of a batch of any size, each row one view of an example."""
    return tf.function(task.inference(spec, model), [specs(spec.inputs)], autograph=False)


def outcome(
    task: Any,
    spec: DataSpec,
    model: Any,
    part: str,
    split: Split,
    size: int = BATCH,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Returns what a network makes of a part of the data.

    Args:
        task: what says what leaves the device.
        spec: what the data are.
        model: the network, of one view of each example.
        part: what the examples are called.
        split: the examples.
        size: examples at a time, at most.
        stopped: asked between batches.

    Raises:
        Stopped: once `stopped` is true.
        DataError: if an example cannot be read.
    """
    outputs = collected(task.inference(spec, model), spec, split, size, stopped)
    return Outcome(spec, part, split, split.metadata, outputs)


def collected(infer: Callable[[Any], Any], spec: DataSpec, split: Split, size: int, stopped: Callable[[], bool]) -> Any:
    """Returns what a function of batches returns for a part of the data, an example along the first axis."""
    found = []
    for start in range(0, len(split), size):
        if stopped():
            raise Stopped
        found.append(inferred(infer, spec, trees.taken(split.inputs, slice(start, start + size))))
    return joined(found)


def inferred(infer: Callable[[Any], Any], spec: DataSpec, inputs: Any) -> Any:
    """Returns what a function of batches returns for examples: the mean over the views of each.

    Args:
        infer: the function, which sees each view by itself.
        spec: what the data are.
        inputs: stored values; only of `Examples` is there more than one view.
    """
    batch, views = rows(spec.inputs, inputs)
    return averaged(arrays(infer(batch)), views)


def arrays(outputs: Any) -> Any:
    """Returns tensors as arrays of the host's."""
    return tf.nest.map_structure(np.asarray, outputs)


def joined(pieces: Sequence[Any]) -> Any:
    """Returns outputs of several batches as one; a list of each example's where lengths differ between batches."""

    def together(*parts: np.ndarray) -> Any:
        if len({part.shape[1:] for part in parts}) == 1:
            return np.concatenate(parts)
        return [row for part in parts for row in part]

    return tf.nest.map_structure(together, *pieces)


def finite(outputs: Any) -> np.ndarray:
    """Returns of which examples every output is finite, (examples,), bool."""
    found = [np.array([np.isfinite(row).all() for row in each], bool) if isinstance(each, list) else
             np.isfinite(each).reshape(len(each), -1).all(axis=1) for each in _leaves(outputs)]  # fmt: skip
    return np.logical_and.reduce(found)


def _leaves(outputs: Any) -> list[Any]:
    """Returns arrays, and lists of an array for each example, of which outputs consist."""
    return [leaf for each in outputs.values() for leaf in _leaves(each)] if isinstance(outputs, dict) else [outputs]
