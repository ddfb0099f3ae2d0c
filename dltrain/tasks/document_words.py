"""The words of documents, guessed from a vector of each document: what paragraph vectors are learnt by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dltrain.data import DataSpec, Examples, Outcome, Ragged, Split
from dltrain.data.random_draws import uniform
from dltrain.data.statistics import cosines, of_length_1
from dltrain.data.word_frequencies import kept
from dltrain.errors import KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.features.tokens import Tokens
from dltrain.fields import NonNegativeInt, PositiveFloat, PositiveInt
from dltrain.lazy import keras, np, tf
from dltrain.registry import TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from dltrain.figures.page import Panel
    from dltrain.report.parts import Chapter, Part

FOLDS = 5
"""Of the linear probe."""

RIDGE = 1e-2
"""Of the linear probe, relative to the mean square of the vectors' numbers."""

NEAREST = 10
"""Documents of the train part that are told for each vector, at most."""

_WITHOUT = ": document_words needs a network with a vector of each document: set model.name: doc2vec"


@TASKS.register("document_words")
class DocumentWords(Task):
    """Guess the words of each document from its vector; needs texts, as words, and a network with such vectors.

    Q. Le and T. Mikolov, "Distributed representations of sentences and documents", 2014. An epoch sees each word of the
    train part once, but for those that sub-sampling leaves out. A document is an example, and counts by the mean over
    its words. Other texts are embedded by `predict`: the words' vectors stay, and a vector is found for the text. So
    the loss of other parts is undefined; classes are not learnt, and serve the probe and the report.

    Args:
        metrics: what is measured of vectors: self_recall, how often a document that is embedded once more is nearest to
            itself (in the train part to its vector from training, elsewhere to a second embedding) among it, its part
            and the train part; probe_accuracy, how often a linear classifier of the vectors tells the class, learnt on
            four fifths of the part and asked about the others.
        negatives: words of other documents that count against each word; 0 for a softmax over all words, which suits
            small vocabularies.
        drawn: negatives that are drawn for each document and shared by its words; more make steadier steps.
        sample: of words more frequent than this some occurrences are left out, as word2vec does; none for none.
        plane: how the report draws documents in two dimensions: pca, principal components; or umap, which keeps near
            ones together, and needs pip install 'dltrain[umap]'.
    """

    accepts: ClassVar = ()
    no_option: ClassVar[str] = "the run embeds documents, it predicts no classes"

    metrics: tuple[Literal["self_recall", "probe_accuracy"], ...] = ("self_recall", "probe_accuracy")
    negatives: NonNegativeInt = 5
    drawn: PositiveInt = 20
    sample: PositiveFloat | None = 0.001
    plane: Literal["pca", "umap"] = "pca"

    @property
    def part_metrics(self) -> tuple[str, ...]:
        """All of its metrics need the vectors of a whole part."""
        return self.metrics

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no single texts of words, or ask for more than a class."""
        inputs = [*data.inputs.values()]
        if len(inputs) != 1 or not isinstance(inputs[0], Tokens) or inputs[0].has_pairs:
            there = " and ".join(each.plural or each.registered_name for each in inputs)
            pairs = "pairs of texts" if len(inputs) == 1 and isinstance(inputs[0], Tokens) else there
            raise KeyProblem("name", f": document_words needs texts as words, the data have {pairs}")
        tokens = inputs[0]
        if tokens.tokenizer and not tokens.counts:
            raise KeyProblem("name", ": document_words needs texts as words: set dataset.tokenizer: words")
        if tokens.tokenizer and tokens.texts < 2:
            words = f": document_words needs two documents or more to train on, the train part has {tokens.texts}"
            raise KeyProblem("name", f"{words}; give each document a row, or a file, of its own")
        if len(data.targets) > 1 or not all(isinstance(each, ClassLabel) for each in data.targets.values()):
            there = " and ".join(each.plural or each.registered_name for each in data.targets.values())
            raise KeyProblem("name", f": document_words knows at most a class of each document, the data have {there}")

    def output_shape(self, data: DataSpec) -> None:
        """Returns none: the network decides."""

    def head(self, data: DataSpec, x: Any, inputs: Any = None, embedding: Any = None, **settings: Any) -> Any:
        """Raises KeyProblem: what a network that has no vectors of documents ends in says nothing of them."""
        raise KeyProblem("name", _WITHOUT)

    def training_part(self, data: DataSpec, train: Split) -> Split:
        """Returns the documents with their numbers, of which training reads some words anew each time."""
        shares = kept(data.input.counts, self.sample)
        return dataclasses.replace(train, inputs=Documents(train.inputs, np.arange(len(train)), shares))

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns minus the mean log-likelihood of a document's words, (batch,); it has no meaning but in training."""
        return lambda targets, outputs: -outputs[:, 0]

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns two embeddings of each document, what of the train part is nearest to the first, and its words."""
        layer = paragraph_vectors(model)
        count = min(NEAREST, layer.documents)

        # A call has two embeddings of many small steps: one by one they take seconds.
        @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, None), tf.int32)])
        def embed(inputs: Any) -> dict[str, Any]:
            vectors = layer.embedded(inputs)
            cosines, numbers = layer.nearest(vectors, count)
            return {
                "vectors": vectors,
                "again": layer.embedded(inputs, 1),
                "nearest": numbers,
                "cosines": cosines,
                "known": layer.known(inputs),
            }

        return embed

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns the metrics of a part."""
        found = {}
        if "self_recall" in self.metrics:
            found["self_recall"] = _self_recall(outcome)
        if "probe_accuracy" in self.metrics and outcome.data.targets:
            found["probe_accuracy"] = probe_accuracy(outcome.outputs["vectors"], np.asarray(outcome.targets))
        return found

    def undefined(self, data: DataSpec, split: Split) -> dict[str, str]:
        """Returns why a part has no loss, and where it has no classes, or too few of each, no probe."""
        if isinstance(split.inputs, Documents):  # as training reads them
            return {}
        found = {"loss": "its documents are embedded anew, with vectors that are not those of training"}
        if "probe_accuracy" in self.metrics:
            if not data.targets:
                found["probe_accuracy"] = "the data have no classes"
            elif np.bincount(np.asarray(split.targets)).max() > len(split) - FOLDS or len(split) < 2 * FOLDS:
                found["probe_accuracy"] = "it has too few documents of several classes"
        return {name: why for name, why in found.items() if name == "loss" or name in self.metrics}

    def score(self, data: DataSpec, outputs: Any) -> Any:
        """Returns the length of each vector."""
        return keras.ops.norm(outputs, axis=1)

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the vector of each document, or that it has no word of the train part."""
        rows = np.asarray(outcome.outputs["vectors"]).astype(np.float64).tolist()
        return [
            {"vector": row} if known else {"error": "has no word that the train part has"}
            for row, known in zip(rows, outcome.outputs["known"], strict=True)
        ]

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns which vectors point the same way."""
        return np.asarray(cosines(outputs, others) > 0.99)

    def vectors(self, data: DataSpec, model: Any) -> dict[str, tuple[Sequence[str] | None, np.ndarray]]:
        """Returns those of the documents of the train part, and of all words."""
        layer, tokens = paragraph_vectors(model), data.input
        names = {number: word for word, number in tokens.ids().items()}
        places = np.flatnonzero(tokens.counts)
        words = np.asarray(layer.vectors_of_words())[places]
        return {
            "documents": (None, np.asarray(layer.document_vectors)),
            "words": ([names[int(place)] for place in places], words),
        }

    def panels(self, data: DataSpec, train: Split, model: Any) -> Sequence[Panel]:
        """Returns how frequent words are, and what sub-sampling leaves of them."""
        from dltrain.figures.words import Frequencies

        counts = np.array(data.input.counts)
        left = counts * kept(counts, self.sample)
        order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        names = {number: word for word, number in data.input.ids().items()}
        note = f"{counts.sum():,} words, of {len(order):,} kinds"
        if self.sample is not None:
            note += f"; sub-sampling (task.sample {self.sample:g}) leaves {left.sum() / counts.sum():.0%} in each epoch"
        return [Frequencies("Words", note, counts[order], left[order], [names[int(place)] for place in order[:8]])]

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        """Returns the documents in a plane, and the nearest of some."""
        from dltrain.report.documents import MOST_READ, neighbours, plane
        from dltrain.report.parts import Chapter

        data, vectors = outcome.data, np.asarray(outcome.outputs["vectors"])
        groups = data.groups(outcome.targets)
        texts = data.input.words(outcome.inputs.take(slice(MOST_READ)))
        note = "Vectors of documents that were embedded after training; near means that they have like words."
        parts: list[Part] = [
            plane(vectors, groups, outcome.part, self.plane),
            neighbours(vectors, texts, data.words(outcome.targets)),
        ]
        return [Chapter("Documents", parts, note)]

    def describe(self, data: DataSpec) -> list[str]:
        """Returns what is guessed, and what outputs are."""
        counts = data.input.counts
        return [
            f"words of {data.input.texts:,} documents, of {np.count_nonzero(counts) if counts else 0:,}",
            "the vector of the document; near vectors are of documents with like words, by the cosine.",
        ]


