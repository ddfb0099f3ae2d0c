"""What networks over whole series begin with: which steps there are, and their values on one scale."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class StepMask(keras.layers.Layer):
    """Says which steps a series has; those behind its end are NaN.

    Input: (batch, steps, channels). Output: (batch, steps), bool.
    """

    def call(self, inputs: Any) -> Any:
        """Asks the first channel."""
        return keras.ops.logical_not(keras.ops.isnan(inputs[..., 0]))

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns shape and type of the output."""
        return keras.KerasTensor(inputs.shape[:-1], "bool")


@keras.saving.register_keras_serializable(package="dltrain")
class SeriesScaling(keras.layers.Layer):
    """Series -> the same with mean 0 and deviation 1 of each channel, and 0 behind their ends, where they are NaN.

    Input and output: (batch, steps, channels).

    Args:
        mean: of each channel in the train part.
        deviation: likewise; where `is_own`, that within a series of the train part.
        is_own: take mean and deviation of each series itself; a deviation below a thousandth of that of the train
            part's series counts as that much, so that a constant series does not become noise.
    """

    def __init__(self, mean: list[float], deviation: list[float], is_own: bool = False, **kwargs: Any) -> None:
        # float32 whatever the precision: bfloat16 cannot tell neighbouring raw values apart above 256.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.mean, self.deviation, self.is_own = [*mean], [*deviation], is_own

    def call(self, inputs: Any) -> Any:
        """Subtracts and divides where there is a step."""
        ops = keras.ops
        absent = ops.isnan(inputs)
        weights = 1.0 - ops.cast(absent, "float32")
        # In this order: of a `where` whose second value is a constant, tf2onnx makes a product, and NaN * 0 is NaN.
        x = ops.where(absent, 0.0, inputs)
        mean, deviation = (ops.convert_to_tensor(each, "float32") for each in (self.mean, self.deviation))
        if self.is_own:
            count = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
            mean = ops.sum(x, axis=1, keepdims=True) / count
            variance = ops.sum(weights * ops.square(x - mean), axis=1, keepdims=True) / count
            deviation = ops.maximum(ops.sqrt(variance), 1e-3 * deviation)
        return weights * (x - mean) / deviation

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns the shape of the input."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        own = {"mean": self.mean, "deviation": self.deviation, "is_own": self.is_own}
        return super().get_config() | own
