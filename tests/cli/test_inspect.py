"""`dltrain inspect`, and what `fit`, `eval` and `--resume` say of the data."""

import json
import logging
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.cli import app

CONFIG = """\
dataset: {name: npz, path: data.npz, validation_fraction: 0.0}
model: {name: mlp, units: [8]}
optimizer: {name: sgd, learning_rate: 0.05}
train: {epochs: 1, batch_size: 16}
"""


def dltrain(*words):
    return CliRunner().invoke(app, list(words))


def store(folder, leaks=False, seed=0, classes=3):
    random = np.random.RandomState(seed)
    arrays = {}
    for part, count in (("train", 120), ("test", 60)):
        labels = np.arange(count) % classes
        arrays[f"x_{part}"] = (random.standard_normal((count, 4)) + 1.5 * labels[:, None]).astype(np.float32)
        arrays[f"y_{part}"] = labels
    if leaks:
        arrays["x_test"][[2, 3, 4]] = arrays["x_train"][[2, 6, 7]]
    np.savez(folder / "data.npz", **arrays)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(CONFIG)
    store(tmp_path)
    yield tmp_path
    logging.getLogger("dltrain").handlers = []  # the last run's log, whose relative path leads nowhere from here on


def test_clean_data_have_nothing_found(here):
    result = dltrain("inspect", "good.yaml")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("nothing found\n")
    assert "0         40    20" in result.stdout


def test_findings_have_place_and_advice_and_strict_makes_them_errors(here):
    store(here, leaks=True)
    result = dltrain("inspect", "good.yaml")
    assert result.exit_code == 0
    assert "warning: leak: 3 examples of the test part (5.0%) are also in the train part" in result.stdout
    assert "array x_test of data.npz row 2 (from 0) = array x_train of data.npz row 2 (from 0)" in result.stdout
    assert dltrain("inspect", "good.yaml", "strict=true").exit_code == 2


def test_json_has_all_of_it(here):
    store(here, leaks=True)
    found = json.loads(dltrain("inspect", "good.yaml", "--json").stdout)
    assert found["examples"] == {"train": 120, "test": 60}
    assert found["classes"]["1"] == {"train": 40, "test": 20}
    assert set(found["fingerprint"]) == {"train", "test"}
    assert [finding["kind"] for finding in found["findings"]] == ["leak"]
    assert set(found["findings"][0]) == {"kind", "severity", "message", "where", "advice"}


def test_a_table_is_looked_at_without_tensorflow(here):
    script = (
        "import sys; from dltrain.cli import app; app(['inspect', 'good.yaml'], standalone_mode=False); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_that_does_not_fit_is_said_at_once(here):
    wrong = ("train.batch_size=500", "early_stopping={monitor: val_loss}", "checkpoint={monitor: nothing}")
    for command in ("inspect", "fit"):
        result = dltrain(command, "good.yaml", *wrong)
        assert result.exit_code == 2
        for words in ("batch_size must be at most the 120", "got 'val_loss'; there are no", "got 'nothing'"):
            assert words in result.output
    assert not (here / "runs").exists()


def test_fit_warns_of_findings_and_is_silent_about_clean_data(here, tensorflow):
    result = dltrain("fit", "good.yaml")
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stderr
    store(here, leaks=True)
    result = dltrain("fit", "good.yaml")
    assert result.exit_code == 0
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("warning")]
    assert "3 examples of the test part" in line
    assert line.endswith("delete the copies, so that each example is in one part only")


def test_strict_ends_a_fit_before_it_begins(here, tensorflow):
    store(here, leaks=True)
    result = dltrain("fit", "good.yaml", "strict=true")
    assert result.exit_code == 2
    assert "strict: true" in result.stderr
    assert "Traceback" not in result.output
    assert not (here / "runs").exists()


def test_a_class_with_one_example_is_said_by_fit(here, tensorflow):
    with np.load("data.npz") as stored:
        arrays = dict(stored)
    arrays["x_train"], arrays["y_train"] = arrays["x_train"] + 0, np.where(arrays["y_train"] == 2, 0, arrays["y_train"])
    arrays["y_train"][5], arrays["y_test"] = 2, arrays["y_test"] % 2
    np.savez("data.npz", **arrays)
    assert "1 class has a single example" in dltrain("fit", "good.yaml").stderr


def test_a_run_knows_its_data_and_says_when_they_have_changed(here, tensorflow):
    run = json.loads(dltrain("fit", "good.yaml", "--json").stdout)
    assert set(run["data"]) == {"train", "test"}
    assert run["data"] == json.loads(dltrain("inspect", "good.yaml", "--json").stdout)["fingerprint"]
    assert "changed" not in dltrain("eval", "good").stderr
    with np.load("data.npz") as stored:
        arrays = dict(stored)
    arrays["x_test"][0, 0] += 1
    np.savez("data.npz", **arrays)
    result = dltrain("eval", "good")
    assert result.exit_code == 0
    assert "the test data have changed since" in result.stderr
    assert "changed" not in dltrain("eval", "good", "--split", "train").stderr
    again = dltrain("fit", "--resume", "good", "train.epochs=2")
    assert again.exit_code == 0, again.output
    assert "the test data have changed since" in again.stderr
    assert "changed since" not in dltrain("eval", "good").stderr


def test_under_strict_changed_data_are_an_error(here, tensorflow):
    assert dltrain("fit", "good.yaml", "strict=true").exit_code == 0
    with np.load("data.npz") as stored:
        arrays = dict(stored)
    arrays["y_test"] = arrays["y_test"][::-1]
    np.savez("data.npz", **arrays)
    for words in (("eval", "good"), ("fit", "--resume", "good", "train.epochs=2")):
        result = dltrain(*words)
        assert result.exit_code == 2
        assert "the test data have changed since" in result.stderr
    assert dltrain("fit", "--resume", "good", "train.epochs=2", "strict=false").exit_code == 0
