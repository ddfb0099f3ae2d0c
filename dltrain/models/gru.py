"""GRU networks over texts and series."""

from typing import Any

from dltrain.lazy import keras
from dltrain.models._recurrent import Recurrent
from dltrain.registry import MODELS


@MODELS.register("gru")
class GRU(Recurrent):
    """Gated recurrent units over tokens or steps, layer upon layer, and a linear layer over the last states.

    K. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, section 2.3; the reset gate behind
    the product, as cuDNN has it. Padding changes no state.
    """

    def _layer(self, units: int, has_sequences: bool, name: str) -> Any:
        return keras.layers.GRU(units, return_sequences=has_sequences, name=name)
