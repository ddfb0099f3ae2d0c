"""What forecasting networks begin and end with: each window in its own scale, and outputs in the targets' units again.

The scale of a window comes from its past alone, and is computed anew wherever it is needed.
"""

from typing import Any

import keras

from dltrain.data.transforms import Transform, transformed, undone


class _OfWindow(keras.layers.Layer):
    """A layer that knows the scale of a window.

    Args:
        window: steps of the past.
        targets: how many channels are forecast, the first ones.
        known: how many channels, the last ones, are known ahead.
        scaling: standard, mean 0 and deviation 1 over the window; last_value, the last value subtracted, divided by
            `spread`; none, mean and deviation of the train part.
        mean: of each channel in the train part.
        deviation: likewise.
        spread: of each target, deviation of a window's values from its last one in the train part.
        floor: of each target, the least that a window's deviation counts as.
        transform: of the targets, before all else; the statistics above are of transformed ones.
    """

    def __init__(
        self,
        window: int,
        targets: int,
        known: int,
        scaling: str,
        mean: list[float],
        deviation: list[float],
        spread: list[float],
        floor: list[float],
        transform: Transform = "none",
        **kwargs: Any,
    ) -> None:
        # float32 whatever the precision: bfloat16 cannot tell neighbouring raw values apart above 256.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.window, self.targets, self.known, self.scaling = window, targets, known, scaling
        self.mean, self.deviation, self.spread, self.floor = [*mean], [*deviation], [*spread], [*floor]
        self.transform = transform

    def moments(self, x: Any) -> tuple[Any, Any]:
        """Returns what is subtracted from each window's targets, and what they are divided by, (batch, 1, targets).

        Args:
            x: raw windows, (batch, steps, channels).
        """
        return self._moments(self._transformed(x))

    def _transformed(self, x: Any) -> Any:
        """Returns the targets of raw windows, (batch, window, targets), in the scale of the transform."""
        return transformed(x[:, : self.window, : self.targets], self.transform, keras.ops)

    def _moments(self, past: Any) -> tuple[Any, Any]:
        ops = keras.ops
        if self.scaling == "standard":
            middle = ops.mean(past, axis=1, keepdims=True)
            variance = ops.mean(ops.square(past - middle), axis=1, keepdims=True)
            return middle, ops.maximum(ops.sqrt(variance), ops.convert_to_tensor(self.floor, "float32"))
        last = past[:, -1:]
        if self.scaling == "last_value":
            return last, ops.zeros_like(last) + ops.convert_to_tensor(self.spread, "float32")
        mean, deviation = (
            ops.convert_to_tensor(each[: self.targets], "float32") for each in (self.mean, self.deviation)
        )
        return ops.zeros_like(last) + mean, ops.zeros_like(last) + deviation

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("window", "targets", "known", "scaling", "mean", "deviation", "spread", "floor", "transform")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="dltrain")
class WindowScaling(_OfWindow):
    """Windows of series, each in the scale of its own past.

    Input: raw windows, (batch, window, channels); or (batch, window + horizon, channels), where channels are known
    ahead. Output: (batch, window, channels), and behind these channels those that are known ahead once more, as they
    are a horizon later than the step. Targets are scaled by window, other channels by mean and deviation of the train
    part. Arguments as `_OfWindow` has them.
    """

    def call(self, x: Any) -> Any:
        """Scales, and puts what is known ahead beside the past."""
        ops = keras.ops
        x = ops.cast(x, "float32")
        past = self._transformed(x)
        middle, scale = self._moments(past)
        parts = [(past - middle) / scale]
        mean, deviation = (ops.convert_to_tensor(each, "float32") for each in (self.mean, self.deviation))
        others = (x - mean) / deviation
        if len(self.mean) > self.targets:
            parts.append(others[:, : self.window, self.targets :])
        if self.known:
            parts.append(others[:, x.shape[1] - self.window :, len(self.mean) - self.known :])
        return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, window, channels and those known ahead)."""
        return shape[0], self.window, len(self.mean) + self.known


@keras.saving.register_keras_serializable(package="dltrain")
class WindowUnits(_OfWindow):
    """Outputs in the scale of a window -> outputs in the targets' units: quantiles keep their order.

    Inputs: (batch, horizon, targets, outputs), and raw windows as `WindowScaling` takes them. Output: as the first.
    Arguments as `_OfWindow` has them.
    """

    def call(self, outputs: Any, x: Any) -> Any:
        """Multiplies by the window's scale, adds what was subtracted, and undoes the transform."""
        middle, scale = self.moments(keras.ops.cast(x, "float32"))
        return undone(outputs * scale[..., None] + middle[..., None], self.transform, keras.ops)

    def compute_output_shape(self, outputs_shape: Any, x_shape: Any = None) -> Any:
        """Returns the shape of the first input."""
        return outputs_shape


@keras.saving.register_keras_serializable(package="dltrain")
class KnownAhead(_OfWindow):
    """What is known ahead, of the steps that are forecast: (batch, horizon, channels known ahead), scaled.

    Input: raw windows as `WindowScaling` takes them. Arguments as `_OfWindow` has them.
    """

    def call(self, x: Any) -> Any:
        """Takes the steps behind the window."""
        ops = keras.ops
        x = ops.cast(x, "float32")[:, self.window :, len(self.mean) - self.known :]
        mean, deviation = (
            ops.convert_to_tensor(each[len(self.mean) - self.known :], "float32")
            for each in (self.mean, self.deviation)
        )
        return (x - mean) / deviation

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, horizon, channels known ahead)."""
        return shape[0], shape[1] - self.window, self.known
