"""The invented alphabet: what is written, and that it can be told apart."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from dltrain.datasets._samples.glyphs import glyphs


@pytest.fixture(scope="module")
def written():
    return glyphs(np.random.RandomState(3), letters=20, examples=40)


def test_each_letter_is_written_as_often_as_asked_for_and_never_twice_the_same(written):
    images, labels = written
    assert images.shape == (800, 8, 8)
    assert images.dtype == np.uint8
    assert labels.tolist() == [letter for letter in range(20) for _ in range(40)]
    assert len(np.unique(images, axis=0)) == 800


def test_a_letter_reaches_two_opposite_sides_of_its_image(written):
    for image in written[0]:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        assert max(np.ptp(rows), np.ptp(columns)) == 7


def test_letters_are_as_dark_as_the_digits_that_they_prepare_for(written):
    digits = load_digits().images * 255 / 16
    assert abs(written[0].mean() - digits.mean()) < 0.1 * 255
    assert abs((written[0] == 0).mean() - (digits == 0).mean()) < 0.15


def test_letters_are_told_apart_by_their_neighbours_but_not_without_a_mistake(written):
    images, labels = written[0].reshape(800, -1), written[1]
    accuracy = KNeighborsClassifier(3).fit(images[::2], labels[::2]).score(images[1::2], labels[1::2])
    assert 0.6 < accuracy < 0.995  # 0.05 by chance


def test_the_alphabet_does_not_depend_on_how_long_it_is(written):
    assert np.array_equal(glyphs(np.random.RandomState(3), letters=5, examples=40)[0], written[0][:200])
