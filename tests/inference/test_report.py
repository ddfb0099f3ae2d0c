"""A run ends with its report, and no run fails for it."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.checkpoints import store
from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.errors import Interrupted
from dltrain.inference import evidence, outputs
from dltrain.inference import report as reporting
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.resume import Resume

CONFIG = """
dataset: {name: npz, path: data.npz, validation_fraction: 0.2}
model: {name: mlp, units: [8]}
optimizer: {name: sgd, learning_rate: 0.05}
train: {epochs: 2, batch_size: 16}
"""


def write(folder):
    """Makes a config and its data."""
    random = np.random.RandomState(0)
    labels = {part: random.randint(3, size=count) for part, count in (("train", 60), ("test", 30))}
    arrays = {f"x_{part}": random.standard_normal((len(found), 4)) + found[:, None] for part, found in labels.items()}
    np.savez(folder / "data.npz", **arrays, **{f"y_{part}": found for part, found in labels.items()})
    (folder / "small.yaml").write_text(CONFIG)
    return folder / "small.yaml"


@pytest.fixture
def config_path(tmp_path):
    return write(tmp_path)


def fit(path, *overrides, resumed=None):
    config = experiments.load(path, list(overrides))
    summary = trainer.fit(config, Reporter(quiet=True), path.parent / "runs", Resume(resumed))
    return Run(Path(summary["run"]))


def dltrain(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def value(page, name):
    """What the headline says of a metric."""
    return re.search(rf"<div>{name}<b>([^<]*)</b>", page)[1]


@pytest.fixture(scope="module")
def trained(tensorflow, tmp_path_factory):
    """A run that ended with its report: no test's patch is there yet that takes it away."""
    return fit(write(tmp_path_factory.mktemp("trained")))


@pytest.fixture
def run(trained, reports, tmp_path):
    """A copy of it, to be damaged."""
    return Run(Path(shutil.copytree(trained.path, tmp_path / "runs" / trained.name)))


def test_a_run_ends_with_its_report_and_figures(run):
    page = run.report.read_text()
    assert value(page, "accuracy") == f"{run.read_summary()['test']['accuracy']:.4f}"
    assert "the most frequent class" in page
    names = {path.name for path in run.figures.iterdir()}
    assert {"curve-loss.svg", "curve-loss.png", "confusion.svg", "roc.svg", "calibration.png"} <= names
    assert set(re.findall(r'id="figure-([\w-]+)"', page)) == {name.rpartition(".")[0] for name in names}
    assert "small.yaml:3" in page


