"""word2vec's text format."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dltrain.data.word_vectors import read_word_vectors, write_word_vectors
from dltrain.exports import VectorExport
from dltrain.lazy import np
from dltrain.registry import EXPORTS


@EXPORTS.register("word2vec")
class Word2Vec(VectorExport):
    """Vectors that a network has learnt, a name and its numbers a line: gensim's KeyedVectors and others read it."""

    suffix: ClassVar[str] = ".txt"

    def write_vectors(self, path: Path, names: list[str], vectors: np.ndarray) -> None:
        """Writes names, without spaces, and vectors."""
        write_word_vectors(path, names, vectors)

    def read_vectors(self, path: Path) -> np.ndarray:
        """Reads the vectors of a written file."""
        return read_word_vectors(path)[1]
