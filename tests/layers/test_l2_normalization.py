"""Vectors of length 1 times a scale."""

import numpy as np

from dltrain.layers.l2_normalization import L2Normalization


def test_each_position_has_the_length_of_the_scale(tensorflow):
    x = np.random.RandomState(0).standard_normal((2, 3, 4, 8)).astype(np.float32)
    layer = L2Normalization(20.0)
    np.testing.assert_allclose(np.linalg.norm(layer(x), axis=-1), np.full((2, 3, 4), 20), rtol=1e-5)
    np.testing.assert_allclose(layer(x), 20 * x / np.linalg.norm(x, axis=-1, keepdims=True), rtol=1e-5)
    assert layer.count_params() == 8


def test_zeros_have_a_gradient(tensorflow):
    x = tensorflow.Variable(np.zeros((1, 1, 1, 4), np.float32))
    layer = L2Normalization()
    with tensorflow.GradientTape() as tape:
        total = tensorflow.reduce_sum(layer(x))
    assert np.isfinite(tape.gradient(total, x)).all()


def test_large_values_survive_float16(tensorflow):
    x = np.full((1, 1, 1, 512), 500, np.float32)
    found = L2Normalization(dtype="mixed_float16")(x)
    assert found.dtype == "float16"
    np.testing.assert_allclose(np.asarray(found, np.float32), np.full(x.shape, 20 / np.sqrt(512)), rtol=1e-2)


def test_it_is_restored_with_its_scale(tensorflow):
    assert L2Normalization.from_config(L2Normalization(3.0).get_config()).initial_scale == 3.0
