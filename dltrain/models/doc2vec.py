"""Doc2Vec: a vector of each document."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain.data import DataSpec
from dltrain.data.word_vectors import is_word_vectors, read_word_vectors
from dltrain.errors import DataError, KeyProblem
from dltrain.fields import PositiveFloat, PositiveInt
from dltrain.lazy import keras, np
from dltrain.models._texts import TextNetwork
from dltrain.registry import MODELS


@MODELS.register("doc2vec")
class Doc2Vec(TextNetwork):
    """A vector of each document, and of each word, from which the documents' words are guessed; for document_words.

    Q. Le and T. Mikolov, "Distributed representations of sentences and documents", 2014: PV-DBOW and PV-DM. A text that
    is not of the train part is embedded with these words. `weights` may also be a file of word vectors in word2vec's
    text format, with which the words of the same spelling begin.

    Args:
        mode: dbow, which guesses each word from the document's vector alone; dm_mean, from the mean of it and those of
            the words around; dm_concat, from all of them side by side, in the order of the words, the largest by far.
        width: of a vector; the paper's 400 is for 100,000 documents.
        window: words before and behind, of the dm modes; the paper's windows have 8 words in all. word2vec and gensim
            shorten theirs at random for each word: to 3 in the mean where it is 5.
        embedding_steps: of the embedding of a new text.
        embedding_rate: of these, the first; it falls to 0.
    """

    sees_each_token: ClassVar = False
    ends_by_itself: ClassVar = True

    mode: Literal["dbow", "dm_mean", "dm_concat"] = "dbow"
    width: PositiveInt = 100
    window: PositiveInt = 3
    embedding_steps: PositiveInt = 50
    embedding_rate: PositiveFloat = 0.1

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no texts, or another task is asked for."""
        super().check(data)
        if data.task is not None and data.output_shape is not None:
            words = "doc2vec learns vectors of documents, and answers nothing: set task.name: document_words"
            raise KeyProblem("name", f"{words}, with or without a label_column for the report")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from ids to the vector of a document."""
        from dltrain.layers.paragraph_vectors import ParagraphVectors

        tokens, task, inputs = self._tokens(data), data.resolved_task, data.inputs()
        layer = ParagraphVectors(
            tokens.texts,
            tokens.counts,
            self.width,
            self.mode,
            self.window,
            task.negatives,
            task.drawn,
            task.sample,
            self.embedding_steps,
            self.embedding_rate,
            tokens.padding,
            dtype="float32",
            name="paragraph_vectors",
        )
        return keras.Model(inputs, layer(data.preprocess(inputs)), name="doc2vec")

    def reads(self, path: Path) -> bool:
        """Whether a file has word vectors."""
        return is_word_vectors(path)

    def initialize(self, model: Any, data: DataSpec) -> None:
        """Gives words the vectors that a file has for them.

        Raises:
            DataError: if a line is no vector, vectors are of another width, or no word is known.
        """
        path: Any = self.weights
        words, vectors = read_word_vectors(path)
        if vectors.shape[1] != self.width:
            raise DataError(
                f"{path}: has vectors of {vectors.shape[1]} numbers, model.width is {self.width}; set it so"
            )
        ids = self._tokens(data).ids()
        known = {ids[word]: place for place, word in enumerate(words) if word in ids}
        if not known:
            raise DataError(f"{path}: has none of the data's words, the first is {words[0]!r}")
        variable = model.get_layer("paragraph_vectors").vectors_of_words()
        table = np.array(variable)
        table[[*known], : self.width] = vectors[[*known.values()]]
        variable.assign(table)
