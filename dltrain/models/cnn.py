"""Convolutional network from a list of stages."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.fields import Activation, Fraction, Initializer, PositiveInt
from dltrain.lazy import keras
from dltrain.registry import MODELS

Size = PositiveInt | tuple[PositiveInt, PositiveInt]
Padding = Literal["same", "valid"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A convolution and what follows it: normalisation, activation, pooling, dropout.

    Args:
        filters: channels that come out.
        kernel_size: height and width of the filters, one number or two.
        strides: step of the convolution.
        padding: same keeps height and width (over strides), valid takes no padding.
        dilation: gap between the filter's taps; 1 for none.
        convolution: standard, or separable: a spatial one per channel, then a 1x1 (Chollet 2016).
        activation: of the stage.
        batch_normalization: none, or before or after the activation.
        pool: max, average or none.
        pool_size: window of the pooling.
        pool_strides: step of the pooling, none for the window's size.
        pool_padding: same or valid.
        dropout: share of the stage's outputs left out in training, 0 to below 1.
    """

    filters: PositiveInt
    kernel_size: Size = 3
    strides: Size = 1
    padding: Padding = "same"
    dilation: Size = 1
    convolution: Literal["standard", "separable"] = "standard"
    activation: Activation = "relu"
    batch_normalization: Literal["none", "before", "after"] = "none"
    pool: Literal["max", "average", "none"] = "none"
    pool_size: Size = 2
    pool_strides: Size | None = None
    pool_padding: Padding = "valid"
    dropout: Fraction = 0.0


@MODELS.register("cnn")
class CNN:
    """Convolutional network: a list of stages, then a head of dense layers.

    Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998, section II. Keras 3 has no
    locally connected convolution.

    Args:
        stages: in their order, each a convolution and what follows it.
        head: how the last stage becomes a vector: flatten, global_average or global_max.
        dense: units of each dense layer between head and logits.
        dense_activation: of these layers.
        dense_dropout: share of their outputs left out in training, 0 to below 1.
        kernel_initializer: of convolutions and hidden dense layers.
    """

    stages: tuple[Stage, ...] = (Stage(filters=32, pool="max"), Stage(filters=64, pool="max"))
    head: Literal["flatten", "global_average", "global_max"] = "flatten"
    dense: tuple[PositiveInt, ...] = (128,)
    dense_activation: Activation = "relu"
    dense_dropout: Fraction = 0.0
    kernel_initializer: Initializer = "glorot_uniform"

    def __post_init__(self) -> None:
        problems = [ValueError("stages must hold at least one stage")] if not self.stages else []
        for index, stage in enumerate(self.stages):
            if max(_pair(stage.strides)) > 1 and max(_pair(stage.dilation)) > 1:
                problems.append(ValueError(f"stages[{index}].dilation must be 1 where strides are above 1"))
            if stage.convolution == "separable" and len(set(_pair(stage.strides))) > 1:
                problems.append(ValueError(f"stages[{index}].strides of a separable convolution must be equal"))
        if problems:
            raise ExceptionGroup("cnn", problems)

    def check(self, data: DataSpec) -> None:
        """Raises ValueError where the data are no images, or shrink below 1x1 on the way."""
        if not data.is_image:
            raise ValueError(f"name cnn needs images (height, width, channels), got shape {data.input_shape}")
        height, width = data.input_shape[:2]
        for index, stage in enumerate(self.stages):
            sides = []
            for axis, side in enumerate((height, width)):
                window = (_pair(stage.kernel_size)[axis] - 1) * _pair(stage.dilation)[axis] + 1
                where = f"stages[{index}].kernel_size"
                side = _shrunk(side, window, _pair(stage.strides)[axis], stage.padding, where)
                if stage.pool != "none":
                    pool = _pair(stage.pool_size)
                    step = _pair(stage.pool_strides or stage.pool_size)[axis]
                    side = _shrunk(side, pool[axis], step, stage.pool_padding, f"stages[{index}].pool_size")
                sides.append(side)
            height, width = sides

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = data.normalized(inputs)
        for number, stage in enumerate(self.stages, 1):
            x = self._stage(x, stage, f"stage{number}")
        match self.head:
            case "flatten":
                x = layers.Flatten(name="flatten")(x)
            case "global_average":
                x = layers.GlobalAveragePooling2D(name="global_average")(x)
            case "global_max":
                x = layers.GlobalMaxPooling2D(name="global_max")(x)
        for number, units in enumerate(self.dense, 1):
            x = layers.Dense(
                units, self.dense_activation, kernel_initializer=self.kernel_initializer, name=f"dense{number}"
            )(x)
            if self.dense_dropout:
                x = layers.Dropout(self.dense_dropout, name=f"dense{number}_dropout")(x)
        logits = data.head(x)
        return keras.Model(inputs, logits, name="cnn")

    def _stage(self, x: Any, stage: Stage, name: str) -> Any:
        layers = keras.layers
        settings = {
            "strides": stage.strides,
            "padding": stage.padding,
            "dilation_rate": stage.dilation,
            "use_bias": stage.batch_normalization != "before",  # the normalisation brings its own
            "name": f"{name}_convolution",
        }
        if stage.convolution == "separable":
            initializers = {
                "depthwise_initializer": self.kernel_initializer,
                "pointwise_initializer": self.kernel_initializer,
            }
            x = layers.SeparableConv2D(stage.filters, stage.kernel_size, **settings, **initializers)(x)
        else:
            x = layers.Conv2D(stage.filters, stage.kernel_size, kernel_initializer=self.kernel_initializer, **settings)(
                x
            )
        if stage.batch_normalization == "before":
            x = layers.BatchNormalization(name=f"{name}_normalization")(x)
        x = layers.Activation(stage.activation, name=f"{name}_activation")(x)
        if stage.batch_normalization == "after":
            x = layers.BatchNormalization(name=f"{name}_normalization")(x)
        if stage.pool != "none":
            pooling = layers.MaxPooling2D if stage.pool == "max" else layers.AveragePooling2D
            x = pooling(stage.pool_size, stage.pool_strides, stage.pool_padding, name=f"{name}_pool")(x)
        return layers.Dropout(stage.dropout, name=f"{name}_dropout")(x) if stage.dropout else x


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size or (1, 1)


def _shrunk(side: int, window: int, step: int, padding: str, where: str) -> int:
    """Returns a side's length after a window has gone over it; raises where nothing is left."""
    if padding == "same":
        return math.ceil(side / step)
    left = (side - window) // step + 1
    if left < 1:
        raise ValueError(
            f"{where} is too large for what arrives there: "
            f"floor((H - F)/S) + 1 = floor(({side} - {window})/{step}) + 1 = {left}, which must be at least 1"
        )
    return left
