import numpy as np
import pytest
from specs import data_spec, split_of

from dltrain import data
from dltrain.data import DataSpec, Groups, Split, Splits, channel_statistics, notice_share
from dltrain.errors import DataError
from dltrain.features.table import Column


def split_off(split, fraction, seed):
    """Takes a share away, stratified by the targets."""
    return data.split_off(split, fraction, seed, Groups((), split.targets))


def numbered(labels: list[int]) -> Split:
    """Examples that hold their own position, so that it can be seen where each one went."""
    return Split(np.arange(len(labels), dtype=np.float32)[:, None], np.array(labels, np.int32))


def positions(split: Split) -> list[int]:
    return [int(value) for value in split.inputs[:, 0]]


def test_every_example_is_in_exactly_one_part():
    rest, taken = split_off(numbered([0, 1, 2] * 20), 0.3, seed=4)
    assert sorted(positions(rest) + positions(taken)) == list(range(60))
    assert positions(rest) == sorted(positions(rest))


def test_labels_stay_with_their_examples():
    labels = np.random.RandomState(0).randint(0, 5, 200).tolist()
    for part in split_off(numbered(labels), 0.4, seed=0):
        assert part.targets.tolist() == [labels[position] for position in positions(part)]


def test_the_same_seed_takes_the_same_examples_and_another_seed_takes_others():
    split = numbered([0, 1] * 50)
    first, again, other = (positions(split_off(split, 0.2, seed)[1]) for seed in (7, 7, 8))
    assert first == again != other


def test_the_split_of_a_seed_never_changes_between_releases():
    assert positions(split_off(numbered([0, 1] * 10), 0.3, seed=0)[1]) == [3, 4, 7, 8, 11, 16]


def test_each_class_gives_its_share():
    rest, taken = split_off(numbered([0] * 100 + [1] * 50 + [2] * 10), 0.2, seed=0)
    assert np.bincount(taken.targets).tolist() == [20, 10, 2]
    assert np.bincount(rest.targets).tolist() == [80, 40, 8]


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_a_class_of_two_is_on_both_sides_and_a_class_of_one_remains(fraction):
    rest, taken = split_off(numbered([0, 0, 1]), fraction, seed=0)
    assert sorted(rest.targets.tolist()) == [0, 1]
    assert taken.targets.tolist() == [0]


def test_a_fraction_of_nothing_takes_nothing():
    split = numbered([0, 1])
    assert split_off(split, 0.0, seed=0) == (split, None)


def test_statistics_equal_numpys_whatever_the_chunk():
    images = np.random.RandomState(0).randint(0, 256, (37, 5, 4, 3)).astype(np.uint8)
    for examples in (1, 10, 37, 1024):
        for inputs in (images, images.astype(np.float32)):
            mean, deviation = channel_statistics(inputs, chunk_values=examples * 5 * 4 * 3)
            np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)), rtol=1e-12)
            np.testing.assert_allclose(deviation, images.std(axis=(0, 1, 2)), rtol=1e-12)


def test_statistics_do_not_cancel_far_from_zero():
    vectors = (1e6 + np.random.RandomState(0).randn(500, 2)).astype(np.float32)
    _, deviation = channel_statistics(vectors, chunk_values=128)
    np.testing.assert_allclose(deviation, vectors.astype(np.float64).std(axis=0), rtol=1e-9)


def test_a_constant_channel_has_deviation_one():
    assert channel_statistics(np.full((4, 2), 3, np.uint8)) == ((3.0, 3.0), (1.0, 1.0))


def test_statistics_come_from_the_training_part_alone():
    train, other = Split(np.ones((4, 2), np.float32), np.zeros(4, np.int32)), numbered([0, 1])
    spec = Splits(data_spec((2,)), train, validation=other, test=other).with_statistics().spec
    assert spec.input.mean == (1.0, 1.0)


def test_a_spec_survives_json():
    import json

    spec = data_spec((8, 8, 1), ("a", "b"), (1.5,), (2.0,))
    assert DataSpec.of_plain(json.loads(json.dumps(spec.plain()))) == spec


