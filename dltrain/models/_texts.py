"""What networks over texts begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features.tokens import Tokens
from dltrain.lazy import keras
from dltrain.models import Model


class Embedded(NamedTuple):
    """A text in a network: its symbolic input, which places hold a token, and a vector for each place."""

    inputs: Any
    mask: Any
    vectors: Any


@dataclass(frozen=True, kw_only=True)
class TextNetwork(Model):
    """A network over the tokens of a text."""

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no texts."""
        self._tokens(data)

    def _tokens(self, data: DataSpec) -> Tokens:
        """Returns the only input, which must be texts."""
        found = [*data.inputs.values()]
        if len(found) == 1 and isinstance(found[0], Tokens):
            return found[0]
        there = " and ".join(f"{name} of shape {each.model_shape}" for name, each in data.inputs.items())
        raise KeyProblem("name", f"{self.registered_name} needs one input of texts as tokens, got {there}")

    def _embedded(self, data: DataSpec, width: int) -> Embedded:
        """Returns the text as vectors of a width."""
        from dltrain.layers.padding import PaddingMask

        tokens, inputs = self._tokens(data), data.inputs()
        ids = data.preprocess(inputs)
        mask = PaddingMask(tokens.padding, name="mask")(ids)
        return Embedded(inputs, mask, keras.layers.Embedding(tokens.vocabulary, width, name="embedding")(ids))