class Documents(Examples):
    """Documents as training reads them: the number of each, then the words that sub-sampling leaves.

    A word of which the share p is kept is read in a share p of the epochs, by systematic sampling: of the sums of the
    shares along a document, those words are read in which u, u + 1, u + 2 ... fall, u drawn anew at each reading. So as
    many are left each time, give or take one. What is no word has the share 0.

    Args:
        texts: the ids of each document.
        numbers: of the documents, (documents,).
        shares: of each id, how much of its occurrences is kept, (vocabulary,).
    """

    def __init__(self, texts: Ragged, numbers: np.ndarray, shares: np.ndarray) -> None:
        self.texts, self.numbers, self.shares = texts, numbers, shares

    @cached_property
    def sums(self) -> Ragged:
        """Of the shares, up to each word of a document."""
        texts = self.texts
        sums = np.cumsum(self.shares[np.asarray(texts.values, np.int64)], dtype=np.float64)
        before = np.concatenate([[0.0], sums])[texts.offsets[:-1]]
        return Ragged((sums - np.repeat(before, texts.lengths)).astype(np.float32), texts.offsets)

    @property
    def shape(self) -> tuple[int, None]:
        """(documents, None)."""
        return len(self.texts), None

    @property
    def dtype(self) -> np.dtype:
        """int32."""
        return np.dtype(np.int32)

    @property
    def lengths(self) -> np.ndarray:
        """The most that is read of each document, its number included, (documents,)."""
        ends = self.sums.offsets[1:]
        totals = np.where(self.texts.lengths > 0, self.sums.values[np.maximum(ends - 1, 0)], 0)
        return np.ceil(totals).astype(np.int64) + 1

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, positions: Any) -> Documents:
        """Returns the documents at the positions, with the numbers that they have."""
        return Documents(self.texts.take(positions), self.numbers[positions], self.shares)

    def read(self, positions: np.ndarray, seeds: np.ndarray | None = None) -> Ragged:
        """Reads the documents at the positions: with seeds as training does, without them their ids alone."""
        if seeds is None:
            return self.texts.take(positions)
        texts, sums = self.texts.take(positions), self.sums.take(positions)
        starts = np.repeat(uniform(seeds), texts.lengths)
        reached = np.floor(sums.values - starts).astype(np.int64) + 1
        before = np.concatenate([[0], reached[:-1]])
        before[texts.offsets[:-1][texts.lengths > 0]] = 0
        is_read = reached > before
        ends = np.concatenate([[0], np.cumsum(is_read)])[texts.offsets]
        offsets = ends + np.arange(len(ends))
        values = np.empty(offsets[-1], np.int32)
        is_number = np.zeros(len(values), bool)
        is_number[offsets[:-1]] = True
        values[is_number], values[~is_number] = self.numbers[positions], texts.values[is_read]
        return Ragged(values, offsets)