def test_inputs_and_targets_of_different_length_are_refused():
    with pytest.raises(DataError, match="got 2 and 3"):
        Split(np.zeros((2, 1), np.float32), np.zeros(3, np.int32))


def test_the_normalization_layer_gives_mean_zero_and_variance_one(tensorflow):
    import keras

    images = np.random.RandomState(0).randint(0, 200, (64, 4, 4, 2)).astype(np.uint8)
    spec = Splits(data_spec((4, 4, 2)), Split(images, np.zeros(64, np.int32))).with_statistics().spec
    inputs = spec.inputs()
    normalized = keras.Model(inputs, spec.preprocess(inputs)).predict(images, verbose=0)
    np.testing.assert_allclose(normalized.mean(axis=(0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(normalized.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_an_unknown_category_adds_nothing(tensorflow):
    import keras

    columns = (Column("x", "x"), Column("c", "c", "category", categories=("a", "b")))
    spec = data_spec((2,), ("no", "yes"), (1.0, 0.0), (2.0, 1.0), columns)
    inputs = spec.inputs()
    features = keras.Model(inputs, spec.preprocess(inputs))(np.array([[1, 0], [3, 1], [5, 2], [5, 9]], np.float32))
    np.testing.assert_array_equal(features, [[0, 0, 0], [1, 1, 0], [2, 0, 1], [2, 0, 0]])


def test_what_fills_a_missing_value_is_a_statistic_and_no_shape():
    spec = data_spec((1,), ("a", "b"), columns=(Column("x", "x", fill=1.0),))
    later = data_spec((1,), ("a", "b"), columns=(Column("x", "x", fill=2.0),))
    assert later != spec
    assert later.signature == spec.signature
    assert data_spec((1,), ("a", "b"), columns=(Column("x", "x", "missing"),)).signature != spec.signature


def shares(sizes, fraction, seed=0):
    """How many examples of classes of some sizes are held out, by class."""
    labels = np.repeat(np.arange(len(sizes)), sizes).astype(np.int32)
    groups = Groups(tuple(map(str, range(len(sizes)))), labels)
    rest, taken = data.split_off(Split(np.arange(len(labels))[:, None], labels), fraction, seed, groups)
    assert sorted([*rest.inputs[:, 0], *taken.inputs[:, 0]]) == list(range(len(labels)))
    assert (np.bincount(rest.targets, minlength=len(sizes)) >= 1).all()
    return np.bincount(taken.targets, minlength=len(sizes))


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2, 0.4, 0.7])
@pytest.mark.parametrize("sizes", [[3] * 100, [7] * 40, [2] * 60, [500, *[3] * 50], [*range(2, 60)], [40, *[2] * 9]])
def test_the_share_that_is_held_out_is_the_fraction_however_small_classes_are(sizes, fraction):
    found = shares(sizes, fraction)
    possible = min(sum(sizes) * fraction, sum(np.minimum(np.ceil(np.array(sizes) * fraction), np.array(sizes) - 1)))
    assert abs(found.sum() - possible) <= max(1, 0.25 * possible)
    assert (np.abs(found - np.array(sizes) * fraction) <= 1).all()
    assert (shares(sizes, fraction) == found).all()


def test_which_of_equal_classes_give_an_example_is_drawn_by_the_seed():
    first, second = shares([3] * 100, 0.1, seed=1), shares([3] * 100, 0.1, seed=2)
    assert first.sum() == second.sum() == 30
    assert (first != second).any()


def test_a_share_that_cannot_be_kept_is_said(caplog):
    caplog.set_level("INFO", logger="dltrain")
    part = split_of(np.zeros(9, np.int32))
    notice_share("test", part.first(8), part.first(2), 0.2)
    notice_share("test", part.first(8), part.first(2), "fold 1 of 9")
    assert caplog.text == ""
    notice_share("validation", part.first(2), part.first(1), 0.1)
    assert "the validation part has 1 of 3 examples, 33% instead of 10%: the classes are too small" in caplog.text
