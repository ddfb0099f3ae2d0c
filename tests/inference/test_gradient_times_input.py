"""Which tokens spoke for an answer: exact where the network is linear in their vectors."""

import keras
import numpy as np
import pytest

from dltrain.data import DataSpec, Ragged
from dltrain.features.class_label import ClassLabel
from dltrain.features.tokens import Tokens
from dltrain.features.vector import Vector
from dltrain.features.whole_series import WholeSeries
from dltrain.inference.gradient_times_input import gradient_times_input
from dltrain.registry import MODELS
from dltrain.tasks.classification import Classification

TEXTS = ["good bad plot film", "film was good", "bad"]
TOKENS = Tokens(kind="wordpiece", max_length=20, vocabulary_size=60).fit([TEXTS * 5])
DATA = DataSpec.of(TOKENS, ClassLabel(class_names=("a", "b")))
STORED = TOKENS.encode(TEXTS).stored


def test_of_a_linear_network_the_shares_are_those_of_its_sum():
    model = MODELS["bag_of_words"](width=5).build(DATA)
    found = gradient_times_input(model, Classification(), DATA, STORED, 2)
    table, kernel = (np.asarray(model.get_layer(name).weights[0]) for name in ("embedding", "logits"))
    for text, shares in zip(STORED, found, strict=True):
        logits = np.asarray(model(np.asarray(text, np.int32)[None]))[0]
        exact = table[np.asarray(text)] @ kernel[:, logits.argmax()] / len(text)
        np.testing.assert_allclose(shares, exact / np.abs(exact).max(), atol=1e-5)


@pytest.mark.parametrize("name", ["text_cnn", "lstm", "transformer", "roberta"])
def test_every_network_has_a_share_for_each_token_and_padding_has_none(name):
    found = gradient_times_input(MODELS[name]().build(DATA), Classification(), DATA, STORED, 3)
    assert [len(each) for each in found] == STORED.lengths.tolist()
    assert all(np.abs(each).max() == pytest.approx(1) for each in found)


def test_the_shares_of_pairs_are_those_of_their_first_tokens():
    model = MODELS["bag_of_words"](width=5, word_grams=2, buckets=30).build(DATA)
    assert [len(each) for each in gradient_times_input(model, Classification(), DATA, STORED, 3)] == [
        *STORED.lengths.tolist()
    ]


def test_the_steps_of_series_have_shares_and_those_behind_their_end_have_none():
    feature = WholeSeries(channels=2, mean=(1.0, 0.0), standard_deviation=(2.0, 1.0))
    data = DataSpec.of(feature, ClassLabel(class_names=("a", "b")))
    stored = feature.encode([np.random.RandomState(0).normal(size=(length, 2)) for length in (3, 9, 5)]).stored
    for name in ("gru", "resnet_1d"):
        found = gradient_times_input(MODELS[name]().build(data), Classification(), data, stored, 3)
        assert [len(each) for each in found] == [3, 9, 5]
        assert all(np.abs(each).max() == pytest.approx(1) for each in found)


def test_data_that_are_no_ids_have_none():
    data = DataSpec.of(Vector(shape=(4,)), ClassLabel(class_names=("a", "b")))
    assert gradient_times_input(MODELS["mlp"]().build(data), Classification(), data, np.zeros((2, 4)), 2) is None


def test_a_network_without_vectors_of_ids_has_none():
    inputs = keras.Input((None,), dtype="int32")
    x = keras.ops.mean(keras.ops.cast(inputs, "float32"), axis=1, keepdims=True)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    assert gradient_times_input(model, Classification(), DATA, STORED, 2) is None


def test_words_are_shown_with_the_sums_of_their_pieces():
    stored = TOKENS.encode(["goodbad film"]).stored
    pieces = TOKENS.decode(stored)[0]
    assert pieces[0] == "[CLS]" and any(piece.startswith("##") for piece in pieces)
    weights = np.linspace(-0.5, 0.5, len(pieces))
    (text,) = TOKENS.show(stored, [weights])
    begins = [place for place, piece in enumerate(pieces) if not piece.startswith(("##", "["))] + [len(pieces) - 1]
    sums = [weights[start:end].sum() for start, end in zip(begins[:-1], begins[1:], strict=True)]
    assert [word for word, _ in text.marks] == ["goodbad", "film"]
    np.testing.assert_allclose([weight for _, weight in text.marks], sums, atol=1e-6)
    assert isinstance(stored, Ragged) and TOKENS.show(stored)[0].marks == ()
