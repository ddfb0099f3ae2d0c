"""A vector for each column of a row."""

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class ColumnTokens(keras.layers.Layer):
    """Linear maps of a row's columns, each its own, behind a learnt vector that is the same for all rows.

    Y. Gorishniy et al., "Revisiting deep learning models for tabular data", 2021, section 3.3, the feature tokenizer
    and the [CLS] token: a number times its vector, or the vector of a category, and a bias.

    Input: (batch, numbers). Output: (batch, 1 + columns, width).

    Args:
        width: of each vector.
        columns: how many of the numbers stand for each column.
    """

    def __init__(self, width: int, columns: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.columns = width, tuple(columns)

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        width, bound = self.width, self.width**-0.5
        evenly = keras.initializers.RandomUniform(-bound, bound)
        self.first = self.add_weight(shape=(1, width), initializer=evenly, name="first")
        self.kernel = self.add_weight(shape=(shape[-1], width), initializer=evenly, name="kernel")
        self.bias = self.add_weight(shape=(len(self.columns), width), initializer=evenly, name="bias")

    def call(self, x: Any) -> Any:
        """Multiplies, column by column; columns of one number together."""
        ops, plain = keras.ops, next((n for n, each in enumerate(self.columns) if each > 1), len(self.columns))
        first = ops.broadcast_to(self.first, (ops.shape(x)[0], 1, self.width))
        found, start = [x[:, :plain, None] * self.kernel[:plain]] if plain else [], plain
        for size in self.columns[plain:]:
            found.append(ops.matmul(x[:, start : start + size], self.kernel[start : start + size])[:, None])
            start += size
        return ops.concatenate([first, ops.concatenate(found, axis=1) + self.bias], axis=1)

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, 1 + columns, width)."""
        return shape[0], 1 + len(self.columns), self.width

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"width": self.width, "columns": self.columns}
