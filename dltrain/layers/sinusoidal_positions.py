"""Positions of tokens as sines and cosines."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class SinusoidalPositions(keras.layers.Layer):
    """Adds to each token sines and cosines of its position, with wavelengths from 2 pi to 10,000 * 2 pi.

    A. Vaswani et al., "Attention is all you need", 2017, section 3.5; the sines stand first, then the cosines, as in
    the authors' code. There is no longest text.

    Input: (batch, tokens, width). Output: the same shape.
    """

    def call(self, inputs: Any) -> Any:
        """Adds the positions."""
        ops = keras.ops
        tokens, width = ops.shape(inputs)[1], inputs.shape[-1]
        half = width // 2
        rates = ops.exp(ops.arange(half, dtype="float32") * (-9.210340371976184 / max(half - 1, 1)))
        angles = ops.cast(ops.arange(tokens), "float32")[:, None] * rates
        signals = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
        return inputs + ops.cast(ops.pad(signals, ((0, 0), (0, width - 2 * half))), inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the input."""
        return input_shape
