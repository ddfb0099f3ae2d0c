"""VGG networks for small images."""

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Activation, Fraction, Initializer, Normalization, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.models._normalization import normalized
from dltrain.registry import MODELS

# Convolutions in each of the five blocks: configurations A, B, D and E of table 1.
_BLOCKS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


@MODELS.register("vgg")
class VGG(Model):
    """VGG: blocks of 3x3 convolutions, each followed by max pooling; for images of about 32x32.

    K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015, table 1:
    configurations A, B, D and E. Three differences, as is common for CIFAR: batch normalisation (Ioffe and Szegedy
    2015), the average over the last feature map instead of flattening it, and no dense layers of 4096 units. At 32x32x3
    and 10 classes depth 11, 13, 16 and 19 have 9,231,114, 9,416,010, 14,728,266 and 20,040,522 weights.

    Args:
        depth: number of layers with weights in the paper, its three dense ones included: 11, 13, 16 or 19.
        filters: channels of the first block, the paper's 64; the others have 2, 4, 8 and 8 times as many.
        pools: number of blocks with pooling, from the first on; each halves the sides. The paper's 5 need 32x32, 3 need
            8x8.
        normalization: normalisation between each convolution and its activation: none as in the paper, batch, layer or
            group (with 8 groups).
        activation: activation of convolutions and hidden dense layers; the paper's relu.
        dense: units of each dense layer before the logits; the paper's are 4096 and 4096.
        dropout: share of these layers' outputs dropped in training; the paper's 0.5.
        kernel_initializer: initializer of convolutions and hidden dense layers.
    """

    depth: Literal[11, 13, 16, 19] = 16
    filters: PositiveInt = 64
    pools: Literal[1, 2, 3, 4, 5] = 5
    normalization: Normalization = "batch"
    activation: Activation = "relu"
    dense: tuple[PositiveInt, ...] = ()
    dropout: Fraction = 0.5
    kernel_initializer: Initializer = "he_normal"

    def __post_init__(self) -> None:
        if self.normalization == "group" and self.filters % 8:
            raise KeyProblem("filters", f"must be a multiple of 8 for normalization: group, got {self.filters}")

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images, or too small for the poolings."""
        (height, width, _), smallest = data.image("vgg").model_shape, 2**self.pools
        if min(height, width) < smallest:
            most = min(height, width).bit_length() - 1
            hint = f"; images of {height}x{width} allow {most}" if most else ""
            raise KeyProblem(
                "pools", f"{self.pools} needs images of at least {smallest}x{smallest}, got {height}x{width}{hint}"
            )

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        layers, inputs = keras.layers, data.inputs()
        x = data.preprocess(inputs)
        for block, count in enumerate(_BLOCKS[self.depth], 1):
            for number in range(1, count + 1):
                x = self._convolution(x, self.filters * min(2 ** (block - 1), 8), f"block{block}_convolution{number}")
            if block <= self.pools:
                x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
        x = layers.GlobalAveragePooling2D(name="average")(x)
        for number, units in enumerate(self.dense, 1):
            x = layers.Dense(units, self.activation, kernel_initializer=self.kernel_initializer, name=f"dense{number}")(
                x
            )
            if self.dropout:
                x = layers.Dropout(self.dropout, name=f"dense{number}_dropout")(x)
        return keras.Model(inputs, data.head(x), name="vgg")

    def _convolution(self, x: Any, filters: int, name: str) -> Any:
        # With a bias, as in the paper, though a normalisation takes it away again: the known counts have it.
        layers = keras.layers
        x = layers.Conv2D(filters, 3, padding="same", kernel_initializer=self.kernel_initializer, name=name)(x)
        x = normalized(x, self.normalization, f"{name}_normalization", momentum=0.9, epsilon=1e-5)
        return layers.Activation(self.activation, name=f"{name}_activation")(x)
