"""A layer is tried on zeros: of many, Keras works out the shape of the output by other code than the call.

A network can then be built of layers that fail at the first batch, far from their line in a config.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from dltrain.lazy import keras, tf


def zeros(x: Any) -> Any:
    """Returns an example of zeros for a symbolic tensor; none where its shape is not known."""
    return None if None in x.shape[1:] else keras.ops.zeros((1, *x.shape[1:]), x.dtype)


def tried(layer: Any, apply: Callable[..., Any], taken: Sequence[Any], examples: Sequence[Any], output: Any) -> Any:
    """Calls a layer as in evaluation on an example, and follows the call as in training without computing it.

    Args:
        layer: the layer.
        apply: calls it.
        taken: its symbolic inputs.
        examples: the same of an example; none where that is not known.
        output: its symbolic output.

    Returns:
        the output of the example; none where it is not known.

    Raises:
        Exception: whatever the call raises; a ValueError if it returns something else than was announced.
    """
    if any(each is x for each in keras.tree.flatten(output) for x in taken):
        raise ValueError("it returns its input itself, which Keras cannot connect")
    knows = "training" in inspect.signature(layer.call).parameters
    evaluates = functools.partial(apply, training=False) if knows else apply
    is_known = all(example is not None for example in examples)
    signatures = [
        tf.TensorSpec(x.shape, x.dtype if example is None else example.dtype)
        for x, example in zip(taken, examples, strict=True)
    ]
    found = evaluates(*examples) if is_known else _traced(evaluates, signatures)
    _require_shapes(found, output)
    # What training changes in a layer of several devices is theirs, and cannot be traced outside of a step.
    if knows and tf.distribute.get_strategy().num_replicas_in_sync == 1:
        _require_shapes(_traced(functools.partial(apply, training=True), signatures), output)
    return found if is_known else None


def _traced(call: Callable[..., Any], signatures: Sequence[Any]) -> Any:
    return tf.function(call, autograph=False).get_concrete_function(*signatures).structured_outputs


def _require_shapes(found: Any, announced: Any) -> None:
    shapes = [[tuple(each.shape[1:]) for each in keras.tree.flatten(tree)] for tree in (found, announced)]
    if len(shapes[0]) != len(shapes[1]) or not all(map(_agree, *shapes)):
        got, said = (" and ".join(map(str, each)) for each in shapes)
        raise ValueError(f"it returns the shape {got}, but tells the layers after it {said}")


def _agree(shape: tuple[int | None, ...], other: tuple[int | None, ...]) -> bool:
    if len(shape) != len(other):
        return False
    return all(None in pair or pair[0] == pair[1] for pair in zip(shape, other, strict=True))
