"""Vectors of documents and of words, learnt by guessing the words of each document."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from dltrain.data.word_frequencies import kept

ops = keras.ops

SMOOTHING = 0.75
"""Power of a word's frequency by which it is drawn as a negative (Mikolov et al. 2013, section 2.2)."""


@keras.saving.register_keras_serializable(package="dltrain")
class ParagraphVectors(keras.layers.Layer):
    """Paragraph vectors: a vector for each document of the train part, from which its words are guessed.

    Q. Le and T. Mikolov, "Distributed representations of sentences and documents", 2014, section 2; negatives as in
    T. Mikolov et al., "Distributed representations of words and phrases", 2013, section 2.2. For a word v in a document
    with the hidden vector h the log-likelihood is log s(h.v) + sum of log s(-h.n) over negatives n, s the sigmoid; or
    that of a softmax over all words. h is the document's vector (dbow), the mean of it and of those of the words up to
    `window` places away (dm_mean), or all of these side by side (dm_concat), the padding's where a text begins or ends.
    Different from the papers: a document counts as the mean over its words; `drawn` negatives of each document are
    shared by its words, and each counts `negatives / drawn`, so that the expected gradient is that of `negatives` for
    each word; word2vec shortens the window at random, this does not.

    Input in training: the number of each document, then the ids of its words, (batch, 1 + words), int32. Output: the
    mean log-likelihood of a word, (batch, 1).
    Input otherwise: ids, (batch, words), int32. Output: a vector of each document, (batch, width): the words' vectors
    stay, and a new row is found by `steps` of Adam from 0, with negatives that are the same for all documents.

    Args:
        documents: how many there are in the train part.
        counts: how often each id occurs there; 0 for what is no word.
        width: of a vector.
        mode: dbow, dm_mean or dm_concat.
        window: words before and behind, of the dm modes.
        negatives: how many words of others count for each word; 0 for a softmax over all words.
        drawn: how many are drawn for each document.
        sample: as of `kept`: how much a word counts where a new document is embedded. In training they are left out
            of the input.
        steps: of the embedding of a new document.
        rate: of these, the first: it falls to 0.
        padding: the id of no word.
    """

    def __init__(
        self,
        documents: int,
        counts: Sequence[int],
        width: int,
        mode: str = "dbow",
        window: int = 3,
        negatives: int = 5,
        drawn: int = 20,
        sample: float | None = None,
        steps: int = 50,
        rate: float = 0.1,
        padding: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.documents, self.counts, self.width, self.mode, self.window = documents, [*counts], width, mode, window
        self.negatives, self.drawn, self.sample = negatives, drawn, sample
        self.steps, self.rate, self.padding = steps, rate, padding
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, input_shape: Any) -> None:
        """Makes the tables: small random vectors of documents and words, zeros for the words that are guessed."""
        size = len(self.counts)
        small = keras.initializers.RandomUniform(-0.5 / self.width, 0.5 / self.width)
        self.document_vectors = self.add_weight(shape=(self.documents, self.width), initializer=small, name="documents")
        if self.mode != "dbow":
            self.word_vectors = self.add_weight(shape=(size, self.width), initializer=small, name="words")
        columns = self.width * (2 * self.window + 1) if self.mode == "dm_concat" else self.width
        self.outputs = self.add_weight(shape=(size, columns), initializer="zeros", name="outputs")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns log-likelihoods in training, otherwise vectors."""
        return self.likelihood(inputs) if training else self.embedded(inputs)

    def likelihood(self, inputs: Any) -> Any:
        """Returns the mean log-likelihood of the words of documents, (batch, 1); negatives are drawn anew."""
        ids = inputs[:, 1:]
        vectors = rows(self.document_vectors, inputs[:, 0])
        is_word = ops.cast(ops.not_equal(ids, self.padding), "float32")
        shares = is_word / ops.maximum(ops.sum(is_word, axis=1, keepdims=True), 1.0)
        contexts, scale = self._contexts(ids, is_word)
        hidden = self._hidden(vectors, contexts, scale)
        wanted = rows(self.outputs, ids)
        if not self.negatives:
            others = ops.logsumexp(ops.matmul(hidden, ops.transpose(self.outputs)), axis=-1)
            return ops.sum(shares * (self._logits(hidden, wanted) - others), axis=1, keepdims=True)
        draws = keras.random.uniform((ops.shape(ids)[0], self.drawn), seed=self.seed_generator)
        drawn = ops.searchsorted(self._noise(), ops.reshape(draws, (-1,)), side="right")
        negative = rows(self.outputs, ops.reshape(drawn, (-1, self.drawn)))
        if self.mode == "dbow":
            positive, against = self._logits(hidden, wanted), ops.matmul(hidden, ops.transpose(negative, (0, 2, 1)))
        else:
            logits = _logits_of_windows(hidden, wanted, negative)
            positive, against = logits[..., 0], logits[..., 1:]
        each = ops.softplus(-positive) + self.negatives / self.drawn * ops.sum(ops.softplus(against), axis=-1)
        return -ops.sum(shares * each, axis=1, keepdims=True)

    def embedded(self, ids: Any, number: int = 0) -> Any:
        """Returns vectors of documents that are not in the table, (batch, width).

        Args:
            ids: of their words, (batch, words).
            number: which of several draws of negatives: other vectors of the same documents.
        """
        share = kept(self.counts, self.sample)
        weights = ops.take(ops.convert_to_tensor(share), ids, axis=0)
        is_word = ops.cast(weights > 0, "float32")
        ids = ops.where(weights > 0, ids, self.padding)
        weights = weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1e-12)
        contexts, scale = self._contexts(ids, is_word)
        rest = self._hidden(ops.zeros((1, self.width)), contexts, scale)
        rest = rest if self.mode != "dbow" else None
        wanted = rows(self.outputs, ids)
        known, of_document = self._beside(rest, wanted), wanted[..., : self.width]
        # Read before the loop: ONNX has no tables of weights within one.
        drawn = rows(self.outputs, ops.convert_to_tensor(self._quadrature(number))) if self.negatives else None
        table = None if self.negatives else ops.convert_to_tensor(self.outputs)

        def gradient(step: Any, vectors: Any) -> Any:
            """Returns that of the log-likelihood: s(-h.v) v for words, -s(h.n) n for negatives, h = vector * scale."""
            logits = self._scaled(ops.matmul(of_document, vectors[:, :, None])[..., 0], scale) + known
            pulls = weights * (ops.sigmoid(-logits) if self.negatives else 1.0)
            pull = ops.einsum("bl,bld->bd", self._scaled(pulls, scale), of_document)
            others = ops.take(drawn, step, axis=0) if table is None else table
            away = self._scaled(ops.matmul(vectors, ops.transpose(others[:, : self.width]))[:, None], scale, axis=2)
            if rest is not None:
                away = away + ops.matmul(rest, ops.transpose(others))
            share = self.negatives / others.shape[0]
            pushes = ops.sigmoid(away) * share if table is None else ops.softmax(away, axis=-1)
            factors = weights if rest is not None else ops.sum(weights, axis=1, keepdims=True)
            pushes = ops.sum(pushes * self._scaled(factors, scale)[:, :, None], axis=1)
            return pull - ops.matmul(pushes, others[:, : self.width])

        def move(step: Any, state: Any) -> Any:
            """Adam's step, with betas of 0.9 and 0.99."""
            vectors, first, second = state
            slope = gradient(step, vectors)
            count = ops.cast(step, "float32") + 1.0
            first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope * slope
            mean, deviation = first / (1 - 0.9**count), ops.sqrt(second / (1 - 0.99**count))
            rate = self.rate * (1 - (count - 1) / self.steps)
            return vectors + rate * mean / (deviation + 1e-7), first, second

        begin = ops.zeros((ops.shape(ids)[0], self.width))
        return ops.fori_loop(0, self.steps, move, (begin, begin, begin))[0]

    def known(self, ids: Any) -> Any:
        """Returns how many words that it knows each document has, (batch,)."""
        is_word = ops.convert_to_tensor((np.array(self.counts) > 0).astype(np.float32))
        return ops.sum(ops.take(is_word, ids, axis=0), axis=1)

    def vectors_of_words(self) -> Any:
        """Returns a vector of each word, (vocabulary, width): those of contexts, or without these those guessed."""
        return self.outputs if self.mode == "dbow" else self.word_vectors

    def nearest(self, vectors: Any, count: int) -> tuple[Any, Any]:
        """Returns the documents of the table nearest to vectors: their cosines and their numbers, (batch, count)."""
        table = ops.convert_to_tensor(self.document_vectors)
        return ops.top_k(ops.matmul(_of_length_1(vectors), ops.transpose(_of_length_1(table))), count)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns shape and type of the vectors."""
        return keras.KerasTensor((inputs.shape[0], self.width), "float32")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("documents", "counts", "width", "mode", "window", "negatives", "drawn", "sample", "steps", "rate")
        return super().get_config() | {name: getattr(self, name) for name in (*names, "padding")}

    def _contexts(self, ids: Any, is_word: Any) -> tuple[Any, Any]:
        """Returns what surrounds each word, (batch, words, ...), and 1 / (1 + how many words these are)."""
        if self.mode == "dbow":
            return None, None
        width = self.window
        if self.mode == "dm_concat":
            beyond = ops.pad(ids, ((0, 0), (width, width)), constant_values=self.padding)
            whole, shape = rows(self.word_vectors, beyond), (*ops.shape(ids), self.width)
            places = [*range(width), *range(width + 1, 2 * width + 1)]
            # The gradient of `whole[:, place:]` takes TensorFlow ten times as long.
            return ops.concatenate([ops.slice(whole, (0, place, 0), shape) for place in places], axis=-1), None
        around = rows(self.word_vectors, ids) * is_word[..., None]
        sums, counts = (_windowed(each, width) for each in (around, is_word[..., None]))
        return sums - around, 1.0 / (1.0 + counts - is_word[..., None])

    def _hidden(self, vectors: Any, contexts: Any, scale: Any) -> Any:
        """Returns what words are guessed from, (batch, words, columns); (batch, 1, columns) where all are the same."""
        vectors = vectors[:, None]
        if self.mode == "dbow":
            return vectors
        if self.mode == "dm_mean":
            return (vectors + contexts) * scale
        own = ops.broadcast_to(vectors, (*ops.shape(contexts)[:2], self.width))
        return ops.concatenate([own, contexts], axis=-1)

    def _logits(self, hidden: Any, wanted: Any) -> Any:
        """Returns the products of hidden vectors and those of the words that stand there, (batch, words)."""
        if self.mode == "dbow":
            return ops.matmul(wanted, ops.transpose(hidden, (0, 2, 1)))[..., 0]
        return ops.sum(hidden * wanted, axis=-1)

    def _beside(self, rest: Any, wanted: Any) -> Any:
        """Returns what contexts add to the logits of words, (batch, words)."""
        return 0.0 if rest is None else ops.sum(rest * wanted, axis=-1)

    def _scaled(self, values: Any, scale: Any, axis: int = 0) -> Any:
        """Returns values of each word times the scale of its document's vector; with an axis behind, of others too."""
        if scale is None:
            return values
        return values * (scale if axis else scale[..., 0])

    def _noise(self) -> Any:
        """Returns the cumulative shares by which negatives are drawn, (vocabulary,)."""
        powers = np.cumsum(np.asarray(self.counts, np.float64) ** SMOOTHING)
        shares = (powers / powers[-1]).astype(np.float32)
        return ops.convert_to_tensor(shares)

    def _quadrature(self, number: int) -> np.ndarray:
        """Returns negatives for each step of an embedding, (steps, some), int32: evenly spaced, from random places."""
        powers = np.cumsum(np.asarray(self.counts, np.float64) ** SMOOTHING)
        size = 256 if self.mode == "dbow" else 32
        places = np.arange(size) + np.random.RandomState(number).rand(self.steps, 1)
        found = np.searchsorted(powers / powers[-1], places / size, side="right")
        return found.astype(np.int32)


