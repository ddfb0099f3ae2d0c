"""Grad-CAM, and the weights of the first layer as pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dltrain.data import DataSpec, Feature
from dltrain.engine.tensors import tensors
from dltrain.keras_internals import calls, latest_output, narrow_places
from dltrain.lazy import keras, tf

MOST_FILTERS = 64
"""First filters that are shown."""

LAST = ("Pooling", "Dropout", "Flatten")
"""What the names of layers hold that only gather what a feature map says: Grad-CAM is taken before them."""


def first_filters(model: Any, spec: DataSpec) -> np.ndarray | None:
    """Returns the weights of the first layer that are pictures, (filters, height, width, channels).

    They are those of a convolution, or of a dense layer that takes all pixels; none where there is no such layer.
    """
    image = only_image(spec)
    if image is None:
        return None
    for layer in _flat(model):
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        values = np.array(kernel, np.float32)
        sides = [side or 0 for side in image.model_shape]
        if values.ndim == 2 and values.shape[0] == math.prod(sides):
            values = values.reshape(*sides, -1)
        if values.ndim != 4 or values.shape[0] * values.shape[1] == 1 or values.shape[2] not in (1, 3):
            return None
        return np.moveaxis(values, -1, 0)[:MOST_FILTERS]
    return None


def only_image(spec: DataSpec) -> Feature | None:
    """Returns the only input that is an image behind its preprocessing; none where there is none, or several."""
    found = [each for each in spec.inputs.values() if len(each.model_shape) == 3]
    return found[0] if len(spec.inputs) == len(found) == 1 and None not in found[0].model_shape else None


def _flat(model: Any) -> list[Any]:
    """Returns all layers, those of networks within the network in their place."""
    found = []
    for layer in model.layers:
        found += _flat(layer) if hasattr(layer, "layers") else [layer]
    return found


def grad_cam(model: Any, task: Any, spec: DataSpec, inputs: Any, batch_size: int) -> np.ndarray | None:
    """Returns how much each place raises the score of the prediction, 0 to 1, (images, height, width).

    R. R. Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based localization", 2017,
    equations 1 and 2, at the last feature map before it is pooled; of the task's score, such as the largest logit.
    Enlarged to the image's size, bilinearly.

    Args:
        model: the network.
        task: whose score is explained.
        spec: what the data are.
        inputs: stored values of the only input, (images, *shape).
        batch_size: images at a time.

    Returns:
        none where the input is no image, or the network is not convolutional to its end.
    """
    image = only_image(spec)
    feature_map = None if image is None else _last_feature_map(model)
    if image is None or feature_map is None:
        return None
    probe = keras.Model(model.inputs, [feature_map, model.output])
    found = []
    for start in range(0, len(inputs), batch_size):
        batch = tensors(spec.inputs, inputs[start : start + batch_size])
        with tf.GradientTape() as tape:
            tape.watch(batch)  # of frozen weights alone, nothing would be recorded
            features, outputs = probe(batch, training=False)
            score = task.score(spec, outputs)
        slopes = tf.cast(tape.gradient(score, features), tf.float32)
        weights = tf.reduce_mean(slopes, axis=(1, 2), keepdims=True)
        maps = tf.nn.relu(tf.reduce_sum(weights * tf.cast(features, tf.float32), axis=-1, keepdims=True))
        maps = tf.image.resize(maps, image.model_shape[:2])[..., 0].numpy()
        found.append(maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12))
    return np.concatenate(found)


def _last_feature_map(model: Any) -> Any:
    """Returns the symbolic output that Grad-CAM is taken of; none where there is no such one."""
    last = shared = None
    convolves = is_sequence = has_rows = False
    narrow = {id(operation) for operation, _ in narrow_places(model)}
    for layer in model.layers:
        if not calls(layer):
            return None
        output = latest_output(layer)
        convolves |= any(len(weight.shape) == 4 for weight in layer.weights)
        shape = output.shape
        has_rows |= len(shape) == 3 and last is not None
        is_sequence |= has_rows and len(shape) == 3 and id(layer) in narrow
        if is_sequence and layer.weights:
            return None  # a sequence of patches: what follows mixes places
        if (
            convolves
            and len(shape) == 4
            and shape[1] * shape[2] > 1
            and not any(word in type(layer).__name__ for word in LAST)
        ):
            last, shared = output, output if id(layer) in narrow else shared
    # Where several maps end in rows of their own, as a detector's do, it is the last that all of them are made of.
    return shared if has_rows else last
