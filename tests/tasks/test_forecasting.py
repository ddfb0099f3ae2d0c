"""Forecasts: losses and metrics as NumPy has them, the scale of windows, baselines, and what leaks nowhere."""

import numpy as np
import pytest

from dltrain.data import Batch, DataSpec, Outcome, Split
from dltrain.data.transforms import undone
from dltrain.datasets.time_series import TimeSeries
from dltrain.errors import KeyProblem
from dltrain.features._series.tables import Layout
from dltrain.features.future import Future
from dltrain.features.series import Series
from dltrain.features.vector import Vector
from dltrain.models.linear_forecast import LinearForecast
from dltrain.tasks._forecasts import autoregression
from dltrain.tasks.forecasting import Forecasting

RANDOM = np.random.RandomState(0)
WINDOWS = RANDOM.normal(50, 20, (6, 8, 2)).astype(np.float32)
TARGETS = RANDOM.normal(50, 20, (6, 3, 2)).astype(np.float32)
TARGETS[0, 1, 0] = np.nan
TARGETS[2] = np.nan
TARGETS[1, 0, 0] = 0
OUTPUTS = RANDOM.normal(50, 20, (6, 3, 2)).astype(np.float32)


def spec(scaling="standard", task=None, transform="none"):
    layout = Layout(targets=("y", "z"))
    series = Series(window=8, horizon=3, layout=layout, scaling=scaling, season=4, transform=transform)
    series = series.adapt([WINDOWS])
    return DataSpec.of(series, Future(horizon=3, names=("y", "z")).adapt([TARGETS])).bound(task or Forecasting())


def packed(task, data, windows=WINDOWS, targets=TARGETS):
    return task.prepare(data)(Batch(windows, targets), None).targets


def pinball(errors, level):
    return np.maximum(level * errors, (level - 1) * errors)


