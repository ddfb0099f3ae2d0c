"""FT-Transformer: self-attention between the columns of a table."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveFloat, PositiveInt
from dltrain.lazy import keras
from dltrain.models._rows import RowNetwork
from dltrain.registry import MODELS


@MODELS.register("ft_transformer")
class FTTransformer(RowNetwork):
    """A vector for each column of a row, and one more that asks them all, block by block; a linear layer over that one.

    Y. Gorishniy, I. Rubachev, V. Khrulkov and A. Babenko, "Revisiting deep learning models for tabular data", 2021,
    section 3.3: normalisation before each part of a block, but for the first attention; ReGLU. The defaults are the
    authors' for three blocks. Time and memory grow with the square of the number of columns.

    Args:
        width: of a column's vector; a multiple of `heads`. The authors' defaults are 96, 128, 192, 256, 320 and 384 for
            1 to 6 blocks.
        depth: number of blocks.
        heads: of each self-attention.
        dense_factor: units of a block's hidden dense layer over `width`; the authors' 4/3.
        attention_dropout: share of attention dropped in training, 0 to below 1; theirs is 0.1 to 0.35 for 1 to 6.
        dense_dropout: of the hidden dense layer's outputs; theirs is 0 to 0.25 for 1 to 6.
        residual_dropout: of the outputs of each part of a block.
    """

    width: PositiveInt = 192
    depth: PositiveInt = 3
    heads: PositiveInt = 8
    dense_factor: PositiveFloat = 4 / 3
    attention_dropout: Fraction = 0.2
    dense_dropout: Fraction = 0.1
    residual_dropout: Fraction = 0.0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise KeyProblem("heads", f"must divide width, {self.width}, got {self.heads}")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from raw inputs to outputs."""
        from dltrain.layers.column_tokens import ColumnTokens

        layers, inputs = keras.layers, data.inputs()
        x = ColumnTokens(self.width, data.input.model_columns, name="tokens")(data.preprocess(inputs))
        for number in range(1, self.depth + 1):
            x = self._block(x, f"block{number}", is_first=number == 1, is_last=number == self.depth)
        x = layers.Activation("relu", name="activation")(_normalized(x[:, 0], "final"))
        return keras.Model(inputs, data.head(x, inputs), name="ft_transformer")

    def _block(self, x: Any, name: str, is_first: bool, is_last: bool) -> Any:
        """Attention and sum; two dense layers and sum. In the last block only the vector that asks goes on."""
        layers, size = keras.layers, self.width // self.heads
        y = x if is_first else _normalized(x, f"{name}_attention")
        asking, x = (y[:, :1], x[:, :1]) if is_last else (y, x)
        attention = layers.MultiHeadAttention(
            self.heads, size, dropout=self.attention_dropout, name=f"{name}_attention"
        )
        x = layers.Add(name=f"{name}_attention_sum")([x, self._dropped(attention(asking, y), f"{name}_attention")])
        hidden = int(self.width * self.dense_factor)
        y = layers.Dense(2 * hidden, name=f"{name}_dense1")(_normalized(x, f"{name}_dense"))
        y = y[..., :hidden] * layers.Activation("relu", name=f"{name}_gate")(y[..., hidden:])
        if self.dense_dropout:
            y = layers.Dropout(self.dense_dropout, name=f"{name}_hidden_dropout")(y)
        y = self._dropped(layers.Dense(self.width, name=f"{name}_dense2")(y), f"{name}_dense")
        return layers.Add(name=f"{name}_dense_sum")([x, y])

    def _dropped(self, x: Any, name: str) -> Any:
        dropout = self.residual_dropout
        return keras.layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x


def _normalized(x: Any, name: str) -> Any:
    return keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_normalization")(x)
