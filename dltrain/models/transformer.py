"""A transformer encoder over texts."""

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models._texts import TextNetwork
from dltrain.registry import MODELS


@MODELS.register("transformer")
class Transformer(TextNetwork):
    """Blocks of self-attention and dense layers over token vectors, the mean over the text, and a linear layer.

    A. Vaswani et al., "Attention is all you need", 2017, the encoder of section 3; normalisation before each part of a
    block instead of behind it (R. Xiong et al., "On layer normalization in the transformer architecture", 2020), which
    trains without warm-up. The defaults are small.

    Args:
        width: of a token's vector; a multiple of `heads`. The paper's 512.
        depth: number of blocks; the paper's 6.
        heads: of each self-attention; the paper's 8.
        dense_width: units of a block's hidden dense layer; none for 4 * width as in the paper.
        positions: sinusoidal as in the paper; or learnt, of which there are as many as `dataset.max_length`.
        dropout: share of outputs dropped in training after the positions and each part of a block; the paper's 0.1.
    """

    width: PositiveInt = 128
    depth: PositiveInt = 2
    heads: PositiveInt = 4
    dense_width: PositiveInt | None = None
    positions: Literal["sinusoidal", "learnt"] = "sinusoidal"
    dropout: Fraction = 0.1

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise KeyProblem("heads", f"must divide width, {self.width}, got {self.heads}")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from ids to logits."""
        from dltrain.layers.learnt_positions import LearntPositions
        from dltrain.layers.padding import MaskedMean
        from dltrain.layers.sinusoidal_positions import SinusoidalPositions

        layers, (inputs, mask, x, table) = keras.layers, self._embedded(data, self.width)
        seen = layers.Reshape((1, -1), name="seen")(mask)
        if self.positions == "sinusoidal":
            x = SinusoidalPositions(name="positions")(layers.Rescaling(self.width**0.5, name="scale")(x))
        else:
            x = LearntPositions(self._tokens(data).max_length, name="positions")(x)
        x = self._dropped(x, "positions")
        for number in range(1, self.depth + 1):
            x = self._block(x, seen, f"block{number}")
        x = _normalized(x, "final")
        if self.answers_each_token(data):
            return keras.Model(inputs, data.head(x, inputs, embedding=table), name="transformer")
        return keras.Model(inputs, data.head(MaskedMean(name="mean")(x, mask)), name="transformer")

    def _block(self, x: Any, seen: Any, name: str) -> Any:
        """Normalisation, self-attention, sum; normalisation, two dense layers, sum."""
        layers, y = keras.layers, _normalized(x, f"{name}_attention")
        attention = layers.MultiHeadAttention(self.heads, self.width // self.heads, name=f"{name}_attention")
        y = attention(y, y, attention_mask=seen)
        x = layers.Add(name=f"{name}_attention_sum")([x, self._dropped(y, f"{name}_attention")])
        y = _normalized(x, f"{name}_dense")
        y = layers.Dense(self.dense_width or 4 * self.width, "relu", name=f"{name}_dense1")(y)
        y = self._dropped(layers.Dense(self.width, name=f"{name}_dense2")(y), f"{name}_dense2")
        return layers.Add(name=f"{name}_dense_sum")([x, y])

    def _dropped(self, x: Any, name: str) -> Any:
        return keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(x) if self.dropout else x


def _normalized(x: Any, name: str) -> Any:
    return keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_normalization")(x)
