"""Numbers of pairs and triples of neighbouring tokens, hashed."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class WordGrams(keras.layers.Layer):
    """Appends to the ids of tokens a number for each pair (and triple) of neighbours, in so many buckets.

    A. Joulin et al., "Bag of tricks for efficient text classification", 2017, section 2.1, the hashing trick. The
    buckets' numbers begin behind the vocabulary. A pair that reaches into the padding is padding.

    Input: ids, (batch, tokens), int32. Output: (batch, length * tokens), int32.

    Args:
        length: of the longest gram: 2 for pairs, 3 for triples too.
        vocabulary: how many ids tokens have.
        buckets: how many numbers there are for grams.
        padding: the id that is no token.
    """

    def __init__(self, length: int, vocabulary: int, buckets: int, padding: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length, self.vocabulary, self.buckets, self.padding = length, vocabulary, buckets, padding

    def call(self, inputs: Any) -> Any:
        """Hashes the neighbours."""
        ops, found = keras.ops, [inputs]
        hashed = inputs
        for reach in range(1, self.length):
            after = ops.pad(inputs[:, reach:], ((0, 0), (0, reach)), constant_values=self.padding)
            # All numbers stay below 2**31: a product that runs over differs from one runtime to another.
            hashed = ops.mod(ops.mod(hashed, 46_337) * 46_327 + after, self.buckets)
            is_whole = ops.not_equal(after, self.padding)
            found.append(ops.where(is_whole, hashed + self.vocabulary, self.padding))
        return ops.concatenate(found, axis=1)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns shape and type of the output."""
        batch, tokens = inputs.shape
        return keras.KerasTensor((batch, None if tokens is None else tokens * self.length), "int32")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        own = {name: getattr(self, name) for name in ("length", "vocabulary", "buckets", "padding")}
        return super().get_config() | own
