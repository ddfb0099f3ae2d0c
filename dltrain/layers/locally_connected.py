"""Convolutions whose kernels are not shared: each position of the output has weights of its own."""

import itertools
import math
from typing import Any, ClassVar, Literal

import keras


class _LocallyConnected(keras.layers.Layer):
    """A convolution of `rank` axes without shared weights.

    Args:
        filters: number of output channels.
        kernel_size: of the window, in rows (and columns).
        strides: step of the window.
        padding: valid adds none; same adds zeros as TensorFlow does, the odd row or column last.
        data_format: channels_last or channels_first; none for Keras's default.
        activation: of the outputs.
        use_bias: whether each position and filter has a bias.
        kernel_initializer: of the kernel, for each position as for a dense layer of its inputs and filters.
        bias_initializer: of the bias.
        kernel_regularizer: of the kernel.
        bias_regularizer: of the bias.
        activity_regularizer: of the outputs.
        kernel_constraint: of the kernel.
        bias_constraint: of the bias.
    """

    rank: ClassVar[int]

    def __init__(
        self,
        filters: int,
        kernel_size: int | tuple[int, ...],
        strides: int | tuple[int, ...] = 1,
        padding: Literal["valid", "same"] = "valid",
        data_format: Literal["channels_last", "channels_first"] | None = None,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.filters = _sizes("filters", filters, 1)[0]
        self.kernel_size = _sizes("kernel_size", kernel_size, self.rank)
        self.strides = _sizes("strides", strides, self.rank)
        if padding not in ("valid", "same"):
            raise ValueError(f"padding must be valid or same, got {padding!r}")
        self.padding = padding
        self.data_format = keras.config.image_data_format() if data_format is None else data_format
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(f"data_format must be channels_last or channels_first, got {data_format!r}")
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank + 2)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes kernel (positions, window * channels, filters) and bias (*sides, filters), as Keras 2 did.

        Raises:
            ValueError: where a side or the channels are not known, or no window fits in.
        """
        known = [size for size in self._last(input_shape[1:]) if size is not None]
        if len(known) < self.rank + 1:
            raise ValueError(f"inputs must have known sides and channels: each position has weights, got {input_shape}")
        *sides, channels = known
        self._pads = [
            self._padded(side, *each) for side, *each in zip(sides, self.kernel_size, self.strides, strict=True)
        ]
        self._sides = tuple(
            (side + sum(pad) - size) // step + 1
            for side, pad, size, step in zip(sides, self._pads, self.kernel_size, self.strides, strict=True)
        )
        if min(self._sides) < 1:
            raise ValueError(f"kernel_size must be at most the inputs' sides {tuple(sides)}, got {self.kernel_size}")
        self.kernel = self.add_weight(
            shape=(math.prod(self._sides), math.prod(self.kernel_size) * channels, self.filters),
            initializer=self._drawn,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(*self._sides, self.filters),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def _drawn(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Returns a kernel whose variance is that of a dense layer at each position.

        Keras takes the first axis for that of a window, and its variance for smaller by the number of positions.
        """
        drawn = self.kernel_initializer(shape, dtype=dtype)
        is_scaled = isinstance(self.kernel_initializer, keras.initializers.VarianceScaling)
        return drawn * math.sqrt(shape[0]) if is_scaled else drawn

    def call(self, inputs: Any) -> Any:
        """Returns the outputs: the windows side by side, then one matrix multiplication for each position."""
        ops = keras.ops
        # The batch moves behind the positions while there is little to move: not of the windows, which overlap.
        order = [0, self.rank + 1] if self.data_format == "channels_last" else [0, 1]
        x = ops.transpose(inputs, [axis for axis in range(self.rank + 2) if axis not in order] + order)
        if any(map(any, self._pads)):
            x = ops.pad(x, [*self._pads, (0, 0), (0, 0)])
        spans = [(side - 1) * step + 1 for side, step in zip(self._sides, self.strides, strict=True)]
        cuts = tuple(slice(None, None, step) for step in self.strides)
        # A slice, whose gradient TensorFlow's CPU kernels compute seven times as fast as that of x[a:b].
        windows = [
            ops.slice(x, (*start, 0, 0), (*spans, *ops.shape(x)[self.rank :]))
            for start in itertools.product(*map(range, self.kernel_size))
        ]
        if max(self.strides) > 1:
            windows = [window[cuts] for window in windows]
        positions, size = self.kernel.shape[:2]
        patches = ops.reshape(ops.concatenate(windows, axis=-1), (positions, -1, size))
        y = ops.einsum("pbk,pkf->pbf", patches, self.kernel)
        y = ops.reshape(y, (*self._sides, -1, self.filters))
        y = ops.transpose(y, (self.rank, *range(self.rank), self.rank + 1))
        if self.bias is not None:
            y = ops.add(y, self.bias)
        y = y if self.activation is None else self.activation(y)
        return ops.moveaxis(y, -1, 1) if self.data_format == "channels_first" else y

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns (batch, *sides, filters), or (batch, filters, *sides)."""
        *sides, _ = self._last(input_shape[1:])
        after = [
            None if side is None else (side + sum(self._padded(side, size, step)) - size) // step + 1
            for side, size, step in zip(sides, self.kernel_size, self.strides, strict=True)
        ]
        is_last = self.data_format == "channels_last"
        return (input_shape[0], *after, self.filters) if is_last else (input_shape[0], self.filters, *after)

    def _last(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the sides and channels of an example with the channels last."""
        return shape if self.data_format == "channels_last" else (*shape[1:], shape[0])

    def _padded(self, side: int, size: int, step: int) -> tuple[int, int]:
        """Returns how many zeros stand before and behind a side."""
        missing = max((-(-side // step) - 1) * step + size - side, 0) if self.padding == "same" else 0
        return missing // 2, missing - missing // 2

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        kinds = {
            "initializer": keras.initializers, "regularizer": keras.regularizers, "constraint": keras.constraints
        }  # fmt: skip
        names = [f"{weight}_{kind}" for weight in ("kernel", "bias") for kind in kinds]
        return (
            super().get_config()
            | {key: getattr(self, key) for key in ("filters", "kernel_size", "strides", "padding", "data_format")}
            | {"activation": keras.activations.serialize(self.activation), "use_bias": self.use_bias}
            | {"activity_regularizer": keras.regularizers.serialize(self.activity_regularizer)}
            | {name: kinds[name.partition("_")[2]].serialize(getattr(self, name)) for name in names}
        )


@keras.saving.register_keras_serializable(package="dltrain")
class LocallyConnected1D(_LocallyConnected):
    """A convolution over steps whose kernel is another at each of them.

    y[i] = activation(sum over a of x[i * stride + a] K[i, a] + b[i]). Keras 3 no longer has it; arguments and weights
    are those of Keras 2, with `same` padding beside `valid`, and an initial variance that does not shrink with the
    number of positions.

    Input: (batch, steps, channels), steps known. Output: (batch, steps after, filters). It has
    steps after * (kernel_size * channels + 1) * filters weights.
    """

    rank = 1


@keras.saving.register_keras_serializable(package="dltrain")
class LocallyConnected2D(_LocallyConnected):
    """A convolution over rows and columns whose kernel is another at each position, as of faces or digits in place.

    y[i, j] = activation(sum over a, b of x[i * stride + a, j * stride + b] K[i, j, a, b] + b[i, j]). Keras 3 no longer
    has it; arguments and weights are those of Keras 2, with `same` padding beside `valid`, and an initial variance that
    does not shrink with the number of positions. K. Gregor and Y. LeCun, "Emergence of complex-like cells in a temporal
    product network with local receptive fields", 2010.

    Input: (batch, height, width, channels), both sides known. Output: (batch, rows, columns, filters). It has
    rows * columns * (height and width of the kernel * channels + 1) * filters weights.
    """

    rank = 2


def _sizes(key: str, value: int | tuple[int, ...], count: int) -> tuple[int, ...]:
    sizes = (value,) * count if isinstance(value, int) else tuple(value)
    if len(sizes) != count or not all(isinstance(number, int) and number >= 1 for number in sizes):
        several = f" or {count} of them" if count > 1 else ""
        raise ValueError(f"{key} must be a whole number of at least 1{several}, got {value!r}")
    return sizes
