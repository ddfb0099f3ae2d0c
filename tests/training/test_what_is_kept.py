"""A message about a run that failed says of its checkpoints what is true: also where there is none yet."""

import os
import shutil

import pytest
from typer.testing import CliRunner

from dltrain.checkpoints import store
from dltrain.cli import app
from dltrain.console import Reporter
from dltrain.errors import CheckpointError, TrainingError
from dltrain.inference import trained_run
from dltrain.runs import folder
from dltrain.training import loop, trainer
from dltrain.training.metrics_file import MetricsFile

FULL = OSError(28, os.strerror(28))
CONFIG = """\
dataset: {name: digits, validation_fraction: 0.1}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: RATE}
train: {epochs: 3, batch_size: 256}
report: false
"""


@pytest.fixture(params=[False, True], ids=["nothing saved", "saved"])
def run(request, tmp_path):
    made = folder.create(tmp_path, "a")
    if request.param:
        made.checkpoints.joinpath("step-00000001.npz").touch()
    return made


def truth(run):
    return "the last checkpoint is intact" if run.saved else "there is no checkpoint yet"


def full(*_, **__):
    raise FULL


def test_a_row_that_is_not_written(run, monkeypatch):
    file = MetricsFile(run, 0)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TrainingError, match=f"metrics.csv: cannot be written: No space left on device; {truth(run)}$"):
        file.append({"epoch": 1, "step": 1})


def test_a_line_of_the_log_that_is_not_written(run):
    reporter = Reporter(quiet=True)
    run.log.mkdir()
    with pytest.raises(TrainingError, match=f"log.txt: cannot be written: Is a directory; {truth(run)}$"):
        reporter.log_to(run.log, lambda: run.kept)
        reporter.say("x")


def test_any_file_that_is_not_written(run):
    assert str(trainer._translated(FULL, run)).endswith(f"cannot be written: No space left on device; {truth(run)}")


def test_a_checkpoint_that_is_not_written(run, monkeypatch):
    monkeypatch.setattr(store.np, "savez", full)
    with pytest.raises(TrainingError) as caught:
        store.save(run, {}, {"step": 8}, is_best=True, keep=2)
    expected = "the previous checkpoint is intact" if run.saved else "there is no other checkpoint"
    assert expected in str(caught.value)
    assert (f"dltrain fit --resume {run.path}" in str(caught.value)) is (run.saved is not None)


def test_a_run_that_is_gone_may_have_been_moved(run):
    shutil.rmtree(run.path)
    said = str(trainer._translated(FULL, run))
    assert "was deleted or moved while the run was writing to it; if it was moved, resume it from where it is" in said


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_loss_that_is_not_finite(tmp_path, monkeypatch, tensorflow, epochs):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(CONFIG.replace("RATE", "0.1"))
    began = loop.Loop._train

    def spoilt(self, stop):
        """Trains well first, and then with a weight that is none."""
        if epochs:
            self._save(is_best=True)
        self.learner.network.engine.model.weights[-1].assign([float("nan")] * 10)
        began(self, stop)

    monkeypatch.setattr(loop.Loop, "_train", spoilt)
    told = CliRunner().invoke(app, ["fit", "a.yaml"])
    assert told.exit_code == 1
    truth = "the last checkpoint is intact" if epochs else "there is no checkpoint yet"
    assert f"learning rate 0.1; {truth}.\nTry a smaller optimizer.learning_rate" in told.stderr


@pytest.mark.parametrize("others", [None, b"PK", "good"], ids=["no other", "damaged", "good"])
@pytest.mark.parametrize("best", [None, b"PK"], ids=["no best", "damaged best"])
def test_another_checkpoint_is_advised_where_one_can_be_used(tmp_path, best, others):
    run = folder.create(tmp_path, "a")
    store.save(run, {}, {"step": 7}, is_best=False, keep=2)
    for path in run.checkpoints.iterdir():
        if others != "good":
            path.unlink()
            if others:
                path.write_bytes(others)
    if best:
        (run.checkpoints / "best.npz").write_bytes(best)
    with pytest.raises(CheckpointError, match="best.npz: ") as told:
        trained_run.chosen(run, "best", Reporter(quiet=True), is_asked=True)
    assert ("`--checkpoint last` uses" in str(told.value)) is (others == "good")
    assert str(told.value).endswith("; there is no other that can be used: start a new run") is (others != "good")
