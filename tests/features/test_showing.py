"""Every feature shows its values, says how they are distributed, and describes how a stranger makes them."""

import json

import numpy as np
import pytest

from dltrain.data import DataSpec, Ragged, showing
from dltrain.data.feature import Feature
from dltrain.features._series.tables import Layout
from dltrain.features.audio import Audio
from dltrain.features.boxes import Boxes
from dltrain.features.class_label import ClassLabel
from dltrain.features.future import Future
from dltrain.features.identity import Identity
from dltrain.features.image import Image
from dltrain.features.labels import Labels
from dltrain.features.numbers import Numbers
from dltrain.features.sentence import Sentence
from dltrain.features.series import Series
from dltrain.features.table import Column, Table
from dltrain.features.tags import Tags
from dltrain.features.tokens import Tokens
from dltrain.features.vector import Vector
from dltrain.features.whole_series import WholeSeries
from dltrain.figures.distributions import distributed
from dltrain.figures.page import Page, Row
from dltrain.figures.reading import tabled
from dltrain.registry import FEATURES

TOKENS = Tokens(kind="words", max_length=9).fit([["the film was good", "a bad film"]])
SENTENCE = Sentence(kind="words").fit([[["a", "b"]]])
EXAMPLES = {
    "audio": (
        Audio(rate=1_000, samples=64, window=32, hop=16, bands=8),
        np.sin(np.arange(192, dtype=np.float32)).reshape(3, 64),
    ),
    "tokens": (TOKENS, TOKENS.encode(["the film", "a bad zebra was good", "film"]).stored),
    "series": (
        Series(window=3, horizon=1, layout=Layout(targets=("y", "z"), known=("k",))),
        np.arange(36, dtype=np.float32).reshape(3, 4, 3),
    ),
    "whole_series": (WholeSeries(channels=2), Ragged.of([np.ones((each, 2)) for each in (3, 1, 40)], np.float32)),
    "future": (Future(horizon=2, names=("y", "z")), np.arange(12, dtype=np.float32).reshape(3, 2, 2)),
    "boxes": (
        Boxes(class_names=("a", "b")),
        Ragged.of([np.full((count, 7), [0, 0, 0.5, 1, 1, 0, 0]) for count in (2, 0, 1)], np.float32, (7,)),
    ),
    "class_label": (ClassLabel(class_names=("a", "b")), np.array([0, 1, 1], np.int32)),
    "identity": (Identity(class_names=("a", "b")), np.array([0, 1, -1], np.int32)),
    "image": (Image(shape=(4, 5, 3), mean=(1.0,) * 3, standard_deviation=(2.0,) * 3), np.zeros((3, 4, 5, 3), np.uint8)),
    "labels": (Labels(class_names=("a", "b")), np.array([[0, 0], [1, 1], [0, 1]], np.float32)),
    "numbers": (Numbers(names=("x", "y")), np.array([[0, 1e30], [-2, 1234.5], [3, 3]], np.float32)),
    "table": (
        Table(columns=(Column("x", "x"), Column("k", "k", "category", categories=("a",)))),
        np.array([[0.5, 1], [2, 0], [-1e30, 1]], np.float32),
    ),
    "sentence": (SENTENCE, SENTENCE.encode([["a", "b"], ["b"], ["new", "a", "b"]]).stored),
    "tags": (Tags(tag_names=("O", "B-X")), Ragged.of([np.array(each) for each in ([0, 1], [1], [0, -1, 0])], np.int32)),
    "vector": (Vector(shape=(4,)), np.arange(12, dtype=np.float32).reshape(3, 4)),
}


class Plain(Feature):
    """Has what it must have."""

    registered_name = "plain"
    shape = (2,)

    def decode(self, stored):
        return np.asarray(stored).tolist()


class Chain(Plain):
    """Values of different length."""

    registered_name = "chain"
    shape = (None,)

    def decode(self, stored):
        return [list(each) for each in stored]


EXAMPLES["of lengths"] = (Chain(), [[1], [1, 2, 3], []])
EXAMPLES["of defaults"] = (Plain(), np.arange(6).reshape(3, 2))


def test_every_feature_has_examples_here():
    builtin = {name for name in FEATURES.names() if FEATURES[name].__module__.startswith("dltrain.")}
    assert builtin <= EXAMPLES.keys()


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("count", [1, 3])
def test_values_are_shown_one_by_one(name, count):
    feature, stored = EXAMPLES[name]
    items = feature.show(stored[:count])
    assert len(items) == count
    assert len({type(item) for item in items}) == 1
    assert isinstance(items[0], showing.Shown)
    names, rows = tabled(feature.caption, items)
    assert all(len(row) == len(names) for row in rows)


