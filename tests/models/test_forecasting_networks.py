"""Networks over windows of series: counts and values of the papers' code, and what they see of what is known ahead."""

import math

import numpy as np
import pytest
from specs import data_spec

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features._series.tables import Layout
from dltrain.features.class_label import ClassLabel
from dltrain.features.future import Future
from dltrain.features.series import Series
from dltrain.features.tokens import Tokens
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
    # B. N. Oreshkin et al.'s code, M4 by the month: five horizons back, the generic and the interpretable architecture.
    "nbeats": (
        "nbeats", {"blocks": 30, "units": 512}, 90, 18,
        30 * (91 * 512 + 3 * 513 * 512 + 513 * (90 + 18)),
    ),
    "interpretable nbeats": (
        "nbeats", {"variant": "interpretable", "units": 256, "seasonal_units": 2048}, 90, 18,
        91 * 256 + 3 * 257 * 256 + 257 * 6 + 91 * 2048 + 3 * 2049 * 2048 + 2049 * 4 * 9,
    ),
    # S. Bai et al.'s code: a direction, a gain and a bias of each convolution, a shortcut where channels differ.
    "tcn": (
        "tcn", {"filters": 5, "kernel_size": 2, "levels": 3}, 8, 3,
        (2 * 1 * 5 + 10) + (2 * 5 * 5 + 10) + (1 * 5 + 5) + 4 * (2 * 5 * 5 + 10) + (5 + 1) * 3,
    ),
    # Y. Nie et al.'s code, 336 steps to 96 in 42 patches, without the two numbers by which it scales each channel.
    "patch_tst": (
        "patch_tst", {"width": 128, "heads": 16, "depth": 3, "dense_width": 256}, 336, 96,
        17 * 128 + 42 * 128 + 3 * (4 * 129 * 128 + 129 * 256 + 257 * 128 + 4 * 128) + (42 * 128 + 1) * 96,
    ),
    # 4 gates, and 3 with two biases each; then a Dense layer of the steps.
    "lstm": ("lstm", {"units": (5,), "bidirectional": False}, 8, 3, 4 * (5 + 1 + 1) * 5 + (5 + 1) * 3),
    "gru": ("gru", {"units": (5,), "bidirectional": False}, 8, 3, 3 * (5 + 1 + 2) * 5 + (5 + 1) * 3),
    # Its decoder reads 5 states, and the Dense layer makes one step at a time.
    "decoding gru": (
        "gru", {"units": (5,), "bidirectional": False, "decoder": True}, 8, 3,
        3 * (5 + 1 + 2) * 5 + 3 * (5 + 5 + 2) * 5 + (5 + 1),
    ),
}  # fmt: skip

SMALL = {
    "linear_forecast": ("linear_forecast", {}),
    "nbeats": ("nbeats", {"units": 8, "blocks": 2, "layers": 1}),
    "interpretable nbeats": ("nbeats", {"variant": "interpretable", "units": 8, "blocks": 2, "layers": 1}),
    "tcn": ("tcn", {"filters": 6, "kernel_size": 2, "dropout": 0.1}),
    "patch_tst": (
        "patch_tst",
        {"patch_length": 3, "patch_stride": 2, "width": 6, "heads": 2, "depth": 1, "dense_width": 5},
    ),
    "lstm": ("lstm", {"units": (4,)}),
    "gru": ("gru", {"units": (4,)}),
    "decoding lstm": ("lstm", {"units": (4, 3), "decoder": True, "bidirectional": False}),
    "decoding gru": ("gru", {"units": (4,), "decoder": True, "dropout": 0.1}),
    "mlp": ("mlp", {"units": (4,)}),
}
"""A small form of each network over series, and of each option that changes its graph."""


def test_every_network_over_series_alone_is_here():
    names = {name for name in MODELS.names() if issubclass(MODELS[name], ForecastingNetwork)} | {"tcn"}
    assert names <= {row[0] for row in PUBLISHED.values()}
    assert names <= {row[0] for row in SMALL.values()}


@pytest.mark.parametrize("case", PUBLISHED)
def test_weight_counts_are_the_published_ones(tensorflow, case):
    name, keys, window, horizon, count = PUBLISHED[case]
    model, data = MODELS[name](**keys), spec(window, horizon)
    model.check(data)
    made = model.build(data)
    assert sum(math.prod(weight.shape) for weight in made.trainable_weights) == count
    assert made.output_shape == (None, horizon, 1)


@pytest.mark.parametrize("targets", [("y",), ("y", "z")])
@pytest.mark.parametrize("form", SMALL)
def test_every_weight_learns_and_quantiles_rise(tensorflow, form, targets):
    import keras

    keras.utils.set_random_seed(0)
    data = spec(targets=targets, known=("k",), scaling="standard", task=Forecasting(loss_function="quantiles"))
    name, keys = SMALL[form]
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


@pytest.mark.parametrize("form", SMALL)
def test_what_is_known_ahead_reaches_the_forecast_and_what_is_hidden_there_does_not(tensorflow, form):
    import keras

    keras.utils.set_random_seed(0)
    name, keys = SMALL[form]
    data = spec(window=4, horizon=3, known=("k",))
    model = MODELS[name](**keys).build(data)
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


@pytest.mark.parametrize("form", SMALL)
def test_it_predicts_the_same_after_saving_and_keeps_its_outputs_exact_in_mixed_precision(tensorflow, tmp_path, form):
    import keras

    (name, keys), data = SMALL[form], spec(known=("k",), scaling="standard")
    model = MODELS[name](**keys).build(data)
    model.save(tmp_path / "model.keras")
    x = np.random.RandomState(0).normal(size=(4, *data.input.shape)).astype("float32")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = MODELS[name](**keys).build(data)
    finally:
        keras.config.set_dtype_policy("float32")
    assert mixed.output.dtype == "float32"
    assert {weight.dtype for weight in mixed.trainable_weights} == {"float32"}


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_a_decoded_step_hangs_on_what_is_known_ahead_of_it_and_before_it_alone(tensorflow, name):
    data = spec(window=4, horizon=3, known=("k",))
    model = MODELS[name](units=(6,), decoder=True).build(data)
    x = np.random.RandomState(0).normal(size=(1, 7, 2)).astype("float32")
    before = np.asarray(model(x))
    for step in range(3):
        known = x.copy()
        known[0, 4 + step, 1] += 1
        differs = np.asarray(model(known) != before)[0, :, 0]
        np.testing.assert_array_equal(differs, np.arange(3) >= step)


@pytest.mark.parametrize("feature", [Series(window=8, layout=Layout(targets=("y",))), Tokens(kind="words")])
def test_a_decoder_without_steps_to_decode_is_refused(feature):
    data = DataSpec.of(feature, ClassLabel(class_names=("a", "b")))
    with pytest.raises(KeyProblem, match=r"^decoder must be false unless series are forecast$"):
        MODELS["lstm"](decoder=True).check(data)
