import numpy as np
import pytest

from dltrain.datasets.digits import Digits


def test_all_scans_are_there_on_the_full_range():
    splits = Digits().load()
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [1295, 143, 359]
    assert splits.spec.input.shape == (8, 8, 1)
    assert (splits.train.inputs.min(), splits.train.inputs.max()) == (0, 255)


def test_enlarging_repeats_pixels_and_channels():
    small, large = Digits().load().test, Digits(size=24, channels=3).load().test
    assert large.inputs.shape == (359, 24, 24, 3)
    for channel in range(3):
        for shift in range(3):
            np.testing.assert_array_equal(large.inputs[:, shift::3, shift::3, channel], small.inputs[..., 0])


def test_the_validation_fraction_does_not_move_the_test_set():
    tests = [Digits(validation_fraction=fraction).load().test for fraction in (0.0, 0.3)]
    np.testing.assert_array_equal(tests[0].inputs, tests[1].inputs)


def test_without_fractions_all_is_for_training():
    splits = Digits(validation_fraction=0.0, test_fraction=0.0).load()
    assert (len(splits.train), splits.validation, splits.test) == (1797, None, None)


def test_a_size_that_is_no_multiple_of_8_is_refused():
    with pytest.raises(ValueError, match="^size must be a multiple of 8, got 9$"):
        Digits(size=9)
