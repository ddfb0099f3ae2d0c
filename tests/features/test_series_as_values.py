"""Whole series: the way in and out, what is odd about them, and what they look like."""

import numpy as np
import pytest

from dltrain.data import Parts, Ragged
from dltrain.data.showing import Lines
from dltrain.features.whole_series import WholeSeries, of_arrays

TWO = WholeSeries(channels=2, names=("x", "y"))
FIXED = WholeSeries(steps=3)


@pytest.mark.parametrize(
    ("feature", "raws"),
    [
        (TWO, [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]),
        (FIXED, [[[1.0], [2.0], [3.0]]]),
        (TWO, []),
        (FIXED, []),
    ],
)
def test_series_come_back_as_they_went_in(feature, raws):
    encoded = feature.encode(raws)
    assert encoded.problems == {}
    assert feature.decode(encoded.stored) == raws
    assert isinstance(encoded.stored, Ragged) == (feature.steps is None)
    again = feature.of_plain(feature.plain())
    assert again == feature


def test_a_series_of_one_channel_is_a_list_of_numbers_and_one_of_several_may_be_an_object():
    assert FIXED.encode([[1, 2, 3]]).stored.tolist() == [[[1], [2], [3]]]
    assert TWO.encode([{"y": [3, 4], "x": [1, 2]}]).stored[0].tolist() == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("feature", "raw", "words"),
    [
        (FIXED, [1, 2], "must have 3 steps, as all series of the train part, got 2"),
        (FIXED, [1, "two", 3], "must be a list of 3 numbers"),
        (FIXED, 7, "must be a list of 3 numbers, got 7"),
        (FIXED, [], "must be a list of 3 numbers, got []"),
        (FIXED, [1, None, 3], "step 2 is missing; to draw a line between its neighbours, set dataset.on_missing: fill"),
        (FIXED, [1, 1e39, 3], "step 2 is infinite, or beyond float32"),
        (TWO, [[1, 2, 3]], "must be a list of steps of 2 numbers, got shape 1x3"),
        (TWO, [[1, 2], [3]], "must be a list of steps of 2 numbers"),
        (TWO, {"x": [1]}, "has no y"),
        (TWO, {"x": [1], "y": [1, 2]}, "must be an object of equally long lists, x, y"),
        (TWO, [[1, 2], [3, None]], "step 2 of y is missing"),
        (TWO.replaced(on_missing="fill"), [[1, None], [3, None]], "y has no number"),
    ],
)
def test_what_cannot_be_used_says_why(feature, raw, words):
    good = [[[1, 2]], [1, 2, 3]][feature is FIXED]
    encoded = feature.encode([good, raw, good])
    assert words in encoded.problems[1]
    assert len(encoded.stored) == 2


def test_what_is_filled_in_is_noticed():
    encoded = FIXED.replaced(on_missing="fill").encode([[1, None, 3], [1, 2, 3]])
    assert encoded.stored[:, :, 0].tolist() == [[1, 2, 3], [1, 2, 3]]
    assert encoded.noticed(0) == ["1 of 3 numbers were missing: they lie on a line between their neighbours"]
    assert encoded.noticed(1) == []
    (words,) = FIXED.replaced(on_missing="fill").encode([[1, 2, None]]).noticed(0)
    assert words == (
        "1 of 3 numbers were missing: they lie on a line between their neighbours, at the ends on the nearest number"
    )


@pytest.mark.parametrize("raw", [["1", "2", "3"], [True, False, True]])
def test_texts_and_truth_values_are_no_numbers(raw):
    assert FIXED.encode([raw]).problems == {0: "must be a list of 3 numbers"}


def series(count, seed, level=0.0):
    random = np.random.RandomState(seed)
    return [random.normal(level, 1, (random.randint(5, 9), 2)) for _ in range(count)]


def found(brief=False, scaling="train", **parts):
    feature = of_arrays(parts["train"], scaling=scaling)
    stored = {name: feature.encode(rows).stored for name, rows in parts.items()}
    place = Parts(stored, lambda part, index: f"{part}[{index}]")
    return {each.kind: each for each in feature.findings(place, brief)}


def test_nothing_is_odd_about_noise():
    assert found(train=series(60, 0), test=series(60, 1)) == {}


def test_series_and_channels_that_never_change_are_found():
    constant = [*series(30, 0), np.full((6, 2), 3.0)]
    assert found(brief=True, train=constant)["constant series"].where == ("train[30]",)
    empty = [np.stack([each[:, 0], np.zeros(len(each))], axis=1) for each in series(30, 0)]
    assert found(train=empty)["constant channels"].where == ("channel 2",)


def test_a_test_part_of_another_level_or_length_is_found():
    finding = found(train=series(60, 0), test=series(60, 1, level=3))["unlike test part"]
    where = finding.where
    assert "scaling: series" in finding.advice and "length" not in finding.advice
    assert [words.split(" of a series")[0] for words in where] == ["channel 1: mean", "channel 2: mean"]
    assert found(scaling="series", train=series(60, 0), test=series(60, 1, level=3)) == {}
    longer = [np.concatenate([each, each]) for each in series(60, 1)]
    finding = found(train=series(60, 0), test=longer)["unlike test part"]
    assert finding.where[0].startswith("length of a series")
    finding = found(scaling="series", train=series(60, 0), test=longer)["unlike test part"]
    assert "length" in finding.advice and "scaling" not in finding.advice


def test_vectors_are_alike_where_series_are_whatever_their_length():
    slow, fast = np.sin(np.linspace(0, 6, 80)), np.sin(np.linspace(0, 6, 40))
    feature = of_arrays([slow[:, None], fast[:, None]], scaling="series").replaced(lengths=(80,))
    one, other, apart = feature.vectors(feature.encode([slow, fast * 5 + 1, -slow]).stored)
    assert np.abs(one - other).max() < 0.1 < np.abs(one - apart).max()


def test_they_are_shown_as_lines_over_steps_with_what_spoke_for_an_answer():
    stored = TWO.encode([[[1, 2], [3, 4]], [[5, 6]]]).stored
    one, other = TWO.show(stored, [np.array([0.5, -1.0]), None])
    assert isinstance(one, Lines)
    assert (one.over, one.values.tolist(), one.weights.tolist()) == ("steps", [[1, 2], [3, 4]], [0.5, -1.0])
    assert other.weights is None
    assert TWO.words(stored) == ["2 steps, 1 to 4", "1 steps, 5 to 6"]
