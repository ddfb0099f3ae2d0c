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


def test_such_targets_of_a_function_are_refused(monkeypatch):
    monkeypatch.setattr(plugins, "function", lambda name: lambda: (SMALL[:, None], LARGE))
    monkeypatch.setattr(plugins, "loaded", types.MappingProxyType({}))
    with pytest.raises(DataError, match="float32 takes for the same"):
        DATASETS["python"](function="mine.load", kind="numbers").load()
