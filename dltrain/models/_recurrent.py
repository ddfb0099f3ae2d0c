"""What recurrent networks over texts and series share."""

from dataclasses import dataclass
from typing import Any

from dltrain.data import DataSpec
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models._steps import are_steps
from dltrain.models._texts import TextNetwork


@dataclass(frozen=True, kw_only=True)
class Recurrent(TextNetwork):
    """Token vectors or steps of a series, recurrent layers one upon another, and a linear layer over the last states.

    Of a series all steps of the horizon come at once from the last states.

    Args:
        width: of a token's vector; read only where there are texts.
        units: of each recurrent layer, in each direction.
        bidirectional: read each text, or window, from its end too.
        dropout: share of the outputs of each layer dropped in training, 0 to below 1.
    """

    width: PositiveInt = 128
    units: tuple[PositiveInt, ...] = (128,)
    bidirectional: bool = True
    dropout: Fraction = 0.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are neither texts nor steps of numbers."""
        if not are_steps(data):
            super().check(data)

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from ids or steps to outputs."""
        if are_steps(data):
            inputs = data.inputs()
            x = self._through(data.preprocess(inputs), data.input.present(inputs), is_each=False)
            return keras.Model(inputs, data.head(x, inputs), name=self.registered_name)
        from dltrain.layers.padding import Unmasked

        inputs, mask, vectors, table = self._embedded(data, self.width)
        is_each = self.answers_each_token(data)
        x = self._through(vectors, mask, is_each)
        outputs = data.head(Unmasked(name="unmasked")(x), inputs, embedding=table) if is_each else data.head(x)
        return keras.Model(inputs, outputs, name=self.registered_name)

    def _through(self, x: Any, mask: Any, is_each: bool) -> Any:
        """Returns what the recurrent layers make of (batch, steps, features): their last states, or each."""
        layers = keras.layers
        for number, units in enumerate(self.units, 1):
            layer = self._layer(units, is_each or number < len(self.units), f"layer{number}")
            x = (layers.Bidirectional(layer, name=f"both{number}") if self.bidirectional else layer)(x, mask=mask)
            if self.dropout:
                x = layers.Dropout(self.dropout, name=f"dropout{number}")(x)
        return x

    def _layer(self, units: int, has_sequences: bool, name: str) -> Any:
        raise NotImplementedError
