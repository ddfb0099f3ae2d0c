import numpy as np
import pytest
from specs import data_spec

from dltrain.features.numbers import Number as Target
from dltrain.tasks.regression import Regression

RANDOM = np.random.RandomState(0)
DATA = data_spec((4,), targets=(Target("price", 50_000.0, 2_000.0), Target("rooms", 3.0, 0.5)))
WANTED = (RANDOM.normal(size=(64, 2)) * [2000, 0.5] + [50_000, 3]).astype(np.float32)
GOT = (WANTED + RANDOM.normal(size=(64, 2)) * [1000, 1]).astype(np.float32)
ERRORS = (WANTED.astype(float) - GOT) / [2000, 0.5]


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (Regression(), ERRORS**2),
        (Regression(loss_function="mae"), abs(ERRORS)),
        (
            Regression(loss_function="huber", huber_delta=0.5),
            np.where(abs(ERRORS) <= 0.5, ERRORS**2 / 2, 0.5 * abs(ERRORS) - 0.125),
        ),
    ],
    ids=["mse", "mae", "huber"],
)
def test_the_loss_is_of_errors_in_standard_deviations(tensorflow, task, expected):
    np.testing.assert_allclose(task.loss(DATA)(WANTED, GOT), expected.mean(axis=1), rtol=1e-3)


@pytest.mark.parametrize("weights", [None, RANDOM.uniform(size=64).astype(np.float32)])
def test_metrics_are_scikit_learns_in_the_units_of_the_targets(tensorflow, weights):
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    expected = [
        mean_absolute_error(WANTED, GOT, sample_weight=weights),
        mean_squared_error(WANTED, GOT, sample_weight=weights) ** 0.5,
        r2_score(WANTED, GOT, sample_weight=weights),
    ]
    metrics = Regression().build_metrics(DATA)
    for metric in metrics:
        for part in range(0, 64, 16):
            some = None if weights is None else weights[part : part + 16]
            metric.update_state(WANTED[part : part + 16], GOT[part : part + 16], sample_weight=some)
    assert [metric.name for metric in metrics] == ["mae", "rmse", "r2"]
    assert [float(metric.result()) for metric in metrics] == pytest.approx(expected, rel=1e-4)


def test_r2_is_right_where_the_mean_is_far_from_zero(tensorflow):
    from sklearn.metrics import r2_score

    data = data_spec((4,), targets=(Target("year", 1e5, 1.0),))
    wanted = (1e5 + RANDOM.normal(size=(500, 1))).astype(np.float32)
    got = (wanted + RANDOM.normal(size=(500, 1)) / 2).astype(np.float32)
    (metric,) = Regression(metrics=("r2",)).build_metrics(data)
    metric.update_state(wanted, got)
    assert float(metric.result()) == pytest.approx(r2_score(wanted, got), abs=1e-3)


def test_what_does_not_fit_the_data_is_refused():
    with pytest.raises(ValueError, match="^name: regression needs numbers, the data have classes: classification"):
        Regression().check(data_spec((4,), ("a", "b")))
    with pytest.raises(ValueError, match="^metrics must not name one twice"):
        Regression(metrics=("mae", "mae"))
    assert Regression().weights(DATA, WANTED) is None


def test_the_first_metric_is_monitored_and_only_r2_should_rise():
    assert Regression().monitor == "val_mae"
    assert Regression(metrics=()).monitor == "val_loss"
    assert Regression().larger_is_better("val_r2")
    assert not any(map(Regression().larger_is_better, ("val_mae", "rmse", "loss", "val_loss")))