def paragraph_vectors(model: Any) -> Any:
    """Returns the layer of a network that has the vectors.

    Raises:
        KeyProblem: if it has none.
    """
    from dltrain.layers.paragraph_vectors import ParagraphVectors

    found = [layer for layer in model.layers if isinstance(layer, ParagraphVectors)]
    if len(found) != 1:
        raise KeyProblem("name", _WITHOUT)
    return found[0]


def probe_accuracy(vectors: np.ndarray, classes: np.ndarray) -> float:
    """Returns how often a linear classifier of vectors is right: ridge regression of the classes, cross-validated.

    Args:
        vectors: (examples, numbers).
        classes: of each, (examples,), whole numbers.
    """
    order = np.argsort(classes, kind="stable")  # each fold has its share of each class
    folds = np.empty(len(classes), np.int64)
    folds[order] = np.arange(len(classes)) % FOLDS
    inputs = np.concatenate([vectors, np.ones((len(vectors), 1))], axis=1).astype(np.float64)
    wanted = np.eye(int(classes.max()) + 1)[classes]
    right = 0
    for fold in range(FOLDS):
        known, asked = inputs[folds != fold], inputs[folds == fold]
        penalty = RIDGE * np.square(known).mean() * len(known) * np.eye(known.shape[1])
        weights = np.linalg.solve(known.T @ known + penalty, known.T @ wanted[folds != fold])
        right += int(((asked @ weights).argmax(axis=1) == classes[folds == fold]).sum())
    return right / len(classes)


def _self_recall(outcome: Outcome) -> float:
    """Returns how often a document is nearest to itself, among those of its part and of the train part."""
    outputs, count = outcome.outputs, len(outcome.outputs["vectors"])
    if _is_train_part(outcome):
        return float(np.mean(np.asarray(outputs["nearest"])[:, 0] == np.arange(count)))
    one, other = (of_length_1(np.asarray(outputs[name], np.float32)) for name in ("vectors", "again"))
    right = 0
    for start in range(0, count, 1024):
        cosines = one[start : start + 1024] @ other.T
        best = cosines.argmax(axis=1)
        is_nearest = cosines.max(axis=1) > np.asarray(outputs["cosines"])[start : start + 1024, 0]
        right += int((is_nearest & (best == np.arange(start, start + len(best)))).sum())
    return right / count


def _is_train_part(outcome: Outcome) -> bool:
    """Whether the examples are those that the vectors were learnt of: as many, of the same words."""
    tokens, texts = outcome.data.input, outcome.inputs
    if len(texts) != tokens.texts:
        return False
    counts = np.bincount(np.asarray(texts[:].values, np.int64), minlength=tokens.vocabulary)
    counts[[*tokens.special_ids]] = 0
    return bool((counts == np.array(tokens.counts)).all())
