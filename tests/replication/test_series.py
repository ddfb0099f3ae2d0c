"""Several runs of one experiment: what is finished is kept, what was cut goes on, and the mean is of all."""

import json
import math
import statistics

import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.errors import ConfigError, Interrupted
from dltrain.replication import series
from dltrain.replication.seeds import train_seeds
from dltrain.replication.series import Series, spread
from dltrain.runs.folder import Run

CONFIG = """
seed: 4
dataset: {name: iris, validation_fraction: 0.2}
model: {name: mlp, units: [4]}
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 1, batch_size: 32}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path


def dltrain(*words):
    return CliRunner().invoke(app, ["fit", "small.yaml", *words, "-q"])


@pytest.fixture
def trained(monkeypatch):
    """The names of the runs that are trained, in their order; the one that is called `interrupts` is interrupted."""
    names, original = [], series.trainer.fit

    def fit(config, *arguments, **settings):
        names.append(config.experiment.name)
        if config.experiment.name == fit.interrupts:
            fit.interrupts = None
            raise Interrupted("stopped after step 3, everything is saved", 130)
        return original(config, *arguments, **settings)

    fit.interrupts = None
    monkeypatch.setattr(series.trainer, "fit", fit)
    fit.names = names
    return fit


def test_seeds_are_runs_of_their_own_that_differ_in_nothing_else(tensorflow, here):
    result = dltrain("--seeds", "3", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["seeds"] == [4, 5, 6]
    assert [Run(here / run).name for run in found["runs"]] == [f"small-seed{seed}-001" for seed in (4, 5, 6)]
    configs = [Run(here / run).config.read_text().splitlines() for run in found["runs"]]
    different = [lines for lines in zip(*configs, strict=True) if len(set(lines)) > 1]
    assert different[1:] == [("seed: 4", "seed: 5", "seed: 6")]
    accuracy = found["test"]["accuracy"]
    tests = [Run(here / run).read_summary()["test"]["accuracy"] for run in found["runs"]]
    assert accuracy["values"] == tests
    assert accuracy["mean"] == pytest.approx(statistics.fmean(tests))
    assert accuracy["standard_deviation"] == pytest.approx(statistics.stdev(tests))
    assert (accuracy["minimum"], accuracy["maximum"]) == (min(tests), max(tests))


@pytest.mark.parametrize("kind", ["--seeds", "--folds"])
def test_what_was_cut_short_says_what_is_left_and_does_only_that(tensorflow, here, trained, kind):
    names = {
        "--seeds": ["small-seed4", "small-seed5", "small-seed6"],
        "--folds": ["small-fold1of3", "small-fold2of3", "small-fold3of3"],
    }[kind]
    trained.interrupts = names[1]
    cut = dltrain(kind, "3")
    assert cut.exit_code == 130
    command = f"dltrain fit small.yaml {kind} 3 --resume auto"
    assert f"1 of 3 runs are done; for the others: {command}" in cut.stderr
    first = (here / "runs" / f"{names[0]}-001/summary.json").read_text()
    trained.names.clear()
    whole = dltrain(*command.split()[3:], "--json")
    assert whole.exit_code == 0, whole.output
    assert trained.names == names[1:]
    assert (here / "runs" / f"{names[0]}-001/summary.json").read_text() == first
    assert [Run(here / run).name for run in json.loads(whole.stdout)["runs"]] == [f"{name}-001" for name in names]


def test_a_run_that_was_stopped_within_goes_on_in_its_own_folder(tensorflow, here, killed_after):
    runs = Series(
        experiments.load(here / "small.yaml", ["checkpoint.every_steps=1"]), here / "runs", lambda: Reporter(quiet=True)
    )
    with killed_after(2):
        train_seeds(runs, 2, "")
    resumes = Series(runs.config, runs.root, runs.reporter, resumes=True)
    train_seeds(resumes, 2, "")
    assert sorted(path.name for path in (here / "runs").iterdir()) == ["small-seed4-001", "small-seed5-001"]
    assert "resuming after step 2" in (here / "runs/small-seed4-001/log.txt").read_text()


def test_runs_of_another_experiment_are_never_taken_for_its_members(tensorflow, here):
    assert dltrain("--seeds", "2").exit_code == 0
    result = dltrain("--seeds", "3", "--resume", "auto", "optimizer.learning_rate=0.5")
    assert result.exit_code == 2
    assert "optimizer.learning_rate would make this another experiment" in result.stderr
    assert len(list((here / "runs").iterdir())) == 2  # refused before the third was begun


def test_without_resume_all_is_trained_anew_which_is_said(tensorflow, here):
    assert dltrain("--seeds", "2").exit_code == 0
    again = CliRunner().invoke(app, ["fit", "small.yaml", "--seeds", "2"])
    assert "small-seed4-001 exists already" in again.stderr
    assert sorted(path.name for path in (here / "runs").glob("*-002")) == ["small-seed4-002", "small-seed5-002"]


def test_a_last_seed_beyond_what_a_seed_can_be_is_refused_before_training(here):
    result = dltrain("--seeds", "2", "seed=2147483647")
    assert result.exit_code == 2
    assert "seed must be" in result.stderr
    with pytest.raises(ConfigError):
        Series(experiments.load(here / "small.yaml"), here, Reporter).member("seed", "seed=-1")


def test_a_metric_that_was_not_finite_stays_with_its_run():
    kept = [{"run": "a", "validation": None, "test": {"loss": None}}, {"run": "b", "validation": None, "test": None}]
    kept.append({"run": "c", "validation": None, "test": {"loss": 1.0}})
    found = spread(kept)["test"]["loss"]
    assert str(found["values"]) == "[nan, nan, 1.0]"
    assert math.isnan(found["mean"])
