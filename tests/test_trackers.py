"""Runs in TensorBoard, MLflow and Weights & Biases, each by what it keeps on this machine."""

import json
import sqlite3
from contextlib import closing

import pytest

from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.errors import ConfigError, Interrupted, TrainingError, UserError
from dltrain.inference import evaluation
from dltrain.registry import TRACKERS
from dltrain.runs.folder import Run
from dltrain.trackers._tracking import check_installed
from dltrain.training import trainer
from dltrain.training.loop import Loop
from dltrain.training.resume import Resume

CONFIG = """
dataset: {name: iris, validation_fraction: 0.2}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.01}
train: {epochs: 2, batch_size: 16}
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path / "small.yaml"


def fit(path, *overrides, resumed=None):
    config = experiments.load(path, list(overrides))
    return Run(path.parent / trainer.fit(config, Reporter(), path.parent / "runs", Resume(resumed))["run"])


class Told:
    """Keeps what it is told; may fail at a certain call."""

    def __init__(self, fails):
        self.fails, self.calls = fails, []

    def start(self, run, config):
        self._said("start", run.name, config["model"]["name"])
        return self

    def epoch(self, row, model):
        self._said("epoch", row["epoch"], len(model.weights))

    def end(self, summary):
        self._said("end", summary["status"])

    def _said(self, *call):
        if call[0] == self.fails:
            raise ConnectionError("no route to host")
        self.calls.append(call)


@pytest.fixture
def told(monkeypatch):
    """Returns a function that makes every tensorboard tracker one that is watched."""

    def told(fails=None):
        watched = Told(fails)
        monkeypatch.setattr("dltrain.trackers.tensorboard.check_installed", lambda *_: None)
        monkeypatch.setattr(TRACKERS["tensorboard"], "start", lambda self, run, config: watched.start(run, config))
        return watched

    return told


@pytest.mark.parametrize(
    ("name", "words"), [("tensorboard", "TensorBoard"), ("mlflow", "MLflow"), ("wandb", "Weights")]
)
def test_without_its_package_the_extra_is_named_before_anything_starts(path, monkeypatch, name, words):
    monkeypatch.setattr("dltrain.trackers._tracking.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=rf"needs {words}.*: pip install 'dltrain\[{name}\]'"):
        experiments.load(path, [f"trackers=[{{name: {name}}}]"])


def test_a_run_is_evaluated_without_the_packages_of_its_trackers(tensorflow, path, told, monkeypatch):
    told()
    run = fit(path, "trackers=[{name: tensorboard}]")
    monkeypatch.setattr("dltrain.trackers.tensorboard.check_installed", check_installed)
    monkeypatch.setattr("dltrain.trackers._tracking.find_spec", lambda _: None)
    assert evaluation.evaluate(run, "test", "best", Reporter())["examples"] == 30


def test_a_tracker_is_told_of_each_epoch_and_of_the_end(tensorflow, path, told):
    watched = told()
    fit(path, "trackers=[{name: tensorboard}]")
    assert watched.calls == [("start", "small-001", "mlp"), ("epoch", 1, 4), ("epoch", 2, 4), ("end", "finished")]


def test_a_run_that_is_stopped_or_goes_on_is_told_as_such(tensorflow, path, told, monkeypatch):
    watched = told()
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Loop, "_say_epoch", lambda self, row: (_ for _ in ()).throw(Interrupted("stopped", 130)))
        fit(path, "trackers=[{name: tensorboard}]")
    fit(path, "trackers=[{name: tensorboard}]", resumed=Run(path.parent / "runs" / "small-001"))
    assert [call[1] for call in watched.calls if call[0] != "start"] == [1, "interrupted", 2, "finished"]


def test_a_tracker_that_fails_later_is_left_behind_and_named(tensorflow, path, told, capsys):
    watched = told(fails="epoch")
    run = fit(path, "trackers=[{name: tensorboard}]")
    assert run.read_summary()["status"] == "finished"
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("tensorboard failed, the run continues without it: ConnectionError: no route to host") == 1
    assert watched.calls == [("start", "small-001", "mlp")]


def test_a_tracker_that_cannot_begin_ends_the_run_before_training(tensorflow, path, told):
    told(fails="start")
    with pytest.raises(TrainingError, match="tensorboard cannot start: ConnectionError: no route to host"):
        fit(path, "trackers=[{name: tensorboard}]")


def test_one_tracker_twice_is_refused(path, monkeypatch):
    monkeypatch.setattr("dltrain.trackers.tensorboard.check_installed", lambda *_: None)
    with pytest.raises(ConfigError, match="trackers must not list tensorboard twice"):
        experiments.load(path, ["trackers=[{name: tensorboard}, {name: tensorboard}]"])


def test_tensorboard_finds_training_and_validation_in_the_runs_folder(tensorflow, path):
    pytest.importorskip("tensorboard")
    run = fit(path, "trackers=[{name: tensorboard, histogram_epochs: 2}]")
    tags = {}
    for file in (run.path / "tensorboard").rglob("events.*"):
        for record in tensorflow.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tensorflow.compat.v1.Event.FromString(record)
            tags.setdefault(file.parent.name, set()).update((value.tag, event.step) for value in event.summary.value)
    assert {("loss", 1), ("loss", 2), ("learning_rate", 2), ("config", 0)} <= tags["train"]
    assert {step for tag, step in tags["train"] if "kernel" in tag} == {2}
    assert {("loss", 1), ("accuracy", 2), ("test_accuracy", 2)} <= tags["validation"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what MLflow calls
def test_mlflow_s_local_store_holds_the_run_and_its_continuation(tensorflow, path):
    pytest.importorskip("mlflow")
    run = fit(path, "trackers=[{name: mlflow, experiment: flowers}]")
    fit(run.config, "train.epochs=3", resumed=run)
    number = json.loads((run.path / "mlflow.json").read_text())["run_id"]
    with closing(sqlite3.connect(run.path.parent / "mlflow.db")) as store:
        assert store.execute("select run_uuid, name, status from runs").fetchall() == [
            (number, "small-001", "FINISHED")
        ]
        assert store.execute("select value from params where key = 'optimizer.learning_rate'").fetchall() == [("0.01",)]
        kept = store.execute("select step, value from metrics where key = 'val_loss' order by step").fetchall()
        assert store.execute("select count(*) from metrics where key = 'test_accuracy'").fetchone() == (2,)
    assert kept == [(int(row["epoch"]), float(row["val_loss"])) for row in run.read_metrics()]
    assert list((run.path.parent / "mlflow" / "flowers").rglob("metrics.csv"))


def test_weights_and_biases_keeps_the_run_on_this_machine(tensorflow, path):
    pytest.importorskip("wandb")
    run = fit(path, "trackers=[{name: wandb, project: flowers}]")
    (file,) = (run.path.parent / "wandb").glob("offline-run-*/*.wandb")
    kept = file.read_bytes()
    assert b"flowers" in kept
    assert b"small-001" in kept
    for row in run.read_metrics():
        assert row["val_loss"].encode() in kept
    fit(run.config, "train.epochs=3", resumed=run)  # and its folder holds no links, with which it could not go on


def test_settings_of_wandb_beside_the_runs_are_not_obeyed(tmp_path):
    """A stranger's could send the user's key to another server."""
    (tmp_path / "runs/wandb").mkdir(parents=True)
    (tmp_path / "runs/wandb/settings").write_text("[default]\nbase_url = https://example.org\n")
    with pytest.raises(UserError, match="wandb/settings: wandb obeys it"):
        TRACKERS["wandb"]().start(tmp_path / "runs/a-001", {})