def rows(table: Any, places: Any) -> Any:
    """Returns rows of a table of weights.

    With TensorFlow only these are read: `ops.take` reads, and after an update copies, the whole table.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(table.value, places)
    return ops.take(table, places, axis=0)


@ops.custom_gradient
def _logits_of_windows(hidden: Any, wanted: Any, negative: Any) -> Any:
    """Returns the products of each hidden vector and that of the word there, then negatives, (batch, words, 1 + drawn).

    The gradient is the usual one, in half as many passes over (batch, words, columns), which take most of a step.

    Args:
        hidden: (batch, words, columns).
        wanted: of the words that stand there, (batch, words, columns).
        negative: (batch, drawn, columns).
    """

    def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
        [pull] = arguments if upstream is None else [upstream]
        own, others = pull[..., :1], pull[..., 1:]
        of_negative = ops.matmul(ops.transpose(others, (0, 2, 1)), hidden)
        return own * wanted + ops.matmul(others, negative), own * hidden, of_negative

    positive = ops.sum(hidden * wanted, axis=-1, keepdims=True)
    return ops.concatenate([positive, ops.matmul(hidden, ops.transpose(negative, (0, 2, 1)))], axis=-1), gradient


def _windowed(values: Any, reach: int) -> Any:
    """Returns the sums of values up to so many places away, the own one among them, (batch, places, columns)."""
    padded = ops.pad(values, ((0, 0), (reach, reach), (0, 0)))
    return ops.average_pool(padded, 2 * reach + 1, strides=1, padding="valid") * (2.0 * reach + 1.0)


def _of_length_1(vectors: Any) -> Any:
    return vectors / ops.maximum(ops.norm(vectors, axis=-1, keepdims=True), 1e-12)
