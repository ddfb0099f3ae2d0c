"""LeNet-5."""

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.fields import Activation, Initializer
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.registry import MODELS

_SIDE = 32
# Which maps of S2 each map of C3 sees: table I of the paper.
_SEEN = (
    *([(first + step) % 6 for step in range(3)] for first in range(6)),
    *([(first + step) % 6 for step in range(4)] for first in range(6)),
    *([first, first + 1, (first + 3) % 6, (first + 4) % 6] for first in range(3)),
    [0, 1, 2, 3, 4, 5],
)


@MODELS.register("lenet5")
class LeNet5(Model):
    """LeNet-5: two convolutions with subsampling, three dense layers.

    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition", 1998,
    section II.B, figure 2 and table I. Smaller images are padded with 0 to 32x32 (28x28: 2 on each side); on larger
    ones the first dense layer, the paper's C5, covers the whole feature map. Two differences: logits in place of the
    radial basis functions, and the plain tanh in place of 1.7159 tanh(2a/3).

    Args:
        variant: modern, as it is commonly used: average pooling, and every map of C3 sees all of S2 (61,706 weights at
            32x32x1 and 10 classes); or paper: subsampling with a coefficient and a bias for each map and an activation,
            and the 16 maps of C3 see 3, 4 or 6 of the 6 before them (60,000 weights before the logits' 850).
        activation: activation of all layers but the last; the paper's tanh.
        kernel_initializer: initializer of all layers but the last.
    """

    variant: Literal["modern", "paper"] = "modern"
    activation: Activation = "tanh"
    kernel_initializer: Initializer = "glorot_uniform"

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images."""
        data.image("lenet5")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw images to logits."""
        layers, x = keras.layers, (inputs := data.inputs())
        missing = [max(0, _SIDE - side) for side in x.shape[1:3]]
        if any(missing):
            x = layers.ZeroPadding2D([(both // 2, both - both // 2) for both in missing], name="border")(x)
        x = self._subsampled(self._convolution(data.preprocess(x), 6, "c1"), "s2")
        x = self._subsampled(self._partial(x) if self.variant == "paper" else self._convolution(x, 16, "c3"), "s4")
        x = layers.Flatten(name="flatten")(x)
        for units, name in ((120, "c5"), (84, "f6")):
            x = layers.Dense(units, self.activation, kernel_initializer=self.kernel_initializer, name=name)(x)
        return keras.Model(inputs, data.head(x), name="lenet5")

    def _convolution(self, x: Any, filters: int, name: str) -> Any:
        return keras.layers.Conv2D(
            filters, 5, activation=self.activation, kernel_initializer=self.kernel_initializer, name=name
        )(x)

    def _partial(self, x: Any) -> Any:
        maps = [
            self._convolution(keras.ops.take(x, seen, axis=-1), 1, f"c3_{number}")
            for number, seen in enumerate(_SEEN, 1)
        ]
        return keras.layers.Concatenate(name="c3")(maps)

    def _subsampled(self, x: Any, name: str) -> Any:
        layers = keras.layers
        if self.variant == "modern":
            return layers.AveragePooling2D(2, name=name)(x)
        # A 1x1 convolution of each map alone is its coefficient and its bias.
        return layers.DepthwiseConv2D(1, activation=self.activation, depthwise_initializer="ones", name=name)(
            layers.AveragePooling2D(2, name=f"{name}_average")(x)
        )
