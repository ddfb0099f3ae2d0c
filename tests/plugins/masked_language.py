"""Inputs that `prepare` masks, and targets that are made of them: what a micro-task needs, else signatures alone.

J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2019.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data import Encoded, Feature, Ragged, fitted
from dltrain.data.feature import Notice
from dltrain.data.random_draws import drawn
from dltrain.lazy import keras, np, tf
from dltrain.registry import FEATURES, TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dltrain.data import Batch, Change, DataSpec, Outcome

MASK = "[MASK]"


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
        return (self.max_length,)

    def fit(self, pieces: Iterable[Sequence[Any]]) -> StubTokens:
        """Returns tokens of a vocabulary of the texts."""

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns ids, with notices of what was cut and what is unknown: 1 is unknown, 2 hidden, 0 no token."""
        rows, notices = [], {}
        for place, raw in enumerate(raws):
            words = raw.split()
            rows.append([self._id(word) for word in words[: self.max_length]])
            cut = [Notice("cut")] if len(words) > self.max_length else []
            strange = [Notice(f"{word} is unknown", "unknown words") for word in words if self._id(word) == 1]
            if cut or strange:
                notices[place] = [*cut, *strange]
        return Encoded(Ragged.of([np.array(row, np.int32) for row in rows], np.int32), {}, notices)

    def _id(self, word: str) -> int:
        return 2 if word == MASK else 3 + self.vocabulary.index(word) if word in self.vocabulary else 1

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

    def head(self, data: DataSpec, x: Any, inputs: Any, embedding: Any = None) -> Any:
        """Returns logits of each token, with the weights of the embedding."""

    def prepare(self, data: DataSpec) -> Change | None:
        """Returns what hides tokens, in evaluation too: the targets become those that were there, -1 elsewhere."""

        def hide(batch: Batch, seed: Any) -> Batch:
            ids = batch.inputs
            chances = drawn(tf.unstack(tf.shape(ids)), seed, 0, 100, {1: data.input.max_shape[0]})
            is_hidden = (chances < int(100 * self.share)) & (ids > 2)
            return batch._replace(inputs=tf.where(is_hidden, 2, ids), targets=tf.where(is_hidden, ids, -1))

        return hide

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the mean over an example's hidden tokens; nothing where none is hidden."""

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the logarithm of the perplexity, which Keras has."""
        return [keras.metrics.SparseCategoricalCrossentropy(name="perplexity", from_logits=True)]

    def answers(self, outcome: Outcome, options: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the likeliest words where a text has a mask."""
        names = ("", "?", MASK, *outcome.data.input.vocabulary)
        return [
            {"words": [names[int(outputs[place].argmax())] for place in np.flatnonzero(np.asarray(ids) == 2)]}
            for ids, outputs in zip(outcome.inputs, outcome.outputs, strict=True)
        ]
