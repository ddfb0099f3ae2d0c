"""What networks over texts begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features.tokens import Tokens
from dltrain.lazy import keras
from dltrain.models import Model
from dltrain.registry import MODELS


class Embedded(NamedTuple):
    """A text in a network: its symbolic input, which places hold a token, a vector for each, and the table of these."""

    inputs: Any
    mask: Any
    vectors: Any
    table: Any


@dataclass(frozen=True, kw_only=True)
class TextNetwork(Model):
    """A network over the tokens of a text."""

    sees_each_token: ClassVar[bool] = True
    """Whether it can answer each token, and not just the whole text."""
    ends_by_itself: ClassVar[bool] = False
    """Whether it decides what its outputs are, where a task leaves that to the network."""

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no texts, or an answer for each token is asked for and not to be had."""
        self._tokens(data)
        if not self.sees_each_token and self.answers_each_token(data):
            able = [name for name, kind in _networks().items() if kind.sees_each_token]
            words = f"{self.registered_name} answers whole texts, the task asks for each token: {', '.join(able)}"
            raise KeyProblem("name", words)
        if data.task is not None and not self.ends_by_itself and data.output_shape is None:
            able = [name for name, kind in _networks().items() if kind.ends_by_itself]
            task = data.task.registered_name
            raise KeyProblem(
                "name", f"{self.registered_name} has no outputs of its own, as {task} needs: {', '.join(able)}"
            )

    def answers_each_token(self, data: DataSpec) -> bool:
        """Whether the task asks for an answer at each token of a text; not where no task is bound to the data."""
        shape = data.output_shape if data.task is not None else None
        return isinstance(shape, tuple) and len(shape) == 2 and shape[0] is None

    def _tokens(self, data: DataSpec) -> Tokens:
        """Returns the only input, which must be texts."""
        found = [*data.inputs.values()]
        if len(found) == 1 and isinstance(found[0], Tokens):
            return found[0]
        there = " and ".join(f"{name} of shape {each.model_shape}" for name, each in data.inputs.items())
        raise KeyProblem("name", f"{self.registered_name} needs one input of texts as tokens, got {there}")

    def _embedded(self, data: DataSpec, width: int) -> Embedded:
        """Returns the text as vectors of a width."""
        tokens, inputs = self._tokens(data), data.inputs()
        ids = data.preprocess(inputs)
        mask = tokens.present(ids)
        kind = keras.layers.ReversibleEmbedding if self.answers_each_token(data) else keras.layers.Embedding
        table = kind(tokens.vocabulary, width, name="embedding")
        return Embedded(inputs, mask, table(ids), table)


def _networks() -> dict[str, type[TextNetwork]]:
    """Returns all networks over texts, by name."""
    kinds: dict[str, Any] = {name: MODELS[name] for name in MODELS.names()}
    return {name: kind for name, kind in kinds.items() if issubclass(kind, TextNetwork)}
