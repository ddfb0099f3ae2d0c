"""Stored values as the tensors of a batch."""

from typing import Any

import numpy as np

from dltrain.data import Feature, Features, Ragged, named, trees, unnamed
from dltrain.lazy import tf


def tensors(features: Features, stored: Any) -> Any:
    """Returns stored values as a batch, each of its feature's dtype; a dict by name where there are several features.

    Args:
        features: what the values are.
        stored: (examples, *shape); a dict of such where there are several features.
    """
    values = named(features, stored)
    return unnamed(
        {name: _tensor(feature, trees.read(values[name], slice(None))) for name, feature in features.items()}
    )


def rows(features: Features, stored: Any) -> tuple[Any, int]:
    """Returns what evaluation sees of stored values as such a batch, each view of an example as a row of it.

    Args:
        features: what the values are.
        stored: (examples, *shape), or `Examples`; a dict of such where there are several features.

    Returns:
        the batch, (examples * views, *shape), and how many views an example has.
    """
    values = named(features, stored)
    read = {name: trees.views(values[name]) for name in features}
    views = max(count for _, count in read.values())

    def one(feature: Feature, values: Any, count: int) -> Any:
        tensor = _tensor(feature, values)
        return tensor if count == views else tf.repeat(tensor, views // count, axis=0)

    return unnamed({name: one(feature, *read[name]) for name, feature in features.items()}), views


def averaged(outputs: Any, views: int) -> Any:
    """Returns the mean of the outputs of each example's views.

    Args:
        outputs: arrays, (examples * views, ...), or a tree of these.
        views: of each example.
    """
    if views == 1:
        return outputs
    return tf.nest.map_structure(lambda each: each.reshape(-1, views, *each.shape[1:]).mean(axis=1), outputs)


def specs(features: Features) -> Any:
    """Returns what such batches are, of any size: the signature of a compiled function."""
    return unnamed({name: tf.TensorSpec((None, *each.shape), each.dtype) for name, each in features.items()})


def example(specs: Any) -> Any:
    """Returns a batch of one example of zeros that is as `specs` say; lengths that differ are 1."""
    return tf.nest.map_structure(
        lambda spec: np.zeros([side or 1 for side in spec.shape], spec.dtype.as_numpy_dtype), specs
    )


def _tensor(feature: Feature, values: Any) -> Any:
    return tf.convert_to_tensor(values.padded(feature.padding) if isinstance(values, Ragged) else values, feature.dtype)
