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
    return unnamed({name: _tensor(feature, values[name]) for name, feature in features.items()})


def specs(features: Features) -> Any:
    """Returns what such batches are, of any size: the signature of a compiled function."""
    return unnamed({name: tf.TensorSpec((None, *each.shape), each.dtype) for name, each in features.items()})


def example(specs: Any) -> Any:
    """Returns a batch of one example of zeros that is as `specs` say; lengths that differ are 1."""
    return tf.nest.map_structure(
        lambda spec: np.zeros([side or 1 for side in spec.shape], spec.dtype.as_numpy_dtype), specs
    )


def _tensor(feature: Feature, values: Any) -> Any:
    values = trees.read(values, slice(None))
    return tf.convert_to_tensor(values.padded(feature.padding) if isinstance(values, Ragged) else values, feature.dtype)
