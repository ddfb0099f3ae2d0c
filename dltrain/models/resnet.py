"""Residual networks."""

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.registry import MODELS

# Blocks per stage, and whether a block is a bottleneck: table 1 of the paper.
_IMAGENET: dict[int, tuple[tuple[int, ...], bool]] = {
    18: ((2, 2, 2, 2), False),
    34: ((3, 4, 6, 3), False),
    50: ((3, 4, 6, 3), True),
    101: ((3, 4, 23, 3), True),
    152: ((3, 8, 36, 3), True),
}


@MODELS.register("resnet")
class ResNet:
    """Residual network, in its forms for CIFAR and for ImageNet.

    K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", 2015: section 4.2 for cifar,
    table 1 for imagenet. One difference: a bottleneck's stride is in its 3x3 convolution, as in torchvision.
    `preactivation` is the same authors' later form, "Identity mappings in deep residual networks", 2016, section 4.

    Args:
        variant: cifar, three stages of 16, 32 and 64 channels for images of about 32x32; or imagenet, four stages of 64
            to 512 channels behind a stem that divides the sides by 4.
        depth: layers with weights on the longest path: 6n + 2 for cifar; 18, 34, 50, 101 or 152 for imagenet.
        shortcut: where sides and channels change: A takes every second pixel and adds channels of zeros, B projects
            with a 1x1 convolution; none for A in cifar and B in imagenet, as in the paper.
        preactivation: normalise and activate before each convolution rather than after it.
        dropout: share of activations left out between a block's convolutions, 0 to below 1 (Zagoruyko and Komodakis
            2016, section 2.4).
        width: multiplies the channels of every stage.
    """

    variant: Literal["cifar", "imagenet"] = "cifar"
    depth: PositiveInt = 20
    shortcut: Literal["A", "B"] | None = None
    preactivation: bool = False
    dropout: Fraction = 0.0
    width: PositiveInt = 1

    def __post_init__(self) -> None:
        if self.variant == "cifar" and (self.depth < 8 or self.depth % 6 != 2):
            raise ValueError(f"depth must be 6n + 2 (20, 32, 44, 56, 110 in the paper), got {self.depth}")
        if self.variant == "imagenet" and self.depth not in _IMAGENET:
            raise ValueError(f"depth must be one of {', '.join(map(str, _IMAGENET))} for imagenet, got {self.depth}")
        if self.variant == "imagenet" and self.shortcut == "A":
            raise ValueError("shortcut must be B for imagenet, got A")

    def check(self, data: DataSpec) -> None:
        """Raises ValueError where the data are no images."""
        if not data.is_image:
            raise ValueError(f"name resnet needs images (height, width, channels), got shape {data.input_shape}")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = data.normalized(inputs)
        blocks: tuple[int, ...]
        if self.variant == "cifar":
            blocks, is_bottleneck, filters = ((self.depth - 2) // 6,) * 3, False, 16 * self.width
            x = _activated(_convolution(x, filters, 3, 1, "stem"), "stem")
        else:
            (blocks, is_bottleneck), filters = _IMAGENET[self.depth], 64 * self.width
            x = _activated(_convolution(x, filters, 7, 2, "stem"), "stem")
            # What is pooled is not negative: a border of zeros is one of nothing.
            x = layers.MaxPooling2D(3, 2, name="stem_pool")(layers.ZeroPadding2D(1, name="stem_pool_pad")(x))
        for stage, count in enumerate(blocks, 1):
            for block in range(1, count + 1):
                stride = 2 if stage > 1 and block == 1 else 1
                name = f"stage{stage}_block{block}"
                make = self._preactivated_block if self.preactivation else self._block
                x = make(x, filters * 2 ** (stage - 1), stride, is_bottleneck, name)
        if self.preactivation:
            x = _activated(x, "final")
        x = layers.GlobalAveragePooling2D(name="average")(x)
        logits = data.head(x, kernel_initializer="he_normal")
        return keras.Model(inputs, logits, name="resnet")

    def _block(self, x: Any, filters: int, stride: int, is_bottleneck: bool, name: str) -> Any:
        """Convolution, normalisation, ReLU ...; the last ReLU after the sum."""
        y, plan = x, _kernels(filters, stride, is_bottleneck)
        for number, (channels, kernel_size, step) in enumerate(plan, 1):
            y = _convolution(y, channels, kernel_size, step, f"{name}_convolution{number}")
            if number < len(plan):
                y = self._dropped(_activated(y, f"{name}_{number}"), number == len(plan) - 1, name)
            else:
                y = _normalized(y, f"{name}_{number}")
        shortcut = self._shortcut(x, plan[-1][0], stride, name)
        return keras.layers.ReLU(name=f"{name}_relu")(keras.layers.Add(name=f"{name}_sum")([y, shortcut]))

    def _preactivated_block(self, x: Any, filters: int, stride: int, is_bottleneck: bool, name: str) -> Any:
        """Normalisation, ReLU, convolution ...; nothing after the sum."""
        plan = _kernels(filters, stride, is_bottleneck)
        # The stem has already activated what the first block of all gets: section 4.1 of the paper.
        y = x if name == "stage1_block1" else _activated(x, f"{name}_1")
        is_changing = stride > 1 or x.shape[-1] != plan[-1][0]
        shortcut = self._shortcut(y, plan[-1][0], stride, name) if is_changing else x
        for number, (channels, kernel_size, step) in enumerate(plan, 1):
            if number > 1:
                y = self._dropped(_activated(y, f"{name}_{number}"), number == len(plan), name)
            y = _convolution(y, channels, kernel_size, step, f"{name}_convolution{number}")
        return keras.layers.Add(name=f"{name}_sum")([y, shortcut])

    def _dropped(self, x: Any, is_here: bool, name: str) -> Any:
        return keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(x) if self.dropout and is_here else x

    def _shortcut(self, x: Any, filters: int, stride: int, name: str) -> Any:
        layers, missing = keras.layers, filters - x.shape[-1]
        if stride == 1 and missing == 0:
            return x
        if (self.shortcut or ("A" if self.variant == "cifar" else "B")) == "A":
            x = layers.MaxPooling2D(1, stride, name=f"{name}_subsample")(x)
            # Told that channels come first, the layer pads the last axis: a layer of Keras's own, so that the saved
            # model opens without dltrain.
            padding = ((0, 0), (missing // 2, missing - missing // 2))
            return layers.ZeroPadding2D(padding, data_format="channels_first", name=f"{name}_zeros")(x)
        x = _convolution(x, filters, 1, stride, f"{name}_projection")
        return x if self.preactivation else _normalized(x, f"{name}_projection")


def _kernels(filters: int, stride: int, is_bottleneck: bool) -> list[tuple[int, int, int]]:
    """Returns (channels, kernel size, stride) of each convolution of a block."""
    if is_bottleneck:
        return [(filters, 1, 1), (filters, 3, stride), (4 * filters, 1, 1)]
    return [(filters, 3, stride), (filters, 3, 1)]


def _convolution(x: Any, filters: int, kernel_size: int, stride: int, name: str) -> Any:
    """Convolution without bias, padded by the same on each side: Keras's `same` pads strided ones by one side more."""
    layers, padding = keras.layers, kernel_size // 2
    if stride > 1 and padding:
        x = layers.ZeroPadding2D(padding, name=f"{name}_pad")(x)
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _normalized(x: Any, name: str) -> Any:
    # Keras's momentum of 0.99 lags behind in short runs; the papers' networks used 0.9.
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_normalization")(x)


def _activated(x: Any, name: str) -> Any:
    return keras.layers.ReLU(name=f"{name}_relu")(_normalized(x, name))
