"""PatchTST beside its authors' code, rewritten in NumPy; each target by itself; patches longer than the window."""

import math

import numpy as np
import pytest
from test_forecasting_networks import spec

from dltrain.errors import KeyProblem
from dltrain.models.patch_tst import PatchTST

WIDTH, HEADS = 8, 2


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / 2**0.5)) / 2


def attended(x, weights):
    """Multi-head self-attention; Keras's weights have the heads on an axis of their own."""
    query, key, value = (
        np.einsum("npd,dhk->nhpk", x, weights[place]) + weights[place + 1][:, None] for place in (0, 2, 4)
    )
    shares = softmax(query @ key.transpose(0, 1, 3, 2) / (WIDTH / HEADS) ** 0.5)
    return np.einsum("nhpk,hkd->npd", shares @ value, weights[6]) + weights[7]


def normalized(x, weights):
    gamma, beta, mean, variance = weights
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def test_it_computes_what_the_authors_code_does_without_residual_attention(tensorflow):
    data = spec(window=12, horizon=3, targets=("y", "z"))
    keys = {"patch_length": 4, "patch_stride": 3, "width": WIDTH, "heads": HEADS, "depth": 1, "dense_width": 10}
    model = PatchTST(**keys).build(data)
    random = np.random.RandomState(0)
    model.set_weights(
        [random.uniform(0.1, 1, weight.shape) - 0.3 * (weight.ndim > 1) for weight in model.get_weights()]
    )

    def weights(name):
        return model.get_layer(name).get_weights()

    x = random.normal(size=(5, 12, 2)).astype("float32")
    series = x.transpose(0, 2, 1).reshape(10, 12)
    padded = np.concatenate([series, np.repeat(series[:, -1:], 3, axis=1)], axis=1)
    patches = np.stack([padded[:, place : place + 4] for place in range(0, 12, 3)], axis=1)
    kernel, bias = weights("patches")
    y = patches @ kernel[:, 0] + bias + weights("positions")[0]
    y = normalized(y + attended(y, weights("block1_attention")), weights("block1_attention_normalization"))
    (first, first_bias), (second, second_bias) = weights("block1_dense1"), weights("block1_dense2")
    y = normalized(y + gelu(y @ first + first_bias) @ second + second_bias, weights("block1_dense_normalization"))
    kernel, bias = weights("logits")
    expected = (y.reshape(5, 2, -1) @ kernel + bias).transpose(0, 2, 1)
    np.testing.assert_allclose(model(x), expected, rtol=1e-3, atol=1e-3)


def test_no_target_sees_another(tensorflow):
    model = PatchTST(patch_length=4, patch_stride=2, width=8, heads=2).build(spec(targets=("y", "z")))
    x = np.random.RandomState(0).normal(size=(2, 8, 2)).astype("float32")
    other = x.copy()
    other[..., 1] += 5
    before, after = np.asarray(model(x)), np.asarray(model(other))
    np.testing.assert_allclose(after[..., 0], before[..., 0], atol=1e-6)
    assert np.abs(after[..., 1] - before[..., 1]).max() > 0.01


def test_a_patch_longer_than_the_window_is_refused():
    with pytest.raises(KeyProblem, match=r"^patch_length must be at most dataset.window, 8, got 9$"):
        PatchTST(patch_length=9).check(spec(window=8))
    PatchTST(patch_length=8).check(spec(window=8))


def test_heads_must_divide_the_width():
    with pytest.raises(KeyProblem, match=r"^heads must divide width, 64, got 5$"):
        PatchTST(heads=5)
