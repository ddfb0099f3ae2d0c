"""Tokens that were hidden, told from those around them: what text networks are pretrained by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from dltrain.data import Batch, Change, DataSpec, Outcome, Split
from dltrain.data.random_draws import drawn, folded
from dltrain.data.spec import HEAD
from dltrain.errors import KeyProblem
from dltrain.features.tokens import Tokens
from dltrain.fields import Share
from dltrain.lazy import keras, np, tf
from dltrain.registry import TASKS
from dltrain.tasks import Task
from dltrain.tasks._metrics import reading
from dltrain.tasks._tokens import NOT_ASKED, accuracy, mean_of_asked, of_tokens

KEPT = 20
"""The likeliest tokens of each place that are kept: all that are known would be a thousand times as many."""

_SHOWN = 5


@TASKS.register("masked_lm")
class MaskedLanguageModel(Task):
    """Guess tokens that were hidden, from those before and behind them; needs texts and no target.

    J. Devlin et al., "BERT: pre-training of deep bidirectional transformers for language understanding", 2019, section
    3.1, task 1 and appendix C.2: of the tokens chosen, 80 % become the mask, 10 % another token, 10 % stay. Which are
    chosen is drawn anew at each step; in evaluation by the text's position alone. The loss is the mean over the chosen
    tokens of a text, perplexity exp of the mean over those of all. Fine-tuning starts from it by `model.weights`, with
    `dataset.tokenizer` set to the same run.

    Args:
        metrics: what is measured beside the loss: perplexity, the lower the better; accuracy, how often the likeliest
            token is right; the first is what best checkpoints and early stopping go by.
        share: of a text's tokens that are chosen, at least one; the paper's 0.15.
        whole_words: choose all pieces of a word together (whole word masking, of the paper's later release).
    """

    accepts: ClassVar = ()
    options: ClassVar[Mapping[str, type]] = {"top_k": int, "probabilities": bool}
    activation: ClassVar[str | None] = "softmax"

    metrics: tuple[Literal["perplexity", "accuracy"], ...] = ("perplexity", "accuracy")
    share: Share = 0.15
    whole_words: bool = False

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no texts, have a target, or a tokenizer without a mask."""
        inputs = [*data.inputs.values()]
        if len(inputs) != 1 or not isinstance(inputs[0], Tokens):
            there = " and ".join(each.plural or each.registered_name for each in inputs)
            raise KeyProblem("name", f": masked_lm needs texts as tokens, the data have {there}")
        if data.targets:
            raise KeyProblem(
                "name",
                ": masked_lm guesses the texts' own tokens: it needs data without a target, "
                "text_files, or text_table with label_column: none",
            )
        if inputs[0].tokenizer and inputs[0].mask is None:
            raise KeyProblem("name", ": masked_lm needs a tokenizer with the token [MASK] or <mask>")

    def larger_is_better(self, column: str) -> bool:
        """Whether more is better in a column of metrics.csv."""
        return column.endswith("accuracy")

    def output_shape(self, data: DataSpec) -> tuple[None, int]:
        """Returns a logit for each token of the vocabulary, at each place of a text."""
        return (None, self._tokens(data).vocabulary)

    def head(self, data: DataSpec, x: Any, inputs: Any = None, embedding: Any = None, **settings: Any) -> Any:
        """Returns logits of each place: BERT's, with the vectors of the input's tokens where the network has them."""
        from dltrain.layers.token_bias import TokenBias

        layers, tokens = keras.layers, self._tokens(data)
        width = x.shape[-1] if embedding is None else embedding.output_dim
        x = layers.Dense(width, "gelu", name=f"{HEAD}_transform")(x)
        x = layers.LayerNormalization(epsilon=1e-12, name=f"{HEAD}_normalization")(x)
        if embedding is None:
            return layers.Dense(tokens.vocabulary, dtype="float32", name=HEAD, **settings)(x)
        return TokenBias(tokens.vocabulary, dtype="float32", name=HEAD)(embedding(x, reverse=True))

    def prepare(self, data: DataSpec) -> Change:
        """Returns what hides tokens, and makes targets of them: their ids, `NOT_ASKED` elsewhere."""
        tokens = self._tokens(data)
        known = tokens.ids()
        hidden_as, longest = tokens.mask, tokens.max_shape[0]
        ordinary = np.array(sorted({*known.values()} - tokens.special_ids), np.int32)
        asked = np.zeros(tokens.vocabulary, bool)
        asked[ordinary] = True
        begins = tokens.begins_word() if self.whole_words else np.ones(tokens.vocabulary, bool)

        def hide(batch: Batch, seed: Any) -> Batch:
            ids = batch.inputs
            shape = tf.unstack(tf.shape(ids))

            def draws(number: int, high: int) -> Any:
                return drawn(shape, folded(seed, number), 0, high, {1: longest})

            is_chosen = self._chosen(ids, draws(0, 2**30), tf.gather(asked, ids), tf.gather(begins, ids))
            fate = draws(1, 10)
            others = tf.gather(ordinary, draws(2, len(ordinary)))
            seen = tf.where(fate < 8, hidden_as, tf.where(fate < 9, others, ids))
            return batch._replace(inputs=tf.where(is_chosen, seen, ids), targets=tf.where(is_chosen, ids, NOT_ASKED))

        return hide

    def _chosen(self, ids: Any, scores: Any, is_asked: Any, begins: Any) -> Any:
        """Returns which tokens are chosen: those of the lowest scores, as many as `share` says, or whole words."""
        if self.whole_words:
            words = tf.maximum(tf.cumsum(tf.cast(begins | ~is_asked, tf.int32), axis=1) - 1, 0)
            scores = tf.gather(scores, words, batch_dims=1)
        scores = tf.where(is_asked, scores, 2**30)
        counts = tf.reduce_sum(tf.cast(is_asked, tf.float32), axis=1)
        wanted = tf.maximum(tf.cast(tf.round(self.share * counts), tf.int32), 1)
        most = tf.gather(tf.sort(scores, axis=1), wanted - 1, batch_dims=1)
        return is_asked & (scores <= most[:, None])

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the mean over a text's hidden tokens, (batch,); 0 for a text that has none."""

        def crossentropy(targets: Any, logits: Any) -> Any:
            targets, logits = self._hidden(targets, logits)
            return mean_of_asked(targets, _surprise(targets, logits))

        return crossentropy

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the Keras metrics, of all hidden tokens."""
        made = {"perplexity": _perplexity, "accuracy": accuracy}
        return [reading(made[name](), self._hidden) for name in self.metrics]

    def _hidden(self, targets: Any, logits: Any) -> tuple[Any, Any]:
        """Returns targets and logits of as many places as may be hidden, those that are among them.

        Softmax over the others, which nothing asks for, would take most of a step.

        Args:
            targets: (batch, tokens).
            logits: (batch, tokens, vocabulary); (batch, 1, vocabulary) where they are the same at each place.
        """
        tokens = tf.shape(targets)[1]
        share = 1.0 if self.whole_words else self.share  # the last word may be a text's only one
        most = tf.minimum(tf.cast(share * tf.cast(tokens, "float32"), "int32") + 1, tokens)
        places = tf.math.top_k(tf.cast(targets != NOT_ASKED, "int32"), most).indices
        found = tf.gather(targets, places, batch_dims=1)
        return found, logits if logits.shape[1] == 1 else tf.gather(logits, places, batch_dims=1)

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns the likeliest tokens at each place, the likeliest first, and their probabilities."""
        count = min(KEPT, self._tokens(data).vocabulary)

        def likeliest(inputs: Any) -> dict[str, Any]:
            found = tf.math.top_k(tf.nn.softmax(model(inputs, training=False)), count)
            return {"tokens": found.indices, "probabilities": found.values}

        return likeliest

    def score(self, data: DataSpec, outputs: Any) -> Any:
        """Returns the mean of the highest logits."""
        return keras.ops.mean(keras.ops.max(outputs, axis=-1), axis=1)

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns, for each mask in a text, the likeliest tokens."""
        count = options.get("top_k") or (_SHOWN if options.get("probabilities") else 1)
        if count > KEPT:
            raise KeyProblem("top_k", f"must be at most {KEPT}, got {count}")
        tokens = outcome.data.input
        names = {number: token for token, number in tokens.ids().items()}
        found = []
        for ids, best, shares in zip(
            outcome.inputs, outcome.outputs["tokens"], outcome.outputs["probabilities"], strict=True
        ):
            places = np.flatnonzero(np.asarray(ids) == tokens.mask)
            rows = [[names[int(number)] for number in best[place][:count]] for place in places]
            answer: dict[str, Any] = {"masks": [row[0] for row in rows]}
            if options.get("top_k") or options.get("probabilities"):
                answer["likeliest"] = rows
            if options.get("probabilities"):
                answer["probabilities"] = [[float(value) for value in shares[place][:count]] for place in places]
            found.append(answer)
        return found

    def baselines(self, data: DataSpec, train: Split, part: Split) -> dict[str, np.ndarray]:
        """Returns what those end in who know how often each token occurs, and nothing of those around it."""
        tokens = self._tokens(data)
        counts = np.ones(tokens.vocabulary)
        for start in range(0, len(train), 1000):
            ids = train.inputs.take(np.arange(start, min(start + 1000, len(train)))).values
            counts += np.bincount(np.asarray(ids, np.int64), minlength=tokens.vocabulary)
        counts[[*tokens.special_ids]] = 1
        return {"how often tokens occur": np.log(counts / counts.sum()).astype(np.float32)[None, None]}

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns which texts have the same likeliest token at each place."""
        return np.array(
            [(one.argmax(-1) == other.argmax(-1)).all() for one, other in zip(outputs, others, strict=True)]
        )

    def describe(self, data: DataSpec) -> list[str]:
        """Returns what is guessed, what outputs are, and what they are behind softmax."""
        count = self._tokens(data).vocabulary
        return [
            f"hidden tokens, of {count:,}",
            f"numbers of {count:,} tokens at each place of a text, in the order of their ids.",
            "the probability of each token at each place.",
        ]

    def _tokens(self, data: DataSpec) -> Tokens:
        found: Tokens = data.input
        return found


def _surprise(targets: Any, logits: Any) -> Any:
    """Returns -log of each hidden token's probability, (batch, tokens); 0 where none is hidden."""
    ops = keras.ops
    is_asked = targets != NOT_ASKED
    known = ops.where(is_asked, targets, 0)
    if logits.shape[1] == 1:  # the same at each place, as a baseline has it
        found = -ops.take_along_axis(ops.log_softmax(logits[:, 0]), known, axis=1)
    else:
        found = keras.losses.sparse_categorical_crossentropy(known, logits, from_logits=True)
    return ops.where(is_asked, found, 0.0)


def _perplexity() -> Any:
    return of_tokens("perplexity", _surprise, keras.ops.exp)
