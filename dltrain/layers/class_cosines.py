"""How much inputs point the way of each class."""

from typing import Any

import keras

from dltrain.layers.unit_length import unit_length


@keras.saving.register_keras_serializable(package="dltrain")
class ClassCosines(keras.layers.Layer):
    """The cosine of the angle between an input and a vector of each class, which is learnt: (batch, classes), -1 to 1.

    Input is (batch, numbers); of zeros alone all cosines are 0.

    Args:
        classes: how many there are.
        kwargs: of a Keras layer.
    """

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes

    def build(self, shape: Any) -> None:
        """Makes the vectors."""
        self.vectors = self.add_weight(
            shape=(shape[-1], self.classes), initializer="glorot_uniform", trainable=True, name="vectors"
        )

    def call(self, x: Any) -> Any:
        """Returns the cosines."""
        ops = keras.ops
        return ops.matmul(unit_length(x, -1), unit_length(self.vectors, 0))

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, classes)."""
        return *shape[:-1], self.classes

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "classes": self.classes}