def test_report_false_ends_a_run_without_one(tensorflow, reports, config_path):
    run = fit(config_path, "report=false")
    assert not run.report.exists()
    assert not run.figures.exists()
    done = dltrain("report", run.path, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["missing"] == []
    assert run.report.exists()


def test_the_report_made_later_is_the_same(run):
    first = run.report.read_text()
    run.report.unlink()
    assert dltrain("report", run.path).exit_code == 0
    assert run.report.read_text() == first


def test_a_run_that_goes_on_keeps_where_its_config_came_from(run):
    config = experiments.load(run.config, ["train.epochs=3"])
    trainer.fit(config, Reporter(quiet=True), run.path.parent, Resume(run))
    page = run.report.read_text()
    assert "small.yaml:3" in page
    assert "argument train.epochs=3" in page


@pytest.mark.parametrize("where", ["gather", "render"])
def test_a_report_that_fails_fails_no_run(tensorflow, reports, config_path, monkeypatch, where):
    def failing(*_):
        raise ZeroDivisionError("of the report")

    monkeypatch.setattr(reporting, where, failing)
    run = fit(config_path)
    assert run.read_summary()["status"] == "finished"
    assert "ZeroDivisionError: of the report" in run.log.read_text()
    assert run.report.exists() == (where == "gather")


def test_a_task_that_draws_nothing_has_a_report(run, monkeypatch):
    from dltrain.tasks.classification import Classification

    for method in ("baselines", "chapters", "mistakes"):
        monkeypatch.delattr(Classification, method)
    assert dltrain("report", run.path).exit_code == 0
    page = run.report.read_text()
    assert "figure-curve-loss" in page
    assert "figure-confusion" not in page


def test_ctrl_c_while_the_report_is_made_leaves_a_finished_run(tensorflow, reports, config_path, monkeypatch):
    original = outputs.collected

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(outputs, "collected", interrupted)
    with pytest.raises(Interrupted, match="dltrain report") as stopped:
        fit(config_path)
    assert stopped.value.exit_code == 130
    (folder,) = (config_path.parent / "runs").iterdir()
    assert Run(folder).read_summary()["status"] == "finished"
    assert not Run(folder).report.exists()


def test_a_run_without_a_checkpoint_is_shown_as_far_as_it_is(run):
    run.report.unlink()
    shutil.rmtree(run.checkpoints)
    done = dltrain("report", run.path, "--json")
    assert done.exit_code == 0, done.output
    (missing,) = json.loads(done.stdout)["missing"]
    assert "no such checkpoint" in missing
    page = run.report.read_text()
    assert "figure-curve-loss" in page
    assert "no such checkpoint" in page


def test_a_report_is_not_replaced_by_one_that_says_less(run):
    run.config.write_text(run.config.read_text().replace("data.npz", "gone.npz"))
    before = run.report.read_text()
    done = dltrain("report", run.path)
    assert done.exit_code == 2
    assert "is kept" in done.output
    assert run.report.read_text() == before
    run.report.unlink()
    assert dltrain("report", run.path).exit_code == 0
    assert "gone.npz" in run.report.read_text()


def test_a_run_that_stopped_early_is_measured_with_its_best_weights_so_far(run):
    summary = run.read_summary()
    run.summary.write_text(json.dumps({**summary, "status": "interrupted", "test": None, "validation": None}))
    assert dltrain("report", run.path).exit_code == 0
    page = run.report.read_text()
    assert "best weights so far" in page
    assert value(page, "accuracy") == f"{summary['test']['accuracy']:.4f}"


@pytest.mark.parametrize("name", ["config.yaml", "summary.json", "metrics.csv", "environment.json"])
def test_a_damaged_folder_is_told_without_a_traceback(run, name):
    run.report.unlink()
    (run.path / name).write_bytes(b"\xff\x00{[")
    done = dltrain("report", run.path)
    assert done.exit_code == 0, done.output
    assert run.report.exists()
    assert name in done.stderr


def test_a_link_in_the_folder_of_a_stranger_is_refused(run, tmp_path):
    run.report.unlink()
    run.report.symlink_to(tmp_path / "elsewhere.html")
    assert dltrain("report", run.path).exit_code == 2
    assert not (tmp_path / "elsewhere.html").exists()


def test_the_network_is_asked_about_so_many_examples_and_no_more(run, monkeypatch):
    monkeypatch.setattr(evidence, "MOST_EXAMPLES", 10)
    assert dltrain("report", run.path).exit_code == 0
    page = run.report.read_text()
    assert "10 of the 30 examples, evenly spaced" in page
    assert value(page, "accuracy") == f"{run.read_summary()['test']['accuracy']:.4f}"


def test_answers_that_are_not_finite_are_said(run, monkeypatch):
    run.report.unlink()

    def nothing(infer, spec, part, *_):
        return np.full((len(part), 3), np.nan, np.float32)

    monkeypatch.setattr(outputs, "collected", nothing)
    assert dltrain("report", run.path).exit_code == 0
    assert "not finite for 30 of 30 examples" in run.report.read_text()


def test_examples_that_were_left_out_are_said(run):
    assert "left out" not in run.report.read_text()
    summary = json.loads(run.summary.read_text())
    run.summary.write_text(json.dumps(summary | {"skipped_examples": 1234}))
    assert dltrain("report", run.path).exit_code == 0
    assert "1,234 examples left out, as unusable" in run.report.read_text()


def test_no_run_has_no_report():
    done = dltrain("report", "no-such-run")
    assert done.exit_code == 2
    assert "no run" in done.output


def test_a_damaged_checkpoint_is_named(run):
    run.report.unlink()
    (run.checkpoints / "best.npz").write_bytes(b"PK")
    assert dltrain("report", run.path).exit_code == 0
    assert "is damaged" in run.report.read_text()
    with pytest.raises(Exception, match="damaged"):
        store.load(run, "best")


def test_what_was_measured_on_the_training_data_is_called_so(tensorflow, reports, config_path):
    run = fit(config_path, "dataset={name: iris, test_fraction: 0, validation_fraction: 0}", "train.epochs=1")
    page = run.report.read_text()
    assert "all metrics are of the train part, on which it was trained" in page
    assert "train part of 150 examples, best weights<" in page
