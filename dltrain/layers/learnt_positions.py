"""Positions of tokens as learnt vectors."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class LearntPositions(keras.layers.Layer):
    """Adds a learnt vector to each token by its position, of texts of any length up to the longest.

    J. Devlin et al., "BERT: pre-training of deep bidirectional transformers", 2019, figure 2. The vectors start normal
    with deviation 0.02.

    Input: (batch, tokens, width). Output: the same shape.

    Args:
        longest: tokens of the longest text.
    """

    def __init__(self, longest: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.longest = longest

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        shape, start = (self.longest, input_shape[-1]), keras.initializers.RandomNormal(stddev=0.02)
        self.positions = self.add_weight(shape=shape, initializer=start, name="positions")

    def call(self, inputs: Any) -> Any:
        """Adds the vectors of as many positions as there are."""
        return inputs + self.positions[: keras.ops.shape(inputs)[1]]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"longest": self.longest}
