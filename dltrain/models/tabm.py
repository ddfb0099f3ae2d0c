"""TabM: an MLP over tables that is many."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Activation, Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models._rows import Numbers, RowNetwork, embedded
from dltrain.registry import MODELS


@MODELS.register("tabm")
class TabM(RowNetwork):
    """Multi-layer perceptrons that share their kernels, each with scales, biases and a last layer of its own.

    Y. Gorishniy, A. Kotelnikov and A. Babenko, "TabM: Advancing tabular deep learning with parameter-efficient
    ensembling", 2024, section 3.3; with vectors of numbers it is the paper's TabM with a dagger. Each member learns by
    its own loss; the answer is the mean of their probabilities, or of their numbers.

    Args:
        units: width of each hidden layer; the paper's default is three of 512, and two where numbers are vectors.
        members: how many; the paper's 32.
        activation: of the hidden layers.
        dropout: share of each hidden layer's outputs dropped in training, 0 to below 1; the paper's default is 0.1.
        numbers: plain; or vectors of them: piecewise_linear, which the paper takes, or periodic.
    """

    units: tuple[PositiveInt, ...] = (512, 512, 512)
    members: PositiveInt = 32
    activation: Activation = "relu"
    dropout: Fraction = 0.1
    numbers: Numbers = "plain"

    def __post_init__(self) -> None:
        if not self.units:
            raise KeyProblem("units", "must name one hidden layer or more")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw inputs to outputs."""
        from dltrain.layers.members import MemberDense, MemberMean, MemberModel

        layers, inputs = keras.layers, data.inputs()
        x, columns = embedded(data, data.preprocess(inputs), self.numbers)
        start = "signs" if self.numbers == "plain" else "normal"
        for number, units in enumerate(self.units, 1):
            first = (start, columns) if number == 1 else ()
            x = MemberDense(units, self.members, *first, name=f"dense{number}")(x)
            x = layers.Activation(self.activation, name=f"activation{number}")(x)
            if self.dropout:
                x = layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        bound = self.units[-1] ** -0.5
        evenly = keras.initializers.RandomUniform(-bound, bound)
        outputs = data.head(x, inputs, members=self.members, kernel_initializer=evenly)
        mean = MemberMean(data.resolved_task.activation, dtype="float32", name="mean")
        return MemberModel(inputs, mean(outputs), name="tabm")
