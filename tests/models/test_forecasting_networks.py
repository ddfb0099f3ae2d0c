"""Networks over windows of series: counts and values of the papers' code, and what they see of what is known ahead."""

import math

import numpy as np
import pytest
from specs import data_spec

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features._series.tables import Layout
from dltrain.features.future import Future
from dltrain.features.series import Series
from dltrain.models._forecasting import ForecastingNetwork
from dltrain.registry import MODELS
from dltrain.tasks.forecasting import Forecasting


def spec(window=8, horizon=3, targets=("y",), known=(), scaling="none", task=None, **keys):
    series = Series(
        window=window, horizon=horizon, layout=Layout(targets=targets, known=known), scaling=scaling, **keys
    )
    return DataSpec.of(series, Future(horizon=horizon, names=targets)).bound(task or Forecasting())


PUBLISHED = {
    # A. Zeng et al.'s code, 336 steps to 96, one map for all channels; their DLinear has 96 more, a second bias.
    "nlinear": ("linear_forecast", {"variant": "nlinear"}, 336, 96, 336 * 96 + 96),
    "dlinear": ("linear_forecast", {"variant": "dlinear"}, 336, 96, 2 * 336 * 96 + 96),
    # 4 gates, and 3 with two biases each; then a Dense layer of the steps.
    "lstm": ("lstm", {"units": (5,), "bidirectional": False}, 8, 3, 4 * (5 + 1 + 1) * 5 + (5 + 1) * 3),
    "gru": ("gru", {"units": (5,), "bidirectional": False}, 8, 3, 3 * (5 + 1 + 2) * 5 + (5 + 1) * 3),
}


def test_every_network_over_series_alone_is_here():
    names = {name for name in MODELS.names() if issubclass(MODELS[name], ForecastingNetwork)}
    assert names <= {row[0] for row in PUBLISHED.values()}


@pytest.mark.parametrize("case", PUBLISHED)
def test_weight_counts_are_the_published_ones(tensorflow, case):
    name, keys, window, horizon, count = PUBLISHED[case]
    model, data = MODELS[name](**keys), spec(window, horizon)
    model.check(data)
    made = model.build(data)
    assert sum(math.prod(weight.shape) for weight in made.trainable_weights) == count
    assert made.output_shape == (None, horizon, 1)


@pytest.mark.parametrize("targets", [("y",), ("y", "z")])
@pytest.mark.parametrize("name", ["linear_forecast", "lstm", "gru", "mlp"])
def test_every_weight_learns_and_quantiles_rise(tensorflow, name, targets):
    data = spec(targets=targets, known=("k",), scaling="standard", task=Forecasting(loss_function="quantiles"))
    keys = {"units": (4,)} if name != "linear_forecast" else {}
    model = MODELS[name](**keys).build(data)
    x = np.random.RandomState(0).normal(5, 3, (6, *data.input.shape)).astype("float32")
    with tensorflow.GradientTape() as tape:
        outputs = model(x)
        loss = tensorflow.reduce_sum(outputs**2)
    assert outputs.shape == (6, 3, len(targets), 3)
    assert (np.diff(outputs, axis=-1) >= 0).all()
    for weight, gradient in zip(model.trainable_weights, tape.gradient(loss, model.trainable_weights), strict=True):
        assert np.abs(gradient).max() > 0, weight.path


def test_dlinear_computes_what_the_papers_code_does(tensorflow):
    data = spec(window=7, horizon=2)
    model = MODELS["linear_forecast"](moving_average=3).build(data)
    random = np.random.RandomState(0)
    kernel, bias = random.normal(size=(14, 2)), random.normal(size=2)
    model.get_layer("logits").set_weights([kernel, bias])
    x = random.normal(size=(4, 7))
    padded = np.concatenate([x[:, :1], x, x[:, -1:]], axis=1)
    trend = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    expected = trend @ kernel[:7] + (x - trend) @ kernel[7:] + bias
    np.testing.assert_allclose(model(x[..., None].astype("float32"))[..., 0], expected, rtol=1e-4, atol=1e-5)


def test_nlinear_computes_what_the_papers_code_does(tensorflow):
    data = spec(window=7, horizon=2, targets=("y", "z"))
    model = MODELS["linear_forecast"](variant="nlinear").build(data)
    random = np.random.RandomState(0)
    kernel, bias = random.normal(size=(7, 2)), random.normal(size=2)
    model.get_layer("logits").set_weights([kernel, bias])
    x = random.normal(size=(4, 7, 2))
    expected = np.einsum("nwc,wh->nhc", x - x[:, -1:], kernel) + bias[:, None] + x[:, -1:]
    np.testing.assert_allclose(model(x.astype("float32")), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["linear_forecast", "gru", "mlp"])
def test_what_is_known_ahead_reaches_the_forecast_and_what_is_hidden_there_does_not(tensorflow, name):
    data = spec(window=4, horizon=3, known=("k",))
    model = MODELS[name](**({"units": (8,)} if name != "linear_forecast" else {})).build(data)
    x = np.random.RandomState(0).normal(size=(1, 7, 2)).astype("float32")
    before = np.asarray(model(x))
    for step in range(4, 7):
        hidden, known = x.copy(), x.copy()
        hidden[0, step, 0] = 1e3
        known[0, step, 1] += 1
        np.testing.assert_array_equal(model(hidden), before)
        assert np.abs(np.asarray(model(known)) - before).max() > 0


def test_what_is_known_ahead_can_be_asked_for_step_by_step(tensorflow):
    data = spec(window=4, horizon=3, known=("k",), mean=(0.0, 2.0), deviation=(1.0, 4.0))
    x = np.random.RandomState(0).normal(size=(2, 7, 2)).astype("float32")
    inputs = data.inputs()
    import keras

    found = keras.Model(inputs, data.input.known_ahead(inputs))(x)
    np.testing.assert_allclose(found[..., 0], (x[:, 4:, 1] - 2) / 4, rtol=1e-5)


@pytest.mark.parametrize("name", ["linear_forecast", "lstm"])
def test_other_data_are_refused(name):
    with pytest.raises(KeyProblem, match="needs one input of"):
        MODELS[name]().check(data_spec((4,), ("a", "b")))
