"""Which of two texts a token belongs to."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class Segments(keras.layers.Layer):
    """Says 0 for tokens of the first of two texts and the separator behind it, 1 for those of the second.

    J. Devlin et al., "BERT: pre-training of deep bidirectional transformers", 2019, figure 2.

    Input: ids, (batch, tokens), int32. Output: likewise; 0 for padding.

    Args:
        padding: the id that is no token.
        separator: the id between two texts; none where there are no two.
    """

    def __init__(self, padding: int = 0, separator: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.padding, self.separator = padding, separator

    def call(self, inputs: Any) -> Any:
        """Counts separators before each token."""
        ops = keras.ops
        if self.separator is None:
            return ops.zeros_like(inputs)
        ends = ops.cast(ops.equal(inputs, self.separator), "int32")
        before = ops.cumsum(ends, axis=1) - ends
        return ops.minimum(before, 1) * ops.cast(ops.not_equal(inputs, self.padding), "int32")

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns shape and type of the output."""
        return keras.KerasTensor(inputs.shape, "int32")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"padding": self.padding, "separator": self.separator}
