"""Convolutional network from a list of stages."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Activation, Fraction, Initializer, Normalization, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.models._normalization import check_groups, normalized
from dltrain.registry import MODELS

Size = PositiveInt | tuple[PositiveInt, PositiveInt]
Padding = Literal["same", "valid"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A convolution and what follows it: normalisation, activation, pooling, dropout.

    Args:
        filters: number of output channels.
        kernel_size: height and width of the filters, one number or two.
        strides: step of the convolution.
        padding: same keeps height and width (over strides); valid adds no padding.
        dilation: gap between the filter's taps; 1 for none.
        convolution: standard; separable: a spatial one per channel, then a 1x1 (Chollet 2016); or depthwise_separable:
            each of these two with its own normalisation and activation (MobileNet: Howard et al. 2017, figure 3); or
            local: with a kernel of its own at each position, so that weights grow with the image.
        activation: activation of the stage.
        normalization: before the activation: none, batch, layer (over the channels of each pixel) or group.
        normalization_groups: of group normalisation; must divide the channels.
        batch_normalization: position of batch normalisation: none, or before or after the activation.
        pool: max or average over a window; global_max or global_average over the whole image, which leaves 1x1; or
            none.
        pool_size: height and width of the pooling window, counted in values.
        pool_strides: step of the pooling; none for the window's size.
        pool_dilation: distance between the values of the window; 1 for no gaps.
        pool_padding: same or valid; padding is ignored by maximum and average.
        dropout: share of the stage's outputs dropped in training, 0 to below 1.
    """

    filters: PositiveInt
    kernel_size: Size = 3
    strides: Size = 1
    padding: Padding = "same"
    dilation: Size = 1
    convolution: Literal["standard", "separable", "depthwise_separable", "local"] = "standard"
    activation: Activation = "relu"
    normalization: Normalization = "none"
    normalization_groups: PositiveInt = 8
    batch_normalization: Literal["none", "before", "after"] = "none"
    pool: Literal["max", "average", "global_max", "global_average", "none"] = "none"
    pool_size: Size = 2
    pool_strides: Size | None = None
    pool_dilation: Size = 1
    pool_padding: Padding = "valid"
    dropout: Fraction = 0.0


