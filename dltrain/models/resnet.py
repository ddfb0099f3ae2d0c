"""Residual networks."""

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Activation, Fraction, Initializer, Normalization, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.models._normalization import check_groups
from dltrain.models._residual import Residual
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
class ResNet(Model):
    """Residual network, in its variants for CIFAR and for ImageNet.

    K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", 2015: section 4.2 for cifar,
    table 1 for imagenet. One difference: a bottleneck's stride is in its 3x3 convolution, as in torchvision, which
    gives the same networks. `preactivation` is the same authors' later form, "Identity mappings in deep residual
    networks", 2016, section 4; squeeze and excitation as J. Hu, L. Shen and G. Sun 2018; stochastic depth as G. Huang
    et al. 2016, but decided for each example, and kept blocks are scaled in training rather than all blocks in use.

    Args:
        variant: cifar, three stages of 16, 32 and 64 channels for images of about 32x32; or imagenet, four stages of 64
            to 512 channels behind a stem that divides the sides by 4.
        depth: layers with weights on the longest path: 6n + 2 for cifar; 18, 34, 50, 101 or 152 for imagenet.
        shortcut: how to change the size of the identity: A takes every second pixel and adds channels of zeros, B
            projects with a 1x1 convolution; none for A in cifar and B in imagenet, as in the paper.
        preactivation: normalise and activate before each convolution rather than after it.
        width: multiplies the channels of every stage.
        activation: activation of all layers.
        normalization: normalisation of all convolutions: batch as in the paper; layer, over the channels of each pixel;
            group; or none, with biases in the convolutions.
        normalization_groups: number of groups of group normalisation; must divide the channels of the first stage.
        kernel_initializer: initializer of all layers.
        dropout: share of activations dropped between a block's convolutions, 0 to below 1 (Zagoruyko and Komodakis
            2016, section 2.4).
        squeeze_excitation: none, or the ratio of a block's channels to the units that weigh them; the paper's 16.
        stochastic_depth: how often the last block is skipped in training, 0 to below 1; earlier blocks linearly less
            often. The paper's 0.5.
    """

    variant: Literal["cifar", "imagenet"] = "cifar"
    depth: PositiveInt = 20
    shortcut: Literal["A", "B"] | None = None
    preactivation: bool = False
    width: PositiveInt = 1
    activation: Activation = "relu"
    normalization: Normalization = "batch"
    normalization_groups: PositiveInt = 8
    kernel_initializer: Initializer = "he_normal"
    dropout: Fraction = 0.0
    squeeze_excitation: PositiveInt | None = None
    stochastic_depth: Fraction = 0.0

    def __post_init__(self) -> None:
        problems = []
        if self.variant == "cifar" and (self.depth < 8 or self.depth % 6 != 2):
            problems.append(KeyProblem("depth", f"must be 6n + 2 (20, 32, 44, 56, 110 in the paper), got {self.depth}"))
        if self.variant == "imagenet" and self.depth not in _IMAGENET:
            depths = ", ".join(map(str, _IMAGENET))
            problems.append(KeyProblem("depth", f"must be one of {depths} for imagenet, got {self.depth}"))
        if self.variant == "imagenet" and self.shortcut == "A":
            problems.append(KeyProblem("shortcut", "must be B for imagenet, got A"))
        problems += check_groups(self.normalization, self.normalization_groups, self._filters)
        if self.squeeze_excitation and self.squeeze_excitation > self._filters:
            problems.append(
                KeyProblem(
                    "squeeze_excitation",
                    f"must be at most {self._filters}, the channels of the first stage, got {self.squeeze_excitation}",
                )
            )
        if problems:
            raise problems[0] if len(problems) == 1 else ExceptionGroup("resnet", problems)

    @property
    def _filters(self) -> int:
        """Channels of the first stage: all others are multiples."""
        return self.width * (16 if self.variant == "cifar" else 64)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images."""
        data.image("resnet")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        layers, inputs, is_cifar = keras.layers, data.inputs(), self.variant == "cifar"
        blocks, is_bottleneck = (((self.depth - 2) // 6,) * 3, False) if is_cifar else _IMAGENET[self.depth]
        residual = Residual(
            is_bottleneck=is_bottleneck,
            preactivation=self.preactivation,
            shortcut=self.shortcut or ("A" if is_cifar else "B"),
            activation=self.activation,
            normalization=self.normalization,
            groups=self.normalization_groups,
            kernel_initializer=self.kernel_initializer,
            dropout=self.dropout,
            squeeze_excitation=self.squeeze_excitation,
            stochastic_depth=self.stochastic_depth,
        )
        x = data.preprocess(inputs)
        x = residual.convolution(x, self._filters, 3 if is_cifar else 7, 1 if is_cifar else 2, "stem")
        x = residual.activated(x, "stem")
        if not is_cifar:
            x = layers.MaxPooling2D(3, 2, name="stem_pool")(self._framed(x))
        x = residual.stages(x, blocks, self._filters)
        x = layers.GlobalAveragePooling2D(name="average")(x)
        logits = data.head(x, kernel_initializer=self.kernel_initializer)
        return keras.Model(inputs, logits, name="resnet")

    def _framed(self, x: Any) -> Any:
        """Pads with a value that is never the largest: zeros where nothing is negative, else the smallest number."""
        if self.activation in ("relu", "relu6", "sigmoid", "softmax", "softplus"):
            return keras.layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        return keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=float("-inf"))
