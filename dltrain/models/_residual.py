"""Residual blocks and the stages made of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dltrain.fields import Activation, Initializer, Normalization
from dltrain.lazy import keras
from dltrain.models._normalization import normalized


@dataclass(frozen=True, kw_only=True)
class Residual:
    """The settings of all blocks of a residual network.

    Args:
        is_bottleneck: 1x1, 3x3 and 1x1 convolutions with four times the channels at the end; else two of 3x3.
        preactivation: normalise and activate before each convolution rather than after it.
        shortcut: how to change the size of the identity: A subsamples and adds channels of zeros, B projects.
        activation: of all layers.
        normalization: of all convolutions; where it is none, these have biases.
        groups: of group normalisation.
        kernel_initializer: of all convolutions.
        dropout: share of activations dropped between a block's convolutions.
        squeeze_excitation: channels for each unit of the bottleneck of squeeze and excitation; none for no such part.
        stochastic_depth: how often the last block is skipped; earlier blocks linearly less often.
    """

    is_bottleneck: bool = False
    preactivation: bool = False
    shortcut: Literal["A", "B"] = "B"
    activation: Activation = "relu"
    normalization: Normalization = "batch"
    groups: int = 8
    kernel_initializer: Initializer = "he_normal"
    dropout: float = 0.0
    squeeze_excitation: int | None = None
    stochastic_depth: float = 0.0

    def stages(self, x: Any, blocks: Sequence[int], filters: int) -> Any:
        """Applies all stages and the last activation.

        Args:
            x: (batch, height, width, channels), activated.
            blocks: of each stage; all stages but the first halve the sides and double the channels.
            filters: channels of the first stage.
        """
        number = 0
        for stage, count in enumerate(blocks, 1):
            for block in range(1, count + 1):
                number += 1
                stride = 2 if stage > 1 and block == 1 else 1
                rate = self.stochastic_depth * number / sum(blocks)
                make = self._preactivated_block if self.preactivation else self._block
                x = make(x, filters * 2 ** (stage - 1), stride, rate, f"stage{stage}_block{block}")
        return self.activated(x, "final") if self.preactivation else x

    def convolution(self, x: Any, filters: int, kernel_size: int, stride: int, name: str) -> Any:
        """Convolution, padded by the same on each side: Keras's `same` pads strided ones by one side more."""
        layers, padding = keras.layers, kernel_size // 2
        if stride > 1 and padding:
            x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
        return layers.Conv2D(
            filters,
            kernel_size,
            strides=stride,
            padding="same" if stride == 1 else "valid",
            use_bias=self.normalization == "none",
            kernel_initializer=self.kernel_initializer,
            name=name,
        )(x)

    def activated(self, x: Any, name: str) -> Any:
        """Normalisation, then activation."""
        return self._activation(self._normalized(x, name), name)

    def _activation(self, x: Any, name: str) -> Any:
        return keras.layers.Activation(self.activation, name=f"{name}_activation")(x)

    def _normalized(self, x: Any, name: str) -> Any:
        # Keras's momentum of 0.99 lags behind in short runs; the papers' networks used 0.9.
        batch = {"momentum": 0.9, "epsilon": 1e-5}
        return normalized(x, self.normalization, f"{name}_normalization", groups=self.groups, **batch)

    def _block(self, x: Any, filters: int, stride: int, rate: float, name: str) -> Any:
        """Convolution, normalisation, activation ...; the last activation after the sum."""
        y, plan = x, self._kernels(filters, stride)
        for number, (channels, kernel_size, step) in enumerate(plan, 1):
            y = self.convolution(y, channels, kernel_size, step, f"{name}_convolution{number}")
            if number < len(plan):
                y = self._dropped(self.activated(y, f"{name}_{number}"), number == len(plan) - 1, name)
            else:
                y = self._normalized(y, f"{name}_{number}")
        shortcut = self._shortcut(x, plan[-1][0], stride, name)
        return self._activation(self._sum(y, shortcut, rate, name), name)

    def _preactivated_block(self, x: Any, filters: int, stride: int, rate: float, name: str) -> Any:
        """Normalisation, activation, convolution ...; nothing after the sum."""
        plan = self._kernels(filters, stride)
        # The stem has already activated what the first block of all gets: He et al. 2016, section 4.1.
        y = x if name == "stage1_block1" else self.activated(x, f"{name}_1")
        is_changing = stride > 1 or x.shape[-1] != plan[-1][0]
        shortcut = self._shortcut(y, plan[-1][0], stride, name) if is_changing else x
        for number, (channels, kernel_size, step) in enumerate(plan, 1):
            if number > 1:
                y = self._dropped(self.activated(y, f"{name}_{number}"), number == len(plan), name)
            y = self.convolution(y, channels, kernel_size, step, f"{name}_convolution{number}")
        return self._sum(y, shortcut, rate, name)

    def _kernels(self, filters: int, stride: int) -> list[tuple[int, int, int]]:
        """Returns (channels, kernel size, stride) of each convolution of a block."""
        if self.is_bottleneck:
            return [(filters, 1, 1), (filters, 3, stride), (4 * filters, 1, 1)]
        return [(filters, 3, stride), (filters, 3, 1)]

    def _sum(self, y: Any, shortcut: Any, rate: float, name: str) -> Any:
        layers = keras.layers
        if self.squeeze_excitation:
            channels, name_of = y.shape[-1], f"{name}_excitation"
            gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(y)
            settings = {"kernel_initializer": self.kernel_initializer}
            units = channels // self.squeeze_excitation
            gate = layers.Dense(units, "relu", name=f"{name_of}1", **settings)(gate)
            gate = layers.Dense(channels, "sigmoid", name=f"{name_of}2", **settings)(gate)
            y = layers.Multiply(name=name_of)([y, gate])
        if rate:
            # One random decision per example; a block that is kept is divided by how often it is kept.
            y = layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}_stochastic_depth")(y)
        return layers.Add(name=f"{name}_sum")([y, shortcut])

    def _dropped(self, x: Any, is_here: bool, name: str) -> Any:
        return keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(x) if self.dropout and is_here else x

    def _shortcut(self, x: Any, filters: int, stride: int, name: str) -> Any:
        layers, missing = keras.layers, filters - x.shape[-1]
        if stride == 1 and missing == 0:
            return x
        if self.shortcut == "A":
            x = layers.MaxPooling2D(1, stride, name=f"{name}_subsample")(x)
            # Told that channels come first, the layer pads the last axis: a layer of Keras's own, so that the saved
            # model opens without dltrain.
            padding = ((0, 0), (missing // 2, missing - missing // 2))
            return layers.ZeroPadding2D(padding, data_format="channels_first", name=f"{name}_zeros")(x)
        x = self.convolution(x, filters, 1, stride, f"{name}_projection")
        return x if self.preactivation else self._normalized(x, f"{name}_projection")
