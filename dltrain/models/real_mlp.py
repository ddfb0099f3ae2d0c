"""RealMLP: an MLP over tables with defaults that were tuned over many of them."""

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models._rows import RowNetwork, embedded
from dltrain.registry import MODELS


@MODELS.register("real_mlp")
class RealMLP(RowNetwork):
    """A perceptron with a learnt scale for each input, periodic vectors of numbers, and learning rates for each weight.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", 2024, section 3 and table B.1 (RealMLP-TD). Beside it the paper has `dataset.normalize: robust`;
    `optimizer` adam with `beta_2` 0.95, weight decay 0.02, and a learning rate of 0.04 for classes and 0.2 for numbers;
    `schedule: cosine_log` over 256 epochs in batches of 256; and for classes `task.label_smoothing: 0.1`. Weights start
    without looking at data, as in the paper's RealMLP-TD-S; dropout is the same throughout, and answers are not cut to
    the range of the train part.

    Args:
        units: width of each hidden layer; the paper's default is three of 256.
        activation: of the hidden layers, each unit of which learns how strong it is: selu, the paper's for classes, or
            mish, for numbers; auto chooses so.
        dropout: share of each hidden layer's outputs dropped in training, 0 to below 1; the paper's 0.15.
        numbers: periodic_linear, the paper's; or plain.
    """

    units: tuple[PositiveInt, ...] = (256, 256, 256)
    activation: Literal["auto", "selu", "mish"] = "auto"
    dropout: Fraction = 0.15
    numbers: Literal["plain", "periodic_linear"] = "periodic_linear"

    def __post_init__(self) -> None:
        if not self.units:
            raise KeyProblem("units", "must name one hidden layer or more")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw inputs to outputs."""
        from dltrain.layers.parametric_dense import ColumnScale, ParametricActivation, ParametricDense

        inputs, activation = data.inputs(), self.activation
        if activation == "auto":
            activation = "selu" if data.resolved_task.activation else "mish"
        x, _ = embedded(data, data.preprocess(inputs), self.numbers)
        x = ColumnScale(name="scale")(x)
        for number, units in enumerate(self.units, 1):
            x = ParametricDense(units, name=f"dense{number}")(x)
            x = ParametricActivation(activation, name=f"activation{number}")(x)
            if self.dropout:
                x = keras.layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        return keras.Model(inputs, data.head(x, inputs, kernel_initializer="zeros"), name="real_mlp")
