"""Temporal convolutional network."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.models._steps import are_steps
from dltrain.registry import MODELS


@MODELS.register("tcn")
class TCN(Model):
    """Temporal convolutional network: residual blocks of dilated causal convolutions, and a linear layer at the end.

    S. Bai et al., "An empirical evaluation of generic convolutional and recurrent networks for sequence modeling",
    2018, section 3 and figure 1, whose code is https://github.com/locuslab/TCN: two convolutions with weight
    normalisation to a level, their dilation twice that of the level before. Only the last step is read, so each level
    is computed at those steps alone that it depends on: of the n-th level every 2^n-th one, counted from the last.
    Among these a dilated convolution is a plain one, and the result is that of the dilated network. Covariates are
    channels like the targets.

    Args:
        filters: of each convolution; the paper's 25 to 600.
        kernel_size: steps that each convolution sees; the paper's 2 to 8.
        levels: number of blocks; none for as many as the last step needs to see all of the window.
        dropout: share of the outputs of each convolution dropped in training; the paper's 0 to 0.5.
    """

    filters: PositiveInt = 32
    kernel_size: PositiveInt = 3
    levels: PositiveInt | None = None
    dropout: Fraction = 0.0

    def __post_init__(self) -> None:
        if self.kernel_size < 2:
            raise KeyProblem("kernel_size", f"must be at least 2, got {self.kernel_size}")

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no series of one length."""
        feature = data.alone("tcn")
        if not are_steps(data):
            raise KeyProblem("name", f"tcn needs series, (steps, channels), got shape {feature.model_shape}")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from steps to outputs."""
        inputs = data.inputs()
        x = data.preprocess(inputs)
        for number in range(1, (self.levels or self._enough(x.shape[1])) + 1):
            x = self._level(x, f"level{number}")
        return keras.Model(inputs, data.head(x[:, -1], inputs), name="tcn")

    def _enough(self, steps: int) -> int:
        """Returns the number of levels with which the last step sees so many: 1 + 2 (k - 1) (2^levels - 1)."""
        levels = 1
        while 1 + 2 * (self.kernel_size - 1) * (2**levels - 1) < steps:
            levels += 1
        return levels

    def _level(self, x: Any, name: str) -> Any:
        """Returns every second step of a residual block, the last one among them."""
        from dltrain.layers.weight_normalized_convolution import WeightNormalizedConvolution

        layers, y = keras.layers, x
        for number, strides in ((1, 1), (2, 2)):
            words = f"{name}_convolution{number}"
            y = WeightNormalizedConvolution(self.filters, self.kernel_size, strides, name=words)(y)
            y = layers.Activation("relu", name=f"{words}_activation")(y)
            if self.dropout:
                y = layers.Dropout(self.dropout, name=f"{words}_dropout")(y)
        x = x[:, (x.shape[1] - 1) % 2 :: 2]
        if x.shape[-1] != self.filters:
            x = layers.Dense(self.filters, name=f"{name}_shortcut")(x)
        return layers.Activation("relu", name=f"{name}_activation")(layers.Add(name=f"{name}_sum")([x, y]))
