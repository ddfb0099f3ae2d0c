"""Directions of vectors, and how they learn."""

import numpy as np
import pytest


@pytest.mark.parametrize("name", ["UnitLength", "ClassCosines"])
def test_a_vector_of_zeros_has_no_direction_and_bounded_gradients(tensorflow, name):
    from dltrain.layers.class_cosines import ClassCosines
    from dltrain.layers.unit_length import UnitLength

    layer = {"UnitLength": UnitLength(), "ClassCosines": ClassCosines(3)}[name]
    vectors = tensorflow.Variable([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]])
    with tensorflow.GradientTape() as tape:
        found = layer(vectors)
        total = tensorflow.reduce_sum(found * [1.0, -2.0, 3.0])
    assert np.all(found[0] == 0) and np.all(np.abs(found[1]) <= 1)
    assert np.abs(tape.gradient(total, vectors)).max() <= 1e4


def test_lengths_are_1(tensorflow):
    from dltrain.layers.unit_length import UnitLength

    vectors = np.random.RandomState(0).standard_normal((20, 5)).astype(np.float32)
    np.testing.assert_allclose(np.linalg.norm(UnitLength()(vectors), axis=1), 1, atol=1e-4)
