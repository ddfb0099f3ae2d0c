"""Every network over series in the formats that other runtimes read: the same forecasts, or one sentence why not."""

from importlib.util import find_spec

import numpy as np
import pytest

from dltrain.data import DataSpec
from dltrain.features._series.tables import Layout
from dltrain.features.future import Future
from dltrain.features.series import Series
from dltrain.inference.comparison import difference
from dltrain.registry import EXPORTS, MODELS
from dltrain.tasks.forecasting import Forecasting

NETWORKS = {
    "linear_forecast": {"moving_average": 3},
    "nbeats": {"variant": "interpretable", "units": 8, "blocks": 2, "layers": 1},
    "tcn": {"filters": 4},
    "patch_tst": {"patch_length": 3, "patch_stride": 2, "width": 6, "heads": 2, "depth": 1, "dense_width": 5},
    "lstm": {"units": (4,)},
    "gru": {"units": (4,), "decoder": True},
}
RECURRENT = ("lstm", "gru")


def written(tensorflow, folder, name, format_, **keys):
    """Returns the format, what the network answers in it, and what it answers in Keras."""
    kind = EXPORTS[format_]
    for module in kind.needs:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install 'dltrain[{kind.extra}]'")
    targets = ("y", "z")
    series = Series(window=8, horizon=3, layout=Layout(targets=targets, known=("k",)), floor=(0.1, 0.1), **keys)
    data = DataSpec.of(series, Future(horizon=3, names=targets)).bound(Forecasting(loss_function="quantiles"))
    model = MODELS[name](**NETWORKS[name]).build(data)
    x = np.abs(np.random.RandomState(0).normal(50, 20, (5, *series.shape))).astype("float32")
    path, takes = folder / kind.file, {"inputs": tensorflow.TensorSpec((None, *series.shape), "float32")}
    kind().write(model, path, takes, {"inputs": x})
    return kind, kind().answers(path, {"inputs": x}), np.asarray(model(x))


@pytest.mark.parametrize("format_", ["litert", "onnx"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_forecast_is_the_same_elsewhere(tensorflow, tmp_path, name, format_):
    if format_ == "litert" and name in RECURRENT:
        with pytest.raises(
            ValueError, match="^LiteRT has no layers that step through a sequence, such as LSTM and GRU"
        ):
            written(tensorflow, tmp_path, name, format_)
        return
    kind, got, wanted = written(tensorflow, tmp_path, name, format_)
    assert got.shape == (5, 3, 2, 3)
    assert difference(got, wanted) <= kind.tolerance


@pytest.mark.parametrize("format_", ["litert", "onnx"])
@pytest.mark.parametrize("transform", ["sqrt", "log1p", "symlog"])
def test_a_transform_is_undone_elsewhere(tensorflow, tmp_path, transform, format_):
    kind, got, wanted = written(tensorflow, tmp_path, "linear_forecast", format_, transform=transform)
    assert difference(got, wanted) <= kind.tolerance


def test_a_step_near_zero_of_a_large_forecast_is_as_exact_as_its_largest_step():
    wanted = np.array([[[500.0], [0.1], [-480.0]], [[0.5], [0.1], [-0.4]]], np.float32)
    assert difference(wanted + np.float32(3e-5) * (np.abs(wanted) < 0.2) * [[[1.0]], [[0.0]]], wanted) < 1e-6
    assert difference(wanted + np.float32(3e-5) * (np.abs(wanted) < 0.2) * [[[0.0]], [[1.0]]], wanted) > 1e-5
