"""The parts of RealMLP: weights that are trained in another scale than they are used in.

With an optimizer like Adam, whose step does not depend on the size of gradients, a weight of f * u learns f times as
fast as u: so the paper's factors of the learning rate are factors of the weights here.
"""

from typing import Any

import keras

SLOW, FAST = 0.1, 6.0


@keras.saving.register_keras_serializable(package="dltrain")
class ColumnScale(keras.layers.Layer):
    """A learnt factor for each number of a row, 1 at the start, which learns six times as fast as other weights.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", 2024, section 3 (scaling layer).

    Input and output: (batch, numbers).
    """

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        start = keras.initializers.Constant(1 / FAST)
        self.scale = self.add_weight(shape=shape[-1:], initializer=start, name="scale")

    def call(self, x: Any) -> Any:
        """Multiplies."""
        return x * (FAST * self.scale)


@keras.saving.register_keras_serializable(package="dltrain")
class ParametricDense(keras.layers.Layer):
    """x kernel / root of the number of inputs + bias; both start normal, the bias learns at a tenth of the rate.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", 2024, section 3 (neural tangent parametrisation), as their simplified RealMLP-TD-S starts it: the
    full one starts from a batch of data.

    Input: (batch, features). Output: (batch, units).

    Args:
        units: how many outputs.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        normal = keras.initializers.RandomNormal
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer=normal(stddev=1.0), name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer=normal(stddev=1 / SLOW), name="bias")

    def call(self, x: Any) -> Any:
        """Multiplies, and adds."""
        return keras.ops.matmul(x, self.kernel) * x.shape[-1] ** -0.5 + SLOW * self.bias

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, units)."""
        return shape[0], self.units

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"units": self.units}


@keras.saving.register_keras_serializable(package="dltrain")
class ParametricActivation(keras.layers.Layer):
    """An activation that each unit may weaken: x + a (activation(x) - x), where a starts at 1.

    The strength a learns at a tenth of the rate.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", 2024, section 3 (parametric activation functions).

    Input and output: (batch, units).

    Args:
        activation: its name in Keras.
    """

    def __init__(self, activation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        start = keras.initializers.Constant(1 / SLOW)
        self.strength = self.add_weight(shape=shape[-1:], initializer=start, name="strength")

    def call(self, x: Any) -> Any:
        """Computes what lies between the number and its activation."""
        return x + SLOW * self.strength * (keras.activations.get(self.activation)(x) - x)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"activation": self.activation}
