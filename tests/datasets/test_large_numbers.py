"""Large numbers of little spread, such as milliseconds since 1970: float32 would take different ones for the same."""

import types

import numpy as np
import polars as pl
import pytest

from dltrain.errors import DataError, KeyProblem
from dltrain.features._arrays.encoding import is_lost_in_float32
from dltrain.plugins import loading as plugins
from dltrain.registry import DATASETS

SMALL = np.arange(40) * 10.0
LARGE = 1.6e9 + SMALL


@pytest.mark.parametrize(
    ("values", "lost"),
    [
        (LARGE, True),
        (LARGE.astype(np.int64), True),
        (np.stack([SMALL, LARGE], 1), True),
        (SMALL, False),
        (SMALL + 1e6, False),
        (np.full(40, 1.6e12), False),
        (LARGE.astype(np.float32), False),
        (np.array(["a"]), False),
        (np.zeros((0, 2)), False),
        (np.random.RandomState(0).standard_normal((50, 3, 2)) * 1e30, False),
    ],
)
def test_numbers_that_float32_takes_for_the_same_are_found(values, lost):
    assert is_lost_in_float32(values) == lost


def test_such_inputs_are_told(tmp_path):
    labels = np.arange(40) % 2
    np.savez(tmp_path / "a.npz", x=np.stack([SMALL, LARGE], 1), y=labels)
    noticed = DATASETS["npz"](path=tmp_path / "a.npz").load().noticed
    assert [each.is_warning for each in noticed if "float32 takes for the same" in each.words] == [True]
    np.savez(tmp_path / "a.npz", x=np.stack([SMALL, LARGE - 1.6e9], 1), y=labels)
    assert not DATASETS["npz"](path=tmp_path / "a.npz").load().noticed


@pytest.mark.parametrize("name", ["csv", "text_table"])
def test_such_targets_of_a_table_are_refused(tmp_path, name):
    path = tmp_path / "a.csv"
    pl.DataFrame({"a": SMALL, "text": [f"row {row}" for row in range(40)], "y": LARGE}).write_csv(path)
    keys = {"csv": {"target": "y"}, "text_table": {"label_column": "y"}}[name]
    with pytest.raises(KeyProblem, match="'y' has different numbers that float32 takes for the same"):
        DATASETS[name](path=path, kind="numbers", **keys).spec()


def steps(folder, values, beside=None, series=2):
    """Writes series of as many days each, and what stands beside their values."""
    length = len(values) // series
    pl.DataFrame({
        "time": [str(day) for day in np.datetime64("2024-01-01") + np.arange(length)] * series,
        "id": np.repeat([f"s{number}" for number in range(series)], length),
        "y": values,
        "x": SMALL[: len(values)] if beside is None else beside,
        "kind": np.repeat(np.arange(series) % 2, length),
    }).write_csv(folder / "a.csv")  # fmt: skip
    return {"path": folder / "a.csv", "series": "id"}


@pytest.mark.parametrize("form", ["long", "wide"])
def test_such_targets_of_a_time_series_are_refused_even_if_another_series_spreads_far(tmp_path, form):
    values = np.concatenate([np.arange(20) * 1e9, LARGE[:20]])
    keys = {"target": "y", **steps(tmp_path, values)}
    words = "target 'y' of series 's1' has different numbers that float32 takes for the same"
    if form == "wide":
        frame = pl.DataFrame({"time": pl.read_csv(tmp_path / "a.csv")["time"][:20], "a": values[:20], "b": values[20:]})
        frame.write_csv(tmp_path / "a.csv")
        keys, words = {"path": tmp_path / "a.csv", "form": "wide"}, words.replace("'y' of series 's1'", "'b'")
    with pytest.raises(KeyProblem, match=words):
        DATASETS["time_series"](**keys, window=4, horizon=2).spec()


def test_such_covariates_and_channels_of_series_are_told(tmp_path):
    told = "x has different numbers that float32 takes for the same"
    dataset = DATASETS["time_series"](
        **steps(tmp_path, SMALL, LARGE), target="y", past=("x",), window=4, horizon=2, validation=0.0
    )
    assert [each.is_warning for each in dataset.load().noticed if told in each.words.replace("'x' of series 's0'", "x")]
    for scaling in ("train", "series"):
        keys = steps(tmp_path, SMALL, LARGE, series=10)
        dataset = DATASETS["series_table"](**keys, target="kind", time="time", values=("x",), scaling=scaling)
        assert [each.is_warning for each in dataset.load().noticed if told in each.words] == [True]


def test_such_numbers_behind_a_series_are_refused(tmp_path):
    lines = ["@targetLabel true", "@data", *(f"1,{row}:{value:.0f}" for row, value in enumerate(LARGE))]
    (tmp_path / "a_TRAIN.ts").write_text("\n".join([*lines, ""]))
    with pytest.raises(KeyProblem, match="the number behind the last : has different numbers that float32 takes"):
        DATASETS["ts"](path=tmp_path / "a_TRAIN.ts").splits(None)


def test_such_targets_of_a_function_are_refused(monkeypatch):
    monkeypatch.setattr(plugins, "function", lambda name: lambda: (SMALL[:, None], LARGE))
    monkeypatch.setattr(plugins, "loaded", types.MappingProxyType({}))
    with pytest.raises(DataError, match="float32 takes for the same"):
        DATASETS["python"](function="mine.load", kind="numbers").load()
