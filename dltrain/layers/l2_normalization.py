"""Vectors of length 1, times a learnt scale."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class L2Normalization(keras.layers.Layer):
    """scale * x / |x| over the channels of each position, with a learnt scale for each channel.

    W. Liu, A. Rabinovich and A. C. Berg, "ParseNet: looking wider to see better", 2015, section 3.3, as SSD uses it on
    its first feature map.

    Input and output: (batch, ..., channels).

    Args:
        initial_scale: of each channel; SSD's 20.
    """

    def __init__(self, initial_scale: float = 20.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial_scale = initial_scale

    def build(self, input_shape: Any) -> None:
        """Makes the scales."""
        start = keras.initializers.Constant(self.initial_scale)
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer=start, name="scale")

    def call(self, inputs: Any) -> Any:
        """Computes them in float32: float16 ends at 65,504, which sums of squares exceed."""
        ops = keras.ops
        values = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        squares = ops.sum(ops.square(values), axis=-1, keepdims=True)
        # Of a vector of zeros the root has no gradient.
        found = values * ops.rsqrt(ops.maximum(squares, 1e-24)) * ops.cast(self.scale, values.dtype)
        return ops.cast(found, inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"initial_scale": self.initial_scale}
