"""What `inspect` finds odd about series: each oddity is found, and series without one are left alone."""

import numpy as np
import pytest

from dltrain.data import Parts
from dltrain.datasets.time_series import TimeSeries


def findings(folder, brief=False, keys=None, **columns):
    """Returns what is found of daily series whose target is y, by kind."""
    count = len(next(iter(columns.values())))
    days = np.datetime64("2024-01-01") + np.arange(count)
    rows = [
        ",".join([str(day), *(f"{values[row]:.6f}" for values in columns.values())]) for row, day in enumerate(days)
    ]
    path = folder / "series.csv"
    path.write_text("\n".join([",".join(["time", *columns]), *rows, ""]))
    past, known = ([name for name in columns if name.startswith(letter)] for letter in "pk")
    more = {"target": "y", "past": tuple(past), "known": tuple(known), **(keys or {})}
    splits = TimeSeries(path=path, window=10, horizon=4, test=40, validation=20, **more).load()
    parts = Parts({name: part.inputs for name, part in splits.parts.items()}, lambda part, index: f"{part}[{index}]")
    return {each.kind: each for each in splits.spec.input.findings(parts, brief)}


def noise(count=200, seed=0):
    return np.random.RandomState(seed).normal(10, 2, count)


@pytest.mark.parametrize("brief", [True, False])
def test_nothing_is_odd_about_noise_a_season_and_a_trend(tmp_path, brief):
    places = np.arange(200)
    values = noise() + 5 * np.sin(places / 3) + places / 100
    assert findings(tmp_path, brief, y=values, p=noise(seed=1), k=noise(seed=2)) == {}


@pytest.mark.parametrize("brief", [True, False])
def test_a_constant_series_is_found(tmp_path, brief):
    assert findings(tmp_path, brief, y=np.full(200, 7.0))["constant series"].where == ("y is always 7",)


@pytest.mark.parametrize(
    ("name", "made", "words"),
    [
        ("p", lambda y: np.roll(y, -2), "p is y 2 steps later"),
        ("k", lambda y: 3 * y + 1, "k is y of the same step"),
        ("p", lambda y: np.mean([np.roll(y, -each) for each in range(1, 5)], axis=0), "p is y averaged over the 4"),
    ],
)  # fmt: skip
def test_a_covariate_that_is_the_target_of_a_step_to_forecast_is_found(tmp_path, name, made, words):
    values = noise()
    found = findings(tmp_path, brief=True, **{"y": values, name: made(values)})
    assert found["target leak"].where[0].startswith(words)


def test_what_was_known_before_is_no_leak(tmp_path):
    values = noise()
    assert findings(tmp_path, y=values, p=np.roll(values, 1)) == {}


def test_a_sudden_change_of_level_is_found_and_a_spike_is_none(tmp_path):
    spiked = noise() / 10
    spiked[50] += 100
    assert "level change" not in findings(tmp_path, y=spiked)
    moved = noise() / 10 + np.where(np.arange(200) < 50, 0, 100)
    (where,) = findings(tmp_path, y=moved)["level change"].where
    assert where.startswith("y by +") and where.endswith("at 2024-02-20")


def test_a_test_part_unlike_the_train_part_is_found(tmp_path):
    values = noise() + np.where(np.arange(200) < 160, 0, 1000)
    found = findings(tmp_path, y=values)["unlike test part"]
    assert "100% of its values are beyond" in found.where[0]
    assert "scaling: standard" not in found.advice
    found = findings(tmp_path, keys={"scaling": "none"}, y=values)["unlike test part"]
    assert "scaling: standard" in found.advice


@pytest.mark.parametrize("scaling", ["last_value", "none"])
def test_series_that_one_deviation_does_not_fit_are_found(tmp_path, scaling):
    wide, columns = {"target": None, "form": "wide"}, {"a": noise(), "b": 1000 * noise(seed=1)}
    where = findings(tmp_path, keys={**wide, "scaling": scaling}, **columns)["series of different size"].where
    assert where[0].startswith("the deviation of b: value is ")
    assert findings(tmp_path, keys=wide, **columns) == {}
    assert findings(tmp_path, keys={**wide, "scaling": scaling}, a=noise(), b=9 * noise(seed=1)) == {}
    logarithms = {**wide, "scaling": scaling, "transform": "log1p"}
    assert findings(tmp_path, keys=logarithms, **columns) == {}
