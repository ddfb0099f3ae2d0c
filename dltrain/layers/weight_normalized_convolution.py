"""Causal convolutions over steps whose kernels have a length and a direction of their own."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class WeightNormalizedConvolution(keras.layers.Layer):
    """A convolution over steps that sees no later one, each filter's kernel divided by its norm, and times a gain.

    T. Salimans and D. P. Kingma, "Weight normalization", 2016, equation 2. Kernels start normal; each gain with the
    square root of 2, which is the norm that K. He et al. 2015 give a kernel. With strides, outputs are those of every
    so many steps, the last one among them.

    Input: (batch, steps, channels). Output: (batch, steps / strides rounded up, filters).

    Args:
        filters: how many.
        kernel_size: steps that each sees.
        strides: steps from one output to the next.
    """

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size, self.strides = filters, kernel_size, strides

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        kernel = (self.kernel_size, shape[-1], self.filters)
        self.direction = self.add_weight(shape=kernel, initializer="random_normal", name="direction")
        self.gain = self.add_weight(shape=kernel[-1:], initializer=keras.initializers.Constant(2**0.5), name="gain")
        self.bias = self.add_weight(shape=kernel[-1:], initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        """Convolves, with zeros before the first step."""
        ops = keras.ops
        kernel = self.direction * (self.gain / ops.sqrt(ops.sum(ops.square(self.direction), axis=(0, 1))))
        first = (x.shape[1] - 1) % self.strides
        x = ops.pad(x, ((0, 0), (self.kernel_size - 1, 0), (0, 0)))[:, first:]
        return ops.conv(x, kernel, self.strides, padding="valid") + self.bias

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, steps / strides rounded up, filters)."""
        return shape[0], -(-shape[1] // self.strides), self.filters

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("filters", "kernel_size", "strides")
        return super().get_config() | {name: getattr(self, name) for name in names}
