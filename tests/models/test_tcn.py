"""The temporal convolutional network: what it sees, and that it computes what the paper's dilated network does."""

import keras
import numpy as np
import pytest
from specs import data_spec
from test_forecasting_networks import spec

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features._series.tables import Layout
from dltrain.features.class_label import ClassLabel
from dltrain.features.series import Series
from dltrain.layers.weight_normalized_convolution import WeightNormalizedConvolution
from dltrain.models.tcn import TCN


def randomized(model):
    random = np.random.RandomState(0)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def kernel_of(layer):
    direction, gain, bias = layer.get_weights()
    return direction / np.sqrt((direction**2).sum(axis=(0, 1))) * gain, bias


def causal(x, kernel, bias, dilation):
    """A causal convolution step by step: kernel[-1] sees the step itself, the one before it `dilation` steps back."""
    found = np.zeros((*x.shape[:2], kernel.shape[-1])) + bias
    for place, each in enumerate(kernel[::-1]):
        found[:, place * dilation :] += x[:, : max(x.shape[1] - place * dilation, 0)] @ each
    return found


@pytest.mark.parametrize(("window", "kernel_size", "levels"), [(13, 2, 3), (8, 3, None), (5, 4, 3), (1, 2, 1)])
def test_it_computes_what_dilated_convolutions_of_all_steps_do(tensorflow, window, kernel_size, levels):
    data = spec(window=window, horizon=1, targets=("y", "z"))
    model = randomized(TCN(filters=4, kernel_size=kernel_size, levels=levels, dropout=0.1).build(data))
    inputs = np.random.RandomState(1).normal(size=(3, window, 2)).astype("float32")
    x, number = inputs, 1
    while f"level{number}_convolution1" in {layer.name for layer in model.layers}:
        y = x
        for place in (1, 2):
            layer = model.get_layer(f"level{number}_convolution{place}")
            y = np.maximum(causal(y, *kernel_of(layer), 2 ** (number - 1)), 0)
        if number == 1:
            kernel, bias = model.get_layer("level1_shortcut").get_weights()
            x = x @ kernel + bias
        x, number = np.maximum(x + y, 0), number + 1
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(model(inputs)[:, 0], x[:, -1] @ kernel + bias, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("window", [12, 13])
def test_no_step_of_a_level_sees_a_later_step_of_the_window(tensorflow, window):
    data = spec(window=window, horizon=1)
    model = randomized(TCN(filters=4, levels=3).build(data))
    levels = keras.Model(model.input, [model.get_layer(f"level{number}_sum").output for number in (1, 2, 3)])
    x = np.random.RandomState(1).normal(size=(1, window, 1)).astype("float32")
    before = levels(x)
    for step in range(window):
        later = x.copy()
        later[0, step] += 10
        for number, (one, other) in enumerate(zip(before, levels(later), strict=True), 1):
            places = window - 1 - 2**number * np.arange(one.shape[1])[::-1]
            changed = np.any(np.asarray(one != other)[0], axis=-1)
            assert not changed[places < step].any()
            assert changed[places == step].all()


@pytest.mark.parametrize("kernel_size", [2, 3, 5])
def test_by_itself_it_has_as_many_levels_as_see_the_first_step_of_the_window(tensorflow, kernel_size):
    for window in (4, 9, 20):
        model = randomized(TCN(filters=3, kernel_size=kernel_size).build(spec(window=window, horizon=1)))
        x = np.random.RandomState(1).normal(size=(1, window, 1)).astype("float32")
        first = x.copy()
        first[0, 0] += 10
        assert np.any(model(first) != model(x))
        levels = sum(layer.name.endswith("_sum") for layer in model.layers)
        assert levels == 1 or 1 + 2 * (kernel_size - 1) * (2 ** (levels - 1) - 1) < window


def test_a_kernels_norm_is_its_gain_whatever_its_direction(tensorflow):
    layer = WeightNormalizedConvolution(3, 2)
    x = np.random.RandomState(0).normal(size=(2, 5, 4)).astype("float32")
    before = np.asarray(layer(x))
    direction, gain, bias = layer.get_weights()
    np.testing.assert_allclose(gain, 2**0.5)
    layer.set_weights([7 * direction, gain, bias])
    np.testing.assert_allclose(layer(x), before, rtol=1e-4, atol=1e-5)
    layer.set_weights([direction, 2 * gain, bias + 1])
    np.testing.assert_allclose(layer(x), 2 * before + 1, rtol=1e-4, atol=1e-5)


def test_it_gives_classes_of_windows(tensorflow):
    data = DataSpec.of(Series(window=8, layout=Layout(targets=("y",))), ClassLabel(class_names=("a", "b", "c")))
    TCN().check(data)
    assert TCN(filters=4).build(data).output_shape == (None, 3)


@pytest.mark.parametrize("shape", [(4,), (8, 8, 1)])
def test_other_data_are_refused(shape):
    with pytest.raises(KeyProblem, match=r"^name tcn needs series, \(steps, channels\), got shape"):
        TCN().check(data_spec(shape, ("a", "b")))


def test_a_kernel_of_one_step_is_refused():
    with pytest.raises(KeyProblem, match=r"^kernel_size must be at least 2, got 1$"):
        TCN(kernel_size=1)
