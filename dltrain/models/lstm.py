"""LSTM networks over texts and series."""

from typing import Any

from dltrain.lazy import keras
from dltrain.models._recurrent import Recurrent
from dltrain.registry import MODELS


@MODELS.register("lstm")
class LSTM(Recurrent):
    """Long short-term memory over tokens or steps, layer upon layer, and a linear layer over the last states.

    S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; the forget gate as F. Gers et al. 2000, both
    directions as M. Schuster and K. Paliwal 1997. Padding changes no state.
    """

    def _layer(self, units: int, has_sequences: bool, name: str) -> Any:
        return keras.layers.LSTM(units, return_sequences=has_sequences, name=name)
