"""Multi-layer perceptron."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Activation, Fraction, Initializer, NonNegativeFloat, Normalization, PositiveInt
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.models._normalization import check_groups, normalized
from dltrain.registry import MODELS


@MODELS.register("mlp")
class MLP(Model):
    """Multi-layer perceptron: fully connected layers, one after another.

    D. E. Rumelhart, G. E. Hinton and R. J. Williams, "Learning representations by back-propagating errors", 1986;
    dropout as N. Srivastava et al. 2014, batch normalisation as S. Ioffe and C. Szegedy 2015.

    Args:
        units: width of each hidden layer; an empty list for softmax regression.
        activation: activation of the hidden layers.
        dropout: share of each hidden layer's outputs dropped in training, 0 to below 1.
        normalization: normalisation of each hidden layer before its activation: none, batch, layer or group.
        normalization_groups: number of groups of group normalisation; must divide the units, with two or more units in
            a group.
        batch_normalization: true is the same as normalization: batch.
        l2: adds l2 * (sum of squared kernels) to the loss, for all layers; biases are not penalised.
        kernel_initializer: initializer of the hidden layers.
    """

    units: tuple[PositiveInt, ...] = (512, 512)
    activation: Activation = "relu"
    dropout: Fraction = 0.0
    normalization: Normalization = "none"
    normalization_groups: PositiveInt = 8
    batch_normalization: bool = False
    l2: NonNegativeFloat = 0.0
    kernel_initializer: Initializer = "glorot_uniform"

    def __post_init__(self) -> None:
        problems = []
        if self.batch_normalization and self.normalization != "none":
            problems.append(KeyProblem("batch_normalization", "must be false when normalization is set"))
        for units in dict.fromkeys(self.units):
            problems += check_groups(self.normalization, self.normalization_groups, units)
            # A single number minus its mean is always 0.
            if self.normalization == "group" and units == self.normalization_groups:
                problems.append(KeyProblem("normalization_groups", f"must be below the {units} units, got {units}"))
        if problems:
            raise problems[0] if len(problems) == 1 else ExceptionGroup("mlp", problems)

    def check(self, data: DataSpec) -> None:
        """Checks that there is one input, of one shape.

        Raises:
            KeyProblem: if there are several, or lengths differ.
        """
        data.alone("mlp")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw inputs to logits."""
        layers, inputs = keras.layers, data.inputs()
        kind: Normalization = "batch" if self.batch_normalization else self.normalization
        penalty = {"kernel_regularizer": keras.regularizers.L2(self.l2)} if self.l2 else {}
        x = data.preprocess(inputs)
        if len(x.shape) > 2:
            x = layers.Flatten(name="flatten")(x)
        for number, units in enumerate(self.units, 1):
            x = layers.Dense(
                units,
                use_bias=kind == "none",
                kernel_initializer=self.kernel_initializer,
                name=f"dense{number}",
                **penalty,
            )(x)
            x = normalized(x, kind, f"normalization{number}", groups=self.normalization_groups)
            x = layers.Activation(self.activation, name=f"activation{number}")(x)
            if self.dropout:
                x = layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        logits = data.head(x, inputs, **penalty)
        return keras.Model(inputs, logits, name="mlp")
