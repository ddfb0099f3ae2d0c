"""One network that is several: dense layers whose members share a matrix, and what becomes of their outputs."""

from collections.abc import Callable, Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class MemberDense(keras.layers.Layer):
    """A dense layer of several members with one kernel: ((x * inputs_scale) kernel) * outputs_scale + bias.

    Y. Wen, D. Tran and J. Ba, "BatchEnsemble", 2020, section 3.1: both scales, and here the bias, are each member's
    own. All scales start at 1, those of the inputs at random where the members are still alike (Y. Gorishniy, A.
    Kotelnikov and A. Babenko, "TabM", 2024, section 3.3). Kernel and biases start evenly within one over the root of
    the number of inputs, the bias with the same numbers for each member, as in TabM's code.

    Input: (batch, features), which all members see, or (batch, members, features). Output: (batch, members, units).

    Args:
        units: how many outputs each has.
        members: how many there are.
        start: of the inputs' scales: ones; or signs or normal, random.
        columns: of inputs that are rows, how many of the numbers stand for each column and start with one scale; empty
            where each number has its own.
    """

    def __init__(
        self, units: int, members: int, start: str = "ones", columns: Sequence[int] = (), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units, self.members, self.start, self.columns = units, members, start, tuple(columns)

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        features, members, units = shape[-1], self.members, self.units
        evenly = keras.initializers.RandomUniform(-(features**-0.5), features**-0.5)
        self.inputs_scale = self.add_weight(shape=(members, features), initializer=self._scales, name="inputs_scale")
        self.kernel = self.add_weight(shape=(features, units), initializer=evenly, name="kernel")
        self.outputs_scale = self.add_weight(shape=(members, units), initializer="ones", name="outputs_scale")
        self.bias = self.add_weight(shape=(members, units), initializer=_same_for_each(evenly), name="bias")

    def call(self, x: Any) -> Any:
        """Scales, multiplies, scales again, and adds."""
        x = x if len(x.shape) == 3 else x[:, None]
        return keras.ops.matmul(x * self.inputs_scale, self.kernel) * self.outputs_scale + self.bias

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, members, units)."""
        return shape[0], self.members, self.units

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("units", "members", "start", "columns")
        return super().get_config() | {name: getattr(self, name) for name in names}

    def _scales(self, shape: Any, dtype: Any = None) -> Any:
        """Returns what the inputs' scales start with."""
        ops, initializers = keras.ops, keras.initializers
        drawn = (shape[0], len(self.columns) or shape[1])
        if self.start == "ones":
            scales = ops.ones(drawn, dtype)
        elif self.start == "signs":
            scales = ops.where(initializers.RandomUniform(-1, 1)(drawn, dtype) < 0, -1.0, 1.0)
        else:
            scales = initializers.RandomNormal(stddev=1.0)(drawn, dtype)
        return ops.repeat(scales, self.columns, axis=1) if self.columns else scales


@keras.saving.register_keras_serializable(package="dltrain")
class MemberMean(keras.layers.Layer):
    """What members answer together: (batch, members, outputs) -> (batch, outputs); while training, nothing changes.

    Logits become those of the mean of the members' probabilities.

    Args:
        activation: what makes probabilities of outputs: softmax, sigmoid, or none where outputs are numbers.
    """

    def __init__(self, activation: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activation

    def call(self, outputs: Any, training: bool | None = None) -> Any:
        """Returns the members' mean, or, while training, each member's outputs."""
        ops = keras.ops
        if training:
            return outputs

        def mean(logarithms: Any) -> Any:
            return ops.logsumexp(logarithms, axis=1) - ops.log(float(outputs.shape[1]))

        if self.activation == "softmax":
            return mean(ops.log_softmax(outputs))
        if self.activation == "sigmoid":
            return mean(ops.log_sigmoid(outputs)) - mean(ops.log_sigmoid(-outputs))
        return ops.mean(outputs, axis=1)

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, outputs)."""
        return shape[0], *shape[2:]

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"activation": self.activation}


@keras.saving.register_keras_serializable(package="dltrain")
class MemberModel(keras.Model):
    """A network that ends in a `MemberMean`: each member learns by its own loss, and metrics are of their mean."""

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Returns the mean of the members' losses while training; else the loss of what they answer together."""
        ops, members = keras.ops, self._members(y_pred)
        if members is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        y = ops.repeat(y, members, axis=0)
        if sample_weight is not None:
            sample_weight = ops.repeat(sample_weight, members, axis=0)
        flat = ops.reshape(y_pred, (-1, *y_pred.shape[2:]))
        return super().compute_loss(x, y, flat, sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the metrics of what the members answer together."""
        if self._members(y_pred) is not None:
            y_pred = self.layers[-1](y_pred, training=False)
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def _members(self, outputs: Any) -> int | None:
        """Returns of how many members outputs are; none where they are their mean."""
        return outputs.shape[1] if len(outputs.shape) > len(self.output.shape) else None


def _same_for_each(initializer: Callable[..., Any]) -> Callable[..., Any]:
    """Returns what draws for one member, and gives the others the same."""

    def initialize(shape: Any, dtype: Any = None) -> Any:
        return keras.ops.repeat(initializer((1, *shape[1:]), dtype), shape[0], axis=0)

    return initialize