@MODELS.register("cnn")
class CNN(Model):
    """Convolutional network: a list of stages, then a head of dense layers.

    Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998, section II.

    Args:
        stages: in their order, each a convolution and what follows it.
        head: how the output of the last stage becomes a vector: flatten, global_average or global_max.
        dense: units of each dense layer between head and logits.
        dense_activation: activation of these layers.
        dense_dropout: share of their outputs dropped in training, 0 to below 1.
        kernel_initializer: initializer of convolutions and hidden dense layers.
    """

    stages: tuple[Stage, ...] = (Stage(filters=32, pool="max"), Stage(filters=64, pool="max"))
    head: Literal["flatten", "global_average", "global_max"] = "flatten"
    dense: tuple[PositiveInt, ...] = (128,)
    dense_activation: Activation = "relu"
    dense_dropout: Fraction = 0.0
    kernel_initializer: Initializer = "glorot_uniform"

    def __post_init__(self) -> None:
        problems = [KeyProblem("stages", "must contain at least one stage")] if not self.stages else []
        for index, stage in enumerate(self.stages):
            if max(_pair(stage.strides)) > 1 and max(_pair(stage.dilation)) > 1:
                problems.append(KeyProblem(f"stages[{index}].dilation", "must be 1 where strides are above 1"))
            if stage.convolution == "local" and max(_pair(stage.dilation)) > 1:
                problems.append(KeyProblem(f"stages[{index}].dilation", "must be 1 for a local convolution"))
            if stage.convolution.endswith("separable") and len(set(_pair(stage.strides))) > 1:
                problems.append(KeyProblem(f"stages[{index}].strides", "must be equal for a separable convolution"))
            if stage.normalization != "none" and stage.batch_normalization != "none":
                problems.append(
                    KeyProblem(f"stages[{index}].batch_normalization", "must be none when normalization is set")
                )
            key = f"stages[{index}].normalization_groups"
            problems += check_groups(stage.normalization, stage.normalization_groups, stage.filters, key)
            for key in ("pool_size", "pool_strides", "pool_dilation", "pool_padding"):
                # A window of what is not pooled was always let pass, but for its gaps.
                is_idle = stage.pool.startswith("global") or (stage.pool == "none" and key == "pool_dilation")
                if is_idle and getattr(stage, key) != getattr(Stage, key):
                    problems.append(KeyProblem(f"stages[{index}].{key}", f"must be left out when pool is {stage.pool}"))
        if problems:
            raise ExceptionGroup("cnn", problems)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images, or shrink below 1x1 on the way."""
        *sides, channels = data.image("cnn").model_shape
        for index, stage in enumerate(self.stages):
            where = f"stages[{index}]"
            # The first of the two normalisations sees the channels that arrive.
            kind = stage.normalization if stage.convolution == "depthwise_separable" else "none"
            for problem in check_groups(kind, stage.normalization_groups, channels, f"{where}.normalization_groups"):
                raise problem
            sides = tuple(_side_after(stage, axis, side, where) for axis, side in enumerate(sides))
            channels = stage.filters

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = data.preprocess(inputs)
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
        spatial = {"strides": stage.strides, "padding": stage.padding, "dilation_rate": stage.dilation}
        # The normalisation brings a bias of its own.
        bias = {"use_bias": stage.normalization == "none" and stage.batch_normalization != "before"}
        kernel = {"kernel_initializer": self.kernel_initializer}
        match stage.convolution:
            case "standard":
                x = layers.Conv2D(
                    stage.filters, stage.kernel_size, **spatial, **bias, **kernel, name=f"{name}_convolution"
                )(x)
            case "local":
                from dltrain.layers.locally_connected import LocallyConnected2D

                x = LocallyConnected2D(
                    stage.filters,
                    stage.kernel_size,
                    stage.strides,
                    stage.padding,
                    use_bias=bias["use_bias"],
                    kernel_initializer=self.kernel_initializer,
                    name=f"{name}_convolution",
                )(x)
            case "separable":
                x = layers.SeparableConv2D(
                    stage.filters,
                    stage.kernel_size,
                    **spatial,
                    **bias,
                    depthwise_initializer=self.kernel_initializer,
                    pointwise_initializer=self.kernel_initializer,
                    name=f"{name}_convolution",
                )(x)
            case "depthwise_separable":
                x = layers.DepthwiseConv2D(
                    stage.kernel_size,
                    **spatial,
                    **bias,
                    depthwise_initializer=self.kernel_initializer,
                    name=f"{name}_depthwise",
                )(x)
                x = _activated(x, stage, f"{name}_depthwise")
                x = layers.Conv2D(stage.filters, 1, **bias, **kernel, name=f"{name}_convolution")(x)
        x = _pooled(_activated(x, stage, name), stage, f"{name}_pool")
        return layers.Dropout(stage.dropout, name=f"{name}_dropout")(x) if stage.dropout else x


def _activated(x: Any, stage: Stage, name: str) -> Any:
    """Activation, with the normalisation before or after it."""
    kind: Normalization = stage.normalization
    if stage.batch_normalization == "before":
        kind = "batch"
    x = normalized(x, kind, f"{name}_normalization", groups=stage.normalization_groups)
    x = keras.layers.Activation(stage.activation, name=f"{name}_activation")(x)
    return normalized(x, "batch", f"{name}_normalization") if stage.batch_normalization == "after" else x


def _pooled(x: Any, stage: Stage, name: str) -> Any:
    layers, window = keras.layers, (stage.pool_size, stage.pool_strides, stage.pool_padding)
    match stage.pool:
        case "global_max":
            return layers.GlobalMaxPooling2D(keepdims=True, name=name)(x)
        case "global_average":
            return layers.GlobalAveragePooling2D(keepdims=True, name=name)(x)
        case "max" | "average" if max(_pair(stage.pool_dilation)) > 1:
            from dltrain.layers.dilated_pooling import DilatedPooling2D

            size, strides, padding = window
            return DilatedPooling2D(size, stage.pool_dilation, strides, padding, stage.pool, name=name)(x)
        case "max":
            return layers.MaxPooling2D(*window, name=name)(x)
        case "average":
            return layers.AveragePooling2D(*window, name=name)(x)
    return x


def _side_after(stage: Stage, axis: int, side: int, where: str) -> int:
    """Returns the length of a side after a stage; raises where nothing is left."""
    window = (_pair(stage.kernel_size)[axis] - 1) * _pair(stage.dilation)[axis] + 1
    side = _shrunk(side, window, _pair(stage.strides)[axis], stage.padding, f"{where}.kernel_size")
    if stage.pool == "none":
        return side
    if stage.pool.startswith("global"):
        return 1
    rate = _pair(stage.pool_dilation)[axis]
    if stage.pool_padding == "same" and rate > side:  # there would be windows of padding alone
        raise KeyProblem(f"{where}.pool_dilation", f"must be at most {side}, the size of its input, got {rate}")
    window = (_pair(stage.pool_size)[axis] - 1) * rate + 1
    step = _pair(stage.pool_strides or stage.pool_size)[axis]
    return _shrunk(side, window, step, stage.pool_padding, f"{where}.pool_size")


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size or (1, 1)


def _shrunk(side: int, window: int, step: int, padding: str, where: str) -> int:
    """Returns the length of a side after a convolution or pooling; raises where nothing is left."""
    if padding == "same":
        return math.ceil(side / step)
    left = (side - window) // step + 1
    if left < 1:
        raise KeyProblem(
            where,
            "is too large for its input: "
            f"floor((H - F)/S) + 1 = floor(({side} - {window})/{step}) + 1 = {left}, which must be at least 1",
        )
    return left
