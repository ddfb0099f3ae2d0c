"""Inputs that `prepare` masks, and targets that are made of them: signatures alone.

J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data import Feature, fitted
from dltrain.registry import FEATURES, TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dltrain.data import Change, DataSpec, Encoded, Outcome


@FEATURES.register("stub_tokens")
class StubTokens(Feature):
    """A text as ids of a vocabulary that is learnt of the training part."""

    shape: ClassVar = (None,)
    dtype: ClassVar = "int32"

    max_length: int = 512
    vocabulary: tuple[str, ...] = fitted(())

    @property
    def max_shape(self) -> tuple[int, ...]:
        """The longest there may be."""

    def fit(self, pieces: Iterable[Sequence[Any]]) -> StubTokens:
        """Returns tokens of a vocabulary of the texts."""

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns ids, with notices of what was cut and what is unknown."""

    def decode(self, stored: Any) -> list[Any]:
        """Returns texts."""

    def files(self) -> dict[str, bytes]:
        """Returns tokenizer.json."""


@TASKS.register("stub_masked_lm")
class StubMaskedLanguage(Task):
    """The tokens that were hidden."""

    accepts: ClassVar = ()
    metrics: tuple[str, ...] = ("perplexity",)
    options: ClassVar = {"top_k": int}
    activation: ClassVar = "softmax"

    share: float = 0.15

    def output_shape(self, data: DataSpec) -> tuple[int | None, ...]:
        """Returns (tokens, vocabulary)."""

    def head(self, data: DataSpec, x: Any, inputs: Any) -> Any:
        """Returns logits of each token, with the weights of the embedding."""

    def prepare(self, data: DataSpec) -> Change | None:
        """Returns what hides tokens, in evaluation too: the targets become those that were there, -1 elsewhere."""

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the mean over an example's hidden tokens; nothing where none is hidden."""

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns Keras's perplexity, which leaves out -1."""

    def answers(self, outcome: Outcome, options: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the likeliest words where a text has a mask."""
