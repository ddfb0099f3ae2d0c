"""Convolutions over texts."""

from typing import Any, ClassVar

from dltrain.data import DataSpec
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models._texts import TextNetwork
from dltrain.registry import MODELS


@MODELS.register("text_cnn")
class TextCNN(TextNetwork):
    """Convolutions of several widths over token vectors, each filter's maximum over the text, then a linear layer.

    Y. Kim, "Convolutional neural networks for sentence classification", 2014, section 2; the variant "rand", whose
    vectors are learnt with the rest. Filters reach at most one less than their size beyond the last token, where all
    is zero, so that short texts have an answer too.

    Args:
        width: of a token's vector; the paper's 300 are those of word2vec.
        kernel_sizes: tokens that a filter sees; the paper's 3, 4, 5.
        filters: of each size; the paper's 100.
        dropout: share of the maxima dropped in training, 0 to below 1; the paper's 0.5.
    """

    sees_each_token: ClassVar = False

    width: PositiveInt = 128
    kernel_sizes: tuple[PositiveInt, ...] = (3, 4, 5)
    filters: PositiveInt = 100
    dropout: Fraction = 0.5

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from ids to logits."""
        from dltrain.layers.padding import Masked, MaskedMaximum

        layers, (inputs, mask, vectors, _) = keras.layers, self._embedded(data, self.width)
        embedded, maxima = Masked(name="tokens")(vectors, mask), []
        for size in dict.fromkeys(self.kernel_sizes):
            x = layers.ZeroPadding1D((0, size - 1), name=f"beyond{size}")(embedded)
            x = layers.Conv1D(self.filters, size, activation="relu", name=f"convolution{size}")(x)
            maxima.append(MaskedMaximum(name=f"maximum{size}")(x, mask))
        x = layers.Concatenate(name="maxima")(maxima) if len(maxima) > 1 else maxima[0]
        if self.dropout:
            x = layers.Dropout(self.dropout, name="dropout")(x)
        return keras.Model(inputs, data.head(x), name="text_cnn")
