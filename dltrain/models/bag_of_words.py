"""Bag of words: the mean of word vectors."""

from typing import Any, ClassVar

from dltrain.data import DataSpec
from dltrain.fields import Fraction, NonNegativeInt, PositiveInt
from dltrain.lazy import keras
from dltrain.models._texts import TextNetwork
from dltrain.registry import MODELS


@MODELS.register("bag_of_words")
class BagOfWords(TextNetwork):
    """The mean of the vectors of a text's tokens, and of its pairs of neighbours; then a linear layer.

    A. Joulin et al., "Bag of tricks for efficient text classification", 2017 (fastText), section 2: without the
    hierarchical softmax, which pays with very many classes. What order tokens have beyond neighbours does not count.

    Args:
        width: of a vector; the paper's 10 is for few classes.
        word_grams: 2 to count pairs of neighbours too, 3 triples as well; 1 for single tokens.
        buckets: vectors that pairs and triples share, by a hash; the paper's 10 million are for very large corpora.
        dropout: share of the mean's numbers dropped in training, 0 to below 1.
    """

    sees_each_token: ClassVar = False

    width: PositiveInt = 64
    word_grams: PositiveInt = 1
    buckets: NonNegativeInt = 20_000
    dropout: Fraction = 0.0

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from ids to logits."""
        from dltrain.layers.padding import MaskedMean, PaddingMask
        from dltrain.layers.word_grams import WordGrams

        tokens, inputs = self._tokens(data), data.inputs()
        x, size = data.preprocess(inputs), tokens.vocabulary
        if self.word_grams > 1:
            x = WordGrams(self.word_grams, size, self.buckets, tokens.padding, name="word_grams")(x)
            size += self.buckets
        mask = PaddingMask(tokens.padding, name="mask")(x)
        x = MaskedMean(name="mean")(keras.layers.Embedding(size, self.width, name="embedding")(x), mask)
        if self.dropout:
            x = keras.layers.Dropout(self.dropout, name="dropout")(x)
        return keras.Model(inputs, data.head(x), name="bag_of_words")
