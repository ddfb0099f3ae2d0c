"""What recurrent networks over texts and series share."""

from dataclasses import dataclass
from typing import Any

from dltrain.data import DataSpec
from dltrain.data.spec import HEAD
from dltrain.errors import KeyProblem
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.models._forecasting import is_forecast
from dltrain.models._steps import are_steps
from dltrain.models._texts import TextNetwork


@dataclass(frozen=True, kw_only=True)
class Recurrent(TextNetwork):
    """Token vectors or steps of a series, recurrent layers one upon another, and a linear layer over the last states.

    Of a series that is forecast, all steps of the horizon come at once from the last states; or one after the other
    from a `decoder`, as K. Cho et al. 2014 have it: one more layer, each step of which reads the last states of the
    others, its own state before, and what is known ahead of the step.

    Args:
        width: of a token's vector; read only where there are texts.
        units: of each recurrent layer, in each direction.
        bidirectional: read each text, or window, from its end too.
        dropout: share of the outputs of each layer dropped in training, 0 to below 1.
        decoder: whether a forecast is decoded step by step.
    """

    width: PositiveInt = 128
    units: tuple[PositiveInt, ...] = (128,)
    bidirectional: bool = True
    dropout: Fraction = 0.0
    decoder: bool = False

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are neither texts nor steps, or there is no forecast to decode."""
        if not are_steps(data):
            super().check(data)
        if self.decoder and not is_forecast(data):
            raise KeyProblem("decoder", "must be false unless series are forecast")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from ids or steps to outputs."""
        if are_steps(data):
            inputs = data.inputs()
            x = data.preprocess(inputs)
            if self.decoder:
                x = self._decoded(data, inputs, self._through(x[..., : len(data.input.channels)], None, is_each=False))
            else:
                x = self._through(x, data.input.present(inputs), is_each=False)
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

    def _decoded(self, data: DataSpec, inputs: Any, states: Any) -> Any:
        """Returns the forecast in the scale of the window, (batch, horizon, targets, outputs), of the last states."""
        layers, series = keras.layers, data.input
        x = layers.RepeatVector(series.horizon, name="states")(states)
        if series.known:
            x = layers.Concatenate(name="with_known_ahead")([x, series.known_ahead(inputs)])
        x = self._layer(self.units[-1], True, "decoder")(x)
        if self.dropout:
            x = layers.Dropout(self.dropout, name="decoder_dropout")(x)
        count = (data.output_shape[2:] or (1,))[0]
        x = layers.Dense(series.targets * count, dtype="float32", name=HEAD)(x)
        return layers.Reshape((series.horizon, series.targets, count), name="steps")(x)

    def _layer(self, units: int, has_sequences: bool, name: str) -> Any:
        raise NotImplementedError
