import numpy as np
import pytest


@pytest.mark.parametrize("channels", [1, 3, 5, 12])
def test_it_follows_the_papers_formula(tensorflow, channels):
    from dltrain.layers.local_response_normalization import LocalResponseNormalization

    inputs = 10 * np.random.RandomState(0).standard_normal((2, 3, 3, channels)).astype(np.float32)
    expected = np.empty_like(inputs)
    for channel in range(channels):
        neighbours = inputs[..., max(0, channel - 2) : min(channels, channel + 3)]
        expected[..., channel] = inputs[..., channel] / (2 + 1e-4 * (neighbours**2).sum(axis=-1)) ** 0.75
    np.testing.assert_allclose(LocalResponseNormalization()(inputs), expected, rtol=1e-5)


def test_it_has_the_gradient_of_tensorflows_kernel(tensorflow):
    from dltrain.layers.local_response_normalization import LocalResponseNormalization

    random = np.random.RandomState(0)
    inputs = tensorflow.constant(100 * random.standard_normal((2, 5, 5, 12)), tensorflow.float32)
    weights = tensorflow.constant(random.standard_normal((2, 5, 5, 12)), tensorflow.float32)
    gradients = []
    for normalize in (LocalResponseNormalization(), lambda x: tensorflow.nn.lrn(x, 2, 2.0, 1e-4, 0.75)):
        with tensorflow.GradientTape() as tape:
            tape.watch(inputs)
            loss = tensorflow.reduce_sum(weights * normalize(inputs))
        gradients.append(tape.gradient(loss, inputs))
    np.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5)


def test_it_survives_saving(tensorflow):
    from dltrain.layers.local_response_normalization import LocalResponseNormalization

    layer = LocalResponseNormalization(size=3, bias=1.0, alpha=0.5, beta=0.5)
    again = LocalResponseNormalization.from_config(layer.get_config())
    inputs = np.random.RandomState(0).standard_normal((1, 2, 2, 4)).astype(np.float32)
    np.testing.assert_array_equal(layer(inputs), again(inputs))


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_strong_responses_survive_16_bits(tensorflow, precision):
    from dltrain.layers.local_response_normalization import LocalResponseNormalization

    inputs = np.array([1, 100, 300, 1000, 3000], np.float32).reshape(1, 1, 1, 5)
    outputs = LocalResponseNormalization(dtype=precision)(inputs)
    assert outputs.dtype == precision.removeprefix("mixed_")
    expected = LocalResponseNormalization(dtype="float32")(inputs)
    np.testing.assert_allclose(np.asarray(outputs, np.float32), expected, rtol=0.02)
