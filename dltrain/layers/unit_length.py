"""Vectors brought to one length."""

from typing import Any

import keras

_LEAST = 1e-6
"""Added to squared lengths: without it the gradient at a vector of zeros is a trillion times as long as at others."""


def unit_length(x: Any, axis: int) -> Any:
    """Returns vectors along an axis in the same directions, of length 1, or 0 where they are of zeros alone."""
    ops = keras.ops
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=axis, keepdims=True) + _LEAST)


@keras.saving.register_keras_serializable(package="dltrain")
class UnitLength(keras.layers.Layer):
    """Vectors along the last axis in the same directions, of length 1, or 0 where they are of zeros alone."""

    def call(self, x: Any) -> Any:
        """Returns them, of the same shape."""
        return unit_length(x, -1)

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns that of the input."""
        return shape
