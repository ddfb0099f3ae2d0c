"""Wide residual networks."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Activation, Fraction, Initializer, Normalization, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.models._normalization import check_groups
from dltrain.models._residual import Residual
from dltrain.registry import MODELS


@MODELS.register("wide_resnet")
class WideResNet(Model):
    """Wide residual network: few pre-activated blocks with many channels.

    S. Zagoruyko and N. Komodakis, "Wide residual networks", 2016, table 1 with blocks B(3, 3): a stem of 16 channels,
    then three stages of 16k, 32k and 64k for images of about 32x32; where sides or channels change, a 1x1 convolution
    of the activated input replaces the identity. WRN-28-10 has 36,479,194 weights at 10 classes.

    Args:
        depth: 6N + 4 for N blocks in each stage; the paper's 16, 22, 28 and 40.
        width: factor k of the channels of each stage; the paper's 1 to 12.
        dropout: share of activations dropped between a block's two convolutions, 0 to below 1; the paper's 0.3 on CIFAR
            and 0.4 on SVHN.
        activation: activation of all layers.
        normalization: normalisation before all activations: batch as in the paper; layer, over the channels of each
            pixel; group; or none, with biases in the convolutions.
        normalization_groups: number of groups of group normalisation; must divide the 16 channels of the stem.
        kernel_initializer: initializer of all layers.
    """

    depth: PositiveInt = 16
    width: PositiveInt = 4
    dropout: Fraction = 0.0
    activation: Activation = "relu"
    normalization: Normalization = "batch"
    normalization_groups: PositiveInt = 8
    kernel_initializer: Initializer = "he_normal"

    def __post_init__(self) -> None:
        problems = check_groups(self.normalization, self.normalization_groups, 16)
        if self.depth < 10 or self.depth % 6 != 4:
            problems.append(KeyProblem("depth", f"must be 6N + 4 (16, 22, 28, 40 in the paper), got {self.depth}"))
        if problems:
            raise problems[0] if len(problems) == 1 else ExceptionGroup("wide_resnet", problems)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images."""
        data.image("wide_resnet")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        residual = Residual(
            preactivation=True,
            activation=self.activation,
            normalization=self.normalization,
            groups=self.normalization_groups,
            kernel_initializer=self.kernel_initializer,
            dropout=self.dropout,
        )
        inputs = data.inputs()
        x = residual.convolution(data.preprocess(inputs), 16, 3, 1, "stem")
        x = residual.stages(residual.activated(x, "stem"), ((self.depth - 4) // 6,) * 3, 16 * self.width)
        x = keras.layers.GlobalAveragePooling2D(name="average")(x)
        logits = data.head(x, kernel_initializer=self.kernel_initializer)
        return keras.Model(inputs, logits, name="wide_resnet")
