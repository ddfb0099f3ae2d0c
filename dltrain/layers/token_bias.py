"""A number for each token of a vocabulary, added to its logit."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class TokenBias(keras.layers.Layer):
    """Adds a learnt number to each token's logit, from 0.

    Input: logits, (batch, tokens, vocabulary). Output: the same shape, of the layer's own type.

    Args:
        vocabulary: how many tokens have one; networks whose tables have more rows lose the others.
    """

    def __init__(self, vocabulary: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary = vocabulary

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        self.bias = self.add_weight(shape=(self.vocabulary,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """Adds them."""
        if inputs.shape[-1] > self.vocabulary:
            inputs = inputs[..., : self.vocabulary]
        return inputs + self.bias

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the input, with as many logits as there are tokens."""
        return *input_shape[:-1], self.vocabulary

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"vocabulary": self.vocabulary}