LOSSES = {
    "mse": lambda errors: errors**2,
    "mae": np.abs,
    "huber": lambda errors: np.where(np.abs(errors) <= 1, errors**2 / 2, np.abs(errors) - 0.5),
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_in_the_scale_of_the_window_and_leave_out_what_was_not_measured(tensorflow, name):
    task, data = Forecasting(loss_function=name), spec()
    found = np.asarray(task.loss(data)(packed(task, data), OUTPUTS))
    errors = (TARGETS - OUTPUTS) / WINDOWS.std(axis=1, keepdims=True)
    expected = [0 if np.isnan(each).all() else np.nanmean(LOSSES[name](each)) for each in errors]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_pinball_loss_is_the_mean_over_quantiles(tensorflow):
    task = Forecasting(loss_function="quantiles", quantiles=(0.05, 0.5, 0.9))
    data = spec(task=task)
    outputs = np.sort(RANDOM.normal(50, 20, (6, 3, 2, 3)), axis=-1).astype(np.float32)
    found = np.asarray(task.loss(data)(packed(task, data), outputs))
    errors = (TARGETS[..., None] - outputs) / WINDOWS.std(axis=1)[:, None, :, None]
    each = np.mean([pinball(errors[..., place], level) for place, level in enumerate(task.quantiles)], axis=0)
    expected = [0 if np.isnan(one).all() else np.nanmean(one) for one in each]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def odd(function):
    return lambda values: np.sign(values) * function(np.abs(values.astype(np.float64)))


TRANSFORMS = {"sqrt": odd(np.sqrt), "log1p": odd(np.log1p), "symlog": odd(np.log1p)}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_losses_are_those_of_transformed_values(tensorflow, name):
    task, data = Forecasting(), spec(transform=name)
    found = np.asarray(task.loss(data)(packed(task, data), OUTPUTS))
    windows, targets, outputs = (TRANSFORMS[name](each) for each in (WINDOWS, TARGETS, OUTPUTS))
    errors = (targets - outputs) / np.maximum(windows.std(axis=1, keepdims=True), data.input.floor)
    expected = [0 if np.isnan(each).all() else np.nanmean(each**2) for each in errors]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("scaling", ["standard", "last_value", "none"])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_is_undone_in_the_outputs(tensorflow, name, scaling):
    import keras

    data = spec(scaling, transform=name)
    inputs = data.inputs()
    last = data.preprocess(inputs)[:, -1:, :, None]
    model = keras.Model(inputs, data.head(keras.ops.repeat(last, 3, axis=1), inputs))
    windows = np.concatenate([WINDOWS, np.zeros_like(WINDOWS), -WINDOWS, 1e6 * WINDOWS])
    np.testing.assert_allclose(model(windows), np.repeat(windows[:, -1:], 3, axis=1), rtol=2e-4, atol=1e-4)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_leaves_the_slopes_of_the_loss_as_they_are_of_the_network_itself(tensorflow, name):
    import keras

    data, z = spec(transform=name), tensorflow.constant([-3.0, -1e-4, -1e-20, 0.0, 1e-20, 1e-4, 0.5, 20.0])
    with tensorflow.GradientTape() as tape:
        tape.watch(z)
        again = data.input.transformed(undone(z, name, keras.ops))
    np.testing.assert_allclose(again, z, rtol=1e-5, atol=2e-6)
    slopes = np.asarray(tape.gradient(again, z))
    assert np.isfinite(slopes).all()
    np.testing.assert_allclose(slopes[[0, 1, 5, 6, 7]], 1, rtol=1e-4)


def test_quantiles_rise_where_the_target_is_transformed(tensorflow):
    data = spec(task=Forecasting(loss_function="quantiles"), transform="sqrt")
    assert (np.diff(LinearForecast().build(data)(WINDOWS / 100), axis=-1) >= 0).all()


@pytest.mark.parametrize("transform", ["none", *TRANSFORMS])
def test_metrics_are_in_the_targets_units(tensorflow, transform):
    task = Forecasting(metrics=("mae", "rmse", "mape", "smape", "mase"))
    data = spec(task=task, transform=transform)
    found = {}
    for metric in task.build_metrics(data):
        metric.update_state(packed(task, data)[:4], OUTPUTS[:4])
        metric.update_state(packed(task, data)[4:], OUTPUTS[4:])
        found[metric.name] = float(metric.result())
    errors = np.abs(TARGETS - OUTPUTS).astype(np.float64)
    usual = np.array([[2.0, 4.0]] * 5 + [[np.nan, 1.0]], np.float32)
    split = Split(WINDOWS, TARGETS, metadata={"naive_error": usual})
    found |= task.measure(Outcome(data, "test", split, split.metadata, OUTPUTS))
    assert found == pytest.approx({
        "mae": np.nanmean(errors),
        "rmse": np.nanmean(errors**2) ** 0.5,
        "mape": 100 * np.nanmean(errors / np.where(TARGETS == 0, np.nan, np.abs(TARGETS))),
        "smape": 200 * np.nanmean(errors / (np.abs(TARGETS) + np.abs(OUTPUTS))),
        "mase": np.nanmean(errors / usual[:, None]),
    }, rel=1e-4)  # fmt: skip


def test_coverage_and_width_are_those_of_the_outer_quantiles():
    task = Forecasting(loss_function="quantiles")
    outputs = np.stack([OUTPUTS - 10, OUTPUTS, OUTPUTS + 20], axis=-1)
    split = Split(WINDOWS, TARGETS)
    found = task.measure(Outcome(spec(task=task), "test", split, outputs=outputs))
    inside = (TARGETS >= OUTPUTS - 10) & (TARGETS <= OUTPUTS + 20)
    assert found["coverage"] == pytest.approx(inside[np.isfinite(TARGETS)].mean())
    assert found["width"] == pytest.approx(30, rel=1e-5)
    assert task.metric_names == ["mae", "rmse", "mase", "coverage", "width"]


@pytest.mark.parametrize(("scaling", "factor"), [("standard", 3.0), ("last_value", 1.0)])
def test_a_forecast_moves_and_grows_with_its_window(tensorflow, scaling, factor):
    model = LinearForecast().build(spec(scaling))
    before = np.asarray(model(WINDOWS))
    np.testing.assert_allclose(model(factor * WINDOWS + 1000), factor * before + 1000, rtol=1e-3)


@pytest.mark.parametrize("shape", [(7,), (2, 7), (3, 2, 1)])
def test_a_head_takes_features_features_by_target_or_the_forecast_itself(tensorflow, shape):
    import keras

    data, inputs = spec(), None
    inputs = data.inputs()
    flat = keras.layers.Flatten()(data.preprocess(inputs))
    x = keras.layers.Reshape(shape)(keras.layers.Dense(int(np.prod(shape)))(flat))
    model = keras.Model(inputs, data.head(x, inputs))
    assert model.output_shape == (None, 3, 2)
    scaled = np.asarray(keras.Model(inputs, x)(WINDOWS))
    if shape == (3, 2, 1):
        middle, deviation = WINDOWS.mean(axis=1, keepdims=True), WINDOWS.std(axis=1, keepdims=True)
        np.testing.assert_allclose(model(WINDOWS), scaled[..., 0] * deviation + middle, rtol=1e-4)


def test_baselines_are_what_their_names_say():
    data = spec()
    found = {name.partition(":")[0]: each for name, each in Forecasting().baselines(
        data, Split(WINDOWS, np.nan_to_num(TARGETS)), Split(WINDOWS, TARGETS)).items()}  # fmt: skip
    last, first = WINDOWS[:, -1:], WINDOWS[:, :1]
    np.testing.assert_allclose(found["naive"], np.repeat(last, 3, axis=1))
    np.testing.assert_allclose(found["seasonal naive"], WINDOWS[:, [4, 5, 6]])
    np.testing.assert_allclose(found["drift"], last + (last - first) / 7 * np.arange(1, 4)[:, None], rtol=1e-5)
    assert all(each.shape == TARGETS.shape for each in found.values())


def test_linear_autoregression_is_least_squares():
    values = np.cumsum(RANDOM.normal(size=300)) + 100
    windows = np.lib.stride_tricks.sliding_window_view(values, 7)[..., None]
    past, future = windows[:, :5], windows[:, 5:]
    found = autoregression(past, future, 5, 1, is_one=False)
    middle, scale = past.mean(axis=1, keepdims=True), past.std(axis=1, keepdims=True)
    lags = np.insert(((past - middle) / scale)[..., 0], 5, 1, axis=1)
    expected = lags @ np.linalg.lstsq(lags, ((future - middle) / scale)[..., 0], rcond=None)[0]
    np.testing.assert_allclose(found(past), expected[..., None] * scale + middle, rtol=1e-4)


def test_linear_autoregression_of_one_step_is_that_of_statsmodels():
    models = pytest.importorskip("statsmodels.tsa.ar_model", reason="pip install 'dltrain[samples]'")
    values = 10 * np.sin(np.arange(200) * 0.6) + RANDOM.normal(size=200)
    windows = np.lib.stride_tricks.sliding_window_view(values, 10)[..., None]
    found = autoregression(windows[:, :9], windows[:, 9:], 9, 1, is_one=True)
    expected = models.AutoReg(values, found.lags, trend="c").fit().predict(9, 199)
    # With fewer lags it has more windows to fit to than these.
    close = {"rtol": 1e-4, "atol": 1e-5} if found.lags == 9 else {"atol": 0.1}
    np.testing.assert_allclose(found(windows[:, :9])[:, 0, 0], expected, **close)


def series(folder, change=None):
    values = 10 + np.sin(np.arange(80)) + 0.1 * np.arange(80)
    if change is not None:
        values[change] = 1e4
    days = np.datetime64("2024-01-01") + np.arange(80)
    path = folder / "series.csv"
    path.write_text("\n".join(["time,y", *(f"{day},{value:.6f}" for day, value in zip(days, values, strict=True)), ""]))
    return TimeSeries(path=path, target="y", window=8, horizon=3, test=20, validation=10).load()


def test_a_spike_in_the_test_part_changes_no_forecast_before_it_and_nothing_that_is_learnt(tensorflow, tmp_path):
    before, spiked = series(tmp_path), series(tmp_path, change=70)
    assert before.spec == spiked.spec
    model = LinearForecast().build(before.spec.bound(Forecasting()))
    for part in ("train", "validation", "test"):
        one, other = before.parts[part], spiked.parts[part]
        begins = one.metadata["time"] <= one.metadata["time"][0] + 86_400_000_000 * (10 if part == "test" else 10**4)
        np.testing.assert_array_equal(model(one.inputs[:])[begins], model(other.inputs[:])[begins])
        np.testing.assert_array_equal(one.metadata["naive_error"], other.metadata["naive_error"])
    task = Forecasting()
    for name, forecast in task.baselines(before.spec, before.train, before.test).items():
        other = task.baselines(spiked.spec, spiked.train, spiked.test)[name]
        np.testing.assert_array_equal(forecast[:11], other[:11])


def test_answers_have_times_and_quantiles_by_name():
    task = Forecasting(loss_function="quantiles")
    data = spec(task=task)
    outputs = np.stack([OUTPUTS - 1, OUTPUTS, OUTPUTS + 1], axis=-1)
    (first, *_) = task.answers(Outcome(data, "", None, {}, outputs), {})
    assert [step["step"] for step in first["steps"]] == [1, 2, 3]
    assert first["steps"][0]["values"]["z"] == pytest.approx(float(OUTPUTS[0, 0, 1]))
    assert first["steps"][0]["quantiles"]["y"] == pytest.approx(
        {"0.1": OUTPUTS[0, 0, 0] - 1, "0.5": OUTPUTS[0, 0, 0], "0.9": OUTPUTS[0, 0, 0] + 1}
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"quantiles": (0.1, 0.9)}, "have 0.5 among them, got 0.1, 0.9"),
        ({"quantiles": (0.9, 0.5)}, "quantiles must rise"),
        ({"metrics": ()}, "metrics must name one"),
    ],
)
def test_keys_that_do_not_fit_are_told(keys, words):
    with pytest.raises(KeyProblem, match=words):
        Forecasting(**keys)


def test_data_that_are_no_series_are_refused():
    with pytest.raises(KeyProblem, match="forecasting needs windows of series, the data have vector"):
        Forecasting().check(DataSpec.of(Vector(shape=(3,)), Future(names=("y",))))


def test_what_a_part_cannot_have_is_undefined():
    task = Forecasting(metrics=("mae", "mape", "mase"))
    split = Split(WINDOWS, TARGETS * 0, metadata={"naive_error": np.full((6, 2), np.nan, np.float32)})
    assert {*task.undefined(spec(), split)} == {"mape", "mase"}
    assert {*task.undefined(spec(), Split(WINDOWS, TARGETS, metadata={"naive_error": np.ones((6, 2))}))} == set()