@pytest.mark.parametrize("name", EXAMPLES)
def test_corners_are_shown(name):
    feature, _ = EXAMPLES[name]
    corners = feature.corners()
    stored = (
        Ragged.of(corners, corners[0].dtype)
        if name in ("boxes", "tokens", "sentence", "tags")
        else np.stack(corners)
        if corners
        else []
    )
    assert len(feature.show(stored) if corners else []) == len(corners)


@pytest.mark.parametrize("name", EXAMPLES)
def test_panels_are_drawn(name):
    feature, stored = EXAMPLES[name]
    panels = tuple(distributed(feature, {"train": stored, "test": stored[:1]}))
    assert Page("", {}, (Row(panels),) if panels else ()).render()


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("preprocessed", [False, True])
def test_a_feature_is_described_in_lines(name, preprocessed):
    feature, _ = EXAMPLES[name]
    lines = feature.describe(preprocessed)
    assert lines[0]
    assert not any("\n" in line for line in lines)


def test_what_a_stranger_does_is_said_only_where_the_network_does_not():
    image, _ = EXAMPLES["image"]
    assert "raw, 0 to 255" in image.describe()[1]
    assert "The network itself normalises" in image.describe()[-1]
    assert "normalised by the numbers below" in image.describe(preprocessed=True)[1]
    assert image.describe(preprocessed=True)[-3:] == ["| 0 | 1.0 | 2.0 |", "| 1 | 1.0 | 2.0 |", "| 2 | 1.0 | 2.0 |"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("class_label", ["a", "b", "b"]),
        ("boxes", ["2 b", "no object", "1 b"]),
        ("labels", ["none", "a, b", "b"]),
        ("numbers", ["0, 1e+30", "-2, 1,234", "3, 3"]),
        ("future", ["0, 1 to 2, 3", "4, 5 to 6, 7", "8, 9 to 10, 11"]),
    ],
)
def test_targets_are_said_in_one_line(name, words):
    feature, stored = EXAMPLES[name]
    assert feature.words(stored) == words


def test_by_default_words_are_json():
    feature, stored = EXAMPLES["of defaults"]
    assert [json.loads(words) for words in feature.words(stored)] == stored.tolist()


def test_images_are_drawn_on_the_scale_of_others_with_what_was_looked_at():
    image = Image(shape=(1, 1, 1))
    stored = np.array([0.0, 2.0], np.float32).reshape(2, 1, 1, 1)
    black, grey = image.show(stored / 2, weights=[None, np.ones((1, 1))], like=stored)
    assert (int(black.pixels[0, 0]), int(grey.pixels[0, 0])) == (0, 128)
    assert "2 white" in black.note
    assert black.overlay is None
    assert grey.overlay.shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("items", "names", "rows"),
    [
        ([showing.Text("x")], ["it"], [["x"]]),
        ([showing.Lines(np.arange(8.0)), showing.Lines(np.arange(2.0))], None, None),
        ([showing.Sound(np.zeros(8000, np.float32), 16_000)], ["it"], [["0.5 s"]]),
        ([showing.Row(("a", "b"), ("1", "2"))], ["a", "b"], [["1", "2"]]),
        ([showing.Picture(np.zeros((1, 1), np.uint8))], [], [[]]),
    ],
)
def test_items_become_rows_of_a_table(items, names, rows):
    found = tabled("it", items)
    assert len({len(row) for row in [found[0], *found[1]]}) == 1
    if names is not None:
        assert found == (names, rows)


def test_strings_of_different_length_are_shown_and_told_by_their_lengths():
    """A plugin's feature that has what it must have, and stored values that are Ragged."""

    class Letters(Feature):
        registered_name = "letters"
        shape = (None,)
        dtype = "int32"

        def decode(self, stored):
            return ["".join(chr(97 + code) for code in row) for row in stored]

    stored = Ragged.of([np.array([0, 1]), np.array([2])], np.int32)
    feature = Letters()
    assert feature.words(stored) == ["ab", "c"]
    assert feature.show(stored) == [showing.Text("ab"), showing.Text("c")]
    (panel,) = distributed(feature, {"training": stored})
    assert panel.title == "Lengths: letters"
    assert DataSpec.of(feature, feature).words(stored) == ["ab", "c"]
    assert DataSpec.of(feature).words(None) == []
