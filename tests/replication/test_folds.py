"""Cross-validation: every example is held out once, and each fold is a run that can be had again."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.data import Groups, Split, split_off
from dltrain.errors import ConfigError
from dltrain.fields import Fold
from dltrain.inference import evaluation
from dltrain.replication import folds
from dltrain.replication.series import Series
from dltrain.runs.folder import Run
from dltrain.training import trainer

CONFIG = """
dataset: {{name: {dataset}}}
model: {{name: mlp, units: [4]}}
optimizer: {{name: adam, learning_rate: 0.01}}
train: {{epochs: 1, batch_size: 16}}
"""


@pytest.fixture
def config_path(tmp_path):
    """Returns a function that writes a config of a dataset."""

    def write(dataset):
        path = tmp_path / "small.yaml"
        path.write_text(CONFIG.format(dataset=dataset))
        return path

    return write


def series(path, tmp_path):
    return Series(experiments.load(path), tmp_path / "runs", lambda: Reporter(quiet=True))


@pytest.mark.parametrize(
    "targets", [np.arange(53) % 3 // 2, np.random.RandomState(0).rand(53, 2)], ids=["classes", "numbers"]
)
def test_each_example_is_in_one_fold_and_folds_are_alike(targets):
    split = Split(np.arange(53)[:, None], targets)
    parts = [split_off(split, f"fold {number} of 5", 3, Groups((), split.targets)) for number in range(1, 6)]
    taken = [part.inputs[:, 0] for _, part in parts]
    assert sorted(np.concatenate(taken)) == list(range(53))
    assert {len(part) for part in taken} == {10, 11}
    for rest, part in parts:
        assert sorted([*rest.inputs[:, 0], *part.inputs[:, 0]]) == list(range(53))
    if targets.ndim == 1:
        rare = [int((part.targets == 1).sum()) for _, part in parts]
        assert max(rare) - min(rare) <= 1


@pytest.mark.parametrize("text", ["fold 0 of 5", "fold 6 of 5", "fold 1 of 1", "fold a of b", "2/5", "Fold 1 of 5"])
def test_what_is_no_fold_is_refused(text):
    assert text not in Fold()


def test_folds_are_runs_whose_config_repeats_them(tensorflow, config_path, tmp_path):
    path = config_path("iris")
    result = CliRunner().invoke(
        app, ["fit", str(path), "--folds", "3", "--quiet", "--json", "--runs", str(tmp_path / "runs")]
    )
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["held_out"] == "test"
    assert [Run(tmp_path / run).path.name for run in found["runs"]] == [f"small-fold{n}of3-001" for n in (1, 2, 3)]
    run = Run(tmp_path / "runs" / "small-fold2of3-001")
    accuracy = found["test"]["accuracy"]
    assert accuracy["mean"] == pytest.approx(np.mean(accuracy["values"]))
    assert accuracy["standard_deviation"] == pytest.approx(np.std(accuracy["values"], ddof=1))
    again = trainer.fit(experiments.load(run.config), Reporter(quiet=True), tmp_path / "again")
    assert again["test"]["accuracy"] == accuracy["values"][1]
    assert evaluation.evaluate(run, None, "best", Reporter(quiet=True))["examples"] == 50


def test_a_test_part_of_its_own_stays_and_the_folds_are_validation_parts(tensorflow, tmp_path):
    inputs, labels = np.random.RandomState(0).rand(40, 3), np.arange(40) % 2
    np.savez(tmp_path / "data.npz", x_train=inputs, y_train=labels, x_test=inputs[:6], y_test=labels[:6])
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG.format(dataset="npz, path: data.npz"))
    found = folds.cross_validate(series(path, tmp_path), 2, "")
    assert found["held_out"] == "validation"
    spec = experiments.load(Run(tmp_path / found["runs"][1]).config).experiment.dataset
    assert (spec.validation_fraction, spec.test_fraction) == ("fold 2 of 2", 0.2)
    assert len(found["validation"]["accuracy"]["values"]) == len(found["test"]["accuracy"]["values"]) == 2


def test_more_folds_than_examples_are_refused_before_anything_is_written(tensorflow, config_path, tmp_path):
    with pytest.raises(ConfigError, match="--folds must be at most the 150 examples, got 151"):
        folds.cross_validate(series(config_path("iris"), tmp_path), 151, "")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("option", ["--resume", "--dry-run", "--profile"])
def test_folds_do_not_go_with_what_is_of_one_run(config_path, option):
    result = CliRunner().invoke(app, ["fit", str(config_path("iris")), "--folds", "3", option])
    assert result.exit_code == 2
    assert f"cannot be combined with {option}" in result.stderr
