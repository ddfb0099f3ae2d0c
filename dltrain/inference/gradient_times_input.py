"""Which tokens of a text, or steps of a series, spoke for a network's answer, and which against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dltrain.data import DataSpec, Feature
from dltrain.data.spec import NORMALIZATION
from dltrain.engine.tensors import tensors
from dltrain.keras_internals import calls, latest_output
from dltrain.lazy import keras, tf


def gradient_times_input(
    model: Any, task: Any, spec: DataSpec, inputs: Any, batch_size: int
) -> list[np.ndarray] | None:
    """Returns how much each token, or step, adds to the score of the prediction, -1 to 1, (tokens,) of each example.

    M. Denil, A. Demiraj and N. de Freitas, "Extraction of salient sentences from labelled documents", 2014, section
    3.2, with the sign: the gradient of the task's score, such as the largest logit, times the token's vector, or times
    what a network makes of a step first, its distance from the mean. The largest of an example is 1 or -1.

    Args:
        model: the network.
        task: whose score is explained.
        spec: what the data are.
        inputs: stored values of the only input.
        batch_size: examples at a time.

    Returns:
        none where the input is neither a row of ids nor steps, or the network makes no vectors of them first.
    """
    vectors = _vectors(model, [*spec.inputs.values()])
    if vectors is None:
        return None
    before, after = keras.Model(model.input, vectors), keras.Model([model.input, vectors], model.output)
    found: list[np.ndarray] = []
    for start in range(0, len(inputs), batch_size):
        some = inputs[start : start + batch_size]
        ids = tensors(spec.inputs, some)
        embedded = before(ids, training=False)
        with tf.GradientTape() as tape:
            tape.watch(embedded)
            score = task.score(spec, after([ids, embedded], training=False))
        shares = tf.reduce_sum(tf.cast(tape.gradient(score, embedded) * embedded, tf.float32), axis=-1)
        # Of pairs and triples of neighbours, which have vectors too, the share is that of the first.
        shares = tf.reduce_sum(tf.reshape(shares, (len(some), -1, tf.shape(ids)[1])), axis=1).numpy()
        found += [row[: len(each)] for row, each in zip(shares, some, strict=True)]
    return [row / max(np.abs(row).max(initial=0), 1e-12) for row in found]


def _vectors(model: Any, features: Sequence[Feature]) -> Any:
    """Returns the symbolic vectors that a network makes of ids, or of steps, (batch, places, width); else none."""
    if len(features) != 1:
        return None
    if features[0].dtype == "int32" and features[0].model_shape == (None,):
        made = [layer for layer in model.layers if layer.weights and calls(layer)]
    elif features[0].shape == features[0].model_shape and len(features[0].shape) == 2:
        made = [layer for layer in model.layers if layer.name == NORMALIZATION]
    else:
        return None
    output = latest_output(made[0]) if made else None
    return output if output is not None and len(output.shape) == 3 else None
