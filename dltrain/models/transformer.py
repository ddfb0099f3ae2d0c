"""A transformer encoder over texts and series."""

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models._steps import are_steps
from dltrain.models._texts import Embedded, TextNetwork
from dltrain.registry import MODELS


@MODELS.register("transformer")
class Transformer(TextNetwork):
    """Blocks of self-attention and dense layers over token vectors, or steps, the mean over these, and a linear layer.

    A. Vaswani et al., "Attention is all you need", 2017, the encoder of section 3; normalisation before each part of a
    block instead of behind it (R. Xiong et al., "On layer normalization in the transformer architecture", 2020), which
    trains without warm-up. The defaults are small.

    Args:
        width: of a token's vector; a multiple of `heads`. The paper's 512.
        depth: number of blocks; the paper's 6.
        heads: of each self-attention; the paper's 8.
        dense_width: units of a block's hidden dense layer; none for 4 * width as in the paper.
        positions: sinusoidal as in the paper; or, of texts, learnt, of which there are as many as `dataset.max_length`.
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

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are neither texts nor steps of numbers."""
        if not are_steps(data):
            super().check(data)
        elif self.positions == "learnt":
            raise KeyProblem("positions", "must be sinusoidal for series: others may be longer than those of training")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from ids or steps to outputs."""
        from dltrain.layers.learnt_positions import LearntPositions
        from dltrain.layers.padding import MaskedMean
        from dltrain.layers.sinusoidal_positions import SinusoidalPositions

        layers, (inputs, mask, x, table) = keras.layers, self._begun(data)
        seen = None if mask is None else layers.Reshape((1, -1), name="seen")(mask)
        if self.positions == "sinusoidal":
            x = SinusoidalPositions(name="positions")(layers.Rescaling(self.width**0.5, name="scale")(x))
        else:
            x = LearntPositions(self._tokens(data).max_length, name="positions")(x)
        x = self._dropped(x, "positions")
        for number in range(1, self.depth + 1):
            x = self._block(x, seen, f"block{number}")
        x = _normalized(x, "final")
        if table is not None and self.answers_each_token(data):
            return keras.Model(inputs, data.head(x, inputs, embedding=table), name="transformer")
        x = layers.GlobalAveragePooling1D(name="mean")(x) if mask is None else MaskedMean(name="mean")(x, mask)
        return keras.Model(inputs, data.head(x, inputs), name="transformer")

    def _begun(self, data: DataSpec) -> Embedded:
        """Returns texts, or series, as a vector for each token, or step."""
        if not are_steps(data):
            return self._embedded(data, self.width)
        inputs = data.inputs()
        x = keras.layers.Dense(self.width, name="embedding")(data.preprocess(inputs))
        return Embedded(inputs, data.input.present(inputs), x, None)

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
