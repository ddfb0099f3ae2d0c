"""Mean and deviation over time, beside NumPy's."""

import numpy as np

from dltrain.layers.statistics_pooling import AttentiveStatistics, WithStatistics

X = np.random.RandomState(0).standard_normal((3, 50, 4)).astype(np.float32) + 5


def test_statistics_stand_beside_each_step(tensorflow):
    found = np.asarray(WithStatistics()(X))
    np.testing.assert_array_equal(found[..., :4], X)
    np.testing.assert_allclose(found[..., 4:8], np.broadcast_to(X.mean(axis=1, keepdims=True), X.shape), rtol=1e-5)
    np.testing.assert_allclose(found[..., 8:], np.broadcast_to(X.std(axis=1, keepdims=True), X.shape), rtol=1e-4)


def test_weights_are_the_softmax_of_scores_over_the_steps_of_each_channel(tensorflow):
    scores = np.random.RandomState(1).standard_normal(X.shape).astype(np.float32) * 3
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    mean = (weights * X).sum(axis=1)
    deviation = np.sqrt((weights * (X - mean[:, None]) ** 2).sum(axis=1))
    found = AttentiveStatistics()(X, scores)
    np.testing.assert_allclose(found, np.concatenate([mean, deviation], axis=1), rtol=1e-4)


def test_one_step_has_no_deviation_and_a_gradient(tensorflow):
    x = tensorflow.Variable(X[:, :1])
    with tensorflow.GradientTape() as tape:
        found = AttentiveStatistics()(x, x)
        total = tensorflow.reduce_sum(found)
    np.testing.assert_allclose(found[:, :4], X[:, 0], rtol=1e-6)
    assert np.abs(found[:, 4:]).max() < 0.01
    assert np.isfinite(tape.gradient(total, x)).all()
