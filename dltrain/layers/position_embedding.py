"""Learnt position embeddings, and a class token."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class PositionEmbedding(keras.layers.Layer):
    """Adds a learnt vector to each token; first puts a learnt token, the same for every example, before them all.

    A. Dosovitskiy et al., "An image is worth 16x16 words", 2021, equation 1. The vectors start normal with deviation
    0.02, the class token at 0.

    Input: (batch, tokens, width). Output: the same, or with a class token (batch, tokens + 1, width).

    Args:
        class_token: whether to put a class token before the others.
    """

    def __init__(self, class_token: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.class_token = class_token

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """Makes the weights."""
        tokens, width = input_shape[1:]
        if self.class_token:
            self.token = self.add_weight(shape=(1, 1, width), initializer="zeros", name="token")
        self.positions = self.add_weight(
            shape=(1, tokens + self.class_token, width),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="positions",
        )

    def call(self, inputs: Any) -> Any:
        """Adds the position embeddings to the tokens."""
        if self.class_token:
            batch, _, width = keras.ops.shape(inputs)
            token = keras.ops.broadcast_to(keras.ops.convert_to_tensor(self.token), (batch, 1, width))
            inputs = keras.ops.concatenate([token, inputs], axis=1)
        return inputs + self.positions

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Returns the shape of the output."""
        batch, tokens, width = input_shape
        return batch, tokens + self.class_token, width

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"class_token": self.class_token}
