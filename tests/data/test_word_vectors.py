"""word2vec's text format, and what sub-sampling leaves of words."""

import numpy as np
import pytest

from dltrain.data.word_frequencies import kept
from dltrain.data.word_vectors import is_word_vectors, read_word_vectors, write_word_vectors
from dltrain.errors import DataError

VECTORS = np.random.RandomState(0).normal(size=(3, 4)).astype(np.float32)


def test_vectors_come_back_as_the_same_numbers(tmp_path):
    path = tmp_path / "words.txt"
    write_word_vectors(path, ["the", "a word", "naïve\u2028x"], VECTORS)
    names, vectors = read_word_vectors(path)
    assert names == ["the", "a_word", "naïve_x"]
    np.testing.assert_array_equal(vectors, VECTORS)
    assert path.read_text().split("\n")[0] == "3 4"
    assert is_word_vectors(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("2 2\na 1 2\nb 1\n", ":3: must be a word and 2 finite numbers, got 'b 1'"),
        ("2 2\na 1 2\nb 1 x\n", ":3: must be a word and 2 finite numbers, got 'b 1 x'"),
        ("1 2\na 1 nan\n", ":2: must be a word and 2 finite numbers"),
        ("3 2\na 1 2\nb 1 2\n", "says in line 1 that it has 3 vectors, it has 2"),
        ("0 2", "has no vectors"),
    ],
)
def test_a_line_that_is_no_vector_is_named(tmp_path, content, words):
    path = tmp_path / "words.txt"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_word_vectors(path)
    assert words in str(caught.value)


def test_files_that_begin_otherwise_are_no_vectors(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("the 0.1 0.2\n")
    assert not is_word_vectors(path)
    assert not is_word_vectors(tmp_path)
    assert not is_word_vectors(tmp_path / "none.txt")


def test_sub_sampling_leaves_rare_words_and_the_rules_share_of_frequent_ones():
    counts = np.array([0, 10_000, 989_999, 1])
    shares = kept(counts, 0.001)
    frequency = 0.01
    assert shares[1] == pytest.approx(np.sqrt(0.001 / frequency) + 0.001 / frequency)
    assert (shares[0], shares[3]) == (0, 1)
    assert shares[2] < shares[1]
    np.testing.assert_array_equal(kept(counts, None), [0, 1, 1, 1])
