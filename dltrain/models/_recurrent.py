"""What recurrent networks over texts share."""

from dataclasses import dataclass
from typing import Any

from dltrain.data import DataSpec
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models._texts import TextNetwork


@dataclass(frozen=True, kw_only=True)
class Recurrent(TextNetwork):
    """Token vectors, recurrent layers one upon another, and a linear layer over the last states.

    Args:
        width: of a token's vector.
        units: of each recurrent layer, in each direction.
        bidirectional: read each text from its end too.
        dropout: share of the outputs of each layer dropped in training, 0 to below 1.
    """

    width: PositiveInt = 128
    units: tuple[PositiveInt, ...] = (128,)
    bidirectional: bool = True
    dropout: Fraction = 0.0

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from ids to logits."""
        from dltrain.layers.padding import Unmasked

        layers, (inputs, mask, x, table) = keras.layers, self._embedded(data, self.width)
        is_each = self.answers_each_token(data)
        for number, units in enumerate(self.units, 1):
            layer = self._layer(units, is_each or number < len(self.units), f"layer{number}")
            x = (layers.Bidirectional(layer, name=f"both{number}") if self.bidirectional else layer)(x, mask=mask)
            if self.dropout:
                x = layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        outputs = data.head(Unmasked(name="unmasked")(x), inputs, embedding=table) if is_each else data.head(x)
        return keras.Model(inputs, outputs, name=self.registered_name)

    def _layer(self, units: int, has_sequences: bool, name: str) -> Any:
        raise NotImplementedError
