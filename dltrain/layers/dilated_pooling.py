"""Pooling whose window has gaps."""

import functools
from typing import Any, Literal

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="dltrain")
class DilatedPooling2D(keras.layers.Layer):
    """The largest or the mean of the values at every `dilation_rate`-th position of a window.

    y[i, j] is taken over x[i * stride + a * dilation - before, j * stride + b * dilation - before] for all a, b below
    the window's size. Keras's pooling layers know no dilation; TensorFlow's `tf.nn.pool` knows it for `valid` and
    stride 1 alone, where results are equal. Padding is ignored: max pads with -infinity, and the mean is over the real
    values only.

    Input: (batch, height, width, channels), both sides known. Output: likewise; a side of n becomes ceil(n / stride)
    for same and floor((n - (size - 1) * dilation - 1) / stride) + 1 for valid.

    Args:
        pool_size: height and width of the window, counted in values.
        dilation_rate: distance between these values, in rows and columns; 1 for no gaps.
        strides: step of the window, in rows and columns; none for the window's size.
        padding: same or valid; as TensorFlow pads, the odd row or column comes last.
        pooling: max or average.
    """

    def __init__(
        self,
        pool_size: int | tuple[int, int] = 2,
        dilation_rate: int | tuple[int, int] = 1,
        strides: int | tuple[int, int] | None = None,
        padding: Literal["same", "valid"] = "valid",
        pooling: Literal["max", "average"] = "max",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = _pair("pool_size", pool_size)
        self.dilation_rate = _pair("dilation_rate", dilation_rate)
        self.strides = self.pool_size if strides is None else _pair("strides", strides)
        if padding not in ("same", "valid"):
            raise ValueError(f"padding must be same or valid, got {padding!r}")
        if pooling not in ("max", "average"):
            raise ValueError(f"pooling must be max or average, got {pooling!r}")
        self.padding, self.pooling = padding, pooling

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Raises ValueError where a window would find nothing."""
        if len(input_shape) != 4 or None in input_shape[1:3]:
            raise ValueError(f"inputs must be (batch, height, width, channels) with known sides, got {input_shape}")
        sides = [side for side in input_shape[1:3] if side is not None]
        for side, size, rate in zip(sides, self.pool_size, self.dilation_rate, strict=True):
            if self.padding == "valid" and (size - 1) * rate >= side:
                raise ValueError(f"pool_size must span at most {side} values, got {(size - 1) * rate + 1}")
            if self.padding == "same" and rate > side:  # there would be windows of padding alone
                raise ValueError(f"dilation_rate must be at most the side {side}, got {rate}")

    def call(self, inputs: Any) -> Any:
        """Returns the pooled inputs."""
        ops = keras.ops
        if self.pooling == "max":
            return self._along(self._along(inputs, 1, ops.maximum, -np.inf), 2, ops.maximum, -np.inf)
        # 16 bits lose what is added to a large sum.
        values = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        values = self._along(self._along(values, 1, ops.add, 0.0), 2, ops.add, 0.0)
        there = np.ones((1, *inputs.shape[1:3], 1), "float32")
        counts = self._along(self._along(there, 1, np.add, 0.0), 2, np.add, 0.0)
        return ops.cast(values / ops.cast(counts, values.dtype), inputs.dtype)

    def _along(self, x: Any, axis: int, combine: Any, border: float) -> Any:
        """Reduces the window's values along one axis: shifted slices, one for each value."""
        size, rate, stride = self.pool_size[axis - 1], self.dilation_rate[axis - 1], self.strides[axis - 1]
        side, span = x.shape[axis], (size - 1) * rate + 1
        count = -(-side // stride) if self.padding == "same" else (side - span) // stride + 1
        missing = max((count - 1) * stride + span - side, 0)
        if self.padding == "same" and missing:
            widths = [(0, 0)] * 4
            widths[axis] = (missing // 2, missing - missing // 2)
            pad = np.pad if isinstance(x, np.ndarray) else keras.ops.pad
            x = pad(x, widths, constant_values=border)
        starts = range(0, size * rate, rate)
        cuts = [slice(start, start + (count - 1) * stride + 1, stride) for start in starts]
        return functools.reduce(combine, [x[(slice(None),) * axis + (cut,)] for cut in cuts])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {
            "pool_size": self.pool_size,
            "dilation_rate": self.dilation_rate,
            "strides": self.strides,
            "padding": self.padding,
            "pooling": self.pooling,
        }


def _pair(key: str, value: int | tuple[int, int]) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(number, int) and number >= 1 for number in pair):
        raise ValueError(f"{key} must be a whole number of at least 1 or two of them, got {value!r}")
    return pair[0], pair[1]
