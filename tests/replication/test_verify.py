"""verify and reproduce: they find what differs, and nothing where nothing does."""

import json
from pathlib import Path

import numpy as np
import pytest

from dltrain.checkpoints import store
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.engine.compiled_loop import Engine
from dltrain.errors import RunError
from dltrain.replication import reproduce as reproduction
from dltrain.replication import verify as verification
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.resume import Resume

CONFIG = """
dataset: {name: digits, validation_fraction: 0.1}
model: {name: mlp, units: [16], dropout: 0.3}
optimizer: {name: adam}
train: {epochs: 3, batch_size: 128}
"""


@pytest.fixture
def run(tensorflow, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    summary = trainer.fit(experiments.load(path), Reporter(quiet=True), tmp_path / "runs")
    return Run(Path(summary["run"]))


def verified(run, steps=50):
    return verification.verify(run, steps, Reporter(quiet=True))


def test_a_repeatable_run_is_called_so(run):
    result = verified(run)
    assert result["repeatable"]
    assert [(replay["start"], replay["steps"], replay["compared_with"]) for replay in result["replays"]] == [
        ("config", 10, ["a second replay", "metrics.csv"]),
        ("step-00000020.npz", 10, ["a second replay", "step-00000030.npz"]),
    ]
    short = verified(run, steps=3)
    assert [replay["compared_with"] for replay in short["replays"]] == [["a second replay"]] * 2
    assert short["notes"] == ["--steps 10 would reach the next checkpoint and compare with it"]


def test_the_first_step_and_tensor_that_differ_are_named(run, monkeypatch):
    original, calls = Engine.train, []

    def train(self, feed, done, count):
        result = original(self, feed, done, count)
        calls.append(done)
        if len(calls) == 15:  # the fifth step of the second replay
            self.model.trainable_variables[1].assign_add(np.full(16, 1e-7, np.float32))
        return result

    monkeypatch.setattr(Engine, "train", train)
    result = verified(run)
    assert not result["repeatable"]
    difference = result["replays"][0]["difference"]
    assert difference["step"] == 5
    assert difference["tensor"].endswith("bias (model)")
    assert difference["between"] == "two replays"


def test_a_record_that_the_replay_does_not_reach_is_named(run):
    saved = store.load(run, "last")
    arrays = {name: array.copy() for name, array in saved.arrays.items()}
    name = next(name for name in arrays if name.startswith("optimizer/") and arrays[name].ndim == 2)
    arrays[name][0, 0] += 1e-6
    store.save(run, arrays, saved.state, is_best=False, keep=2)
    difference = verified(run)["replays"][1]["difference"]
    assert difference["step"] == 30
    assert difference["tensor"].endswith("(optimizer)")
    assert difference["between"] == "the replay and step-00000030.npz"
    run.metrics.write_text(run.metrics.read_text().replace(run.read_metrics()[0]["loss"], "9.5"))
    assert verified(run)["replays"][0]["difference"]["tensor"] == "loss"


def test_only_what_was_trained_as_the_run_is_now_is_held_against_it(tensorflow, tmp_path):
    path = tmp_path / "long.yaml"
    path.write_text(CONFIG + "schedule: {name: cosine}\ncheckpoint: {keep: 9}\n")
    root, quiet = tmp_path / "runs", Reporter(quiet=True)
    first = Run(Path(trainer.fit(experiments.load(path), quiet, root)["run"]))
    longer = experiments.load(first.config, ["train.epochs=5"])
    trainer.fit(longer, quiet, root, Resume(first, {"train.epochs": (3, 5)}))
    result = verified(first)
    assert result["repeatable"]
    assert result["replays"][1]["start"] == "step-00000040.npz"
    assert result["replays"][1]["compared_with"] == ["a second replay", "step-00000050.npz"]


def test_a_commit_of_the_working_folder_excuses_nothing(run):
    environment = json.loads(run.environment.read_text())
    run.environment.write_text(json.dumps({**environment, "git": {"commit": "another", "dirty": False}}))
    run.metrics.write_text(run.metrics.read_text().replace(run.read_metrics()[1]["val_loss"], "0.5"))
    result = reproduction.reproduce(run, run.path.parent, 1.0, Reporter(quiet=True))
    assert "git" in result["environment"]
    assert not result["reproduced"]


def test_a_run_done_again_is_the_same(run):
    result = reproduction.reproduce(run, run.path.parent, 0.0, Reporter(quiet=True))
    assert result["reproduced"]
    assert result["exact"]
    assert result["environment"] == {}
    assert result["largest_weight_difference"] == 0
    assert Run(Path(result["again"])).read_metrics()[0].keys() == run.read_metrics()[0].keys()


def test_another_environment_is_listed_and_bears_a_tolerance(run):
    environment = json.loads(run.environment.read_text())
    run.environment.write_text(json.dumps({**environment, "numpy": "1.0", "cpu": "another"}))
    summary = run.read_summary()
    summary["test"]["accuracy"] += 0.015
    run.summary.write_text(json.dumps(summary))
    result = reproduction.reproduce(run, run.path.parent, 0.02, Reporter(quiet=True))
    assert result["environment"] == {
        "numpy": ["1.0", environment["numpy"]],
        "cpu": ["another", environment["cpu"]],
    }
    assert result["reproduced"]
    assert not result["exact"]
    assert not reproduction.reproduce(run, run.path.parent, 0.01, Reporter(quiet=True))["reproduced"]


def test_in_the_same_environment_nothing_is_borne(run):
    first = run.read_metrics()[1]
    run.metrics.write_text(run.metrics.read_text().replace(first["val_loss"], "0.5"))
    result = reproduction.reproduce(run, run.path.parent, 1.0, Reporter(quiet=True))
    assert not result["reproduced"]
    assert result["first_difference"] == {"epoch": "2", "column": "val_loss", "then": "0.5", "now": first["val_loss"]}


def test_an_unfinished_run_cannot_be_reproduced(run):
    run.summary.write_text(json.dumps({**run.read_summary(), "status": "interrupted"}))
    with pytest.raises(RunError, match="is interrupted, not finished"):
        reproduction.reproduce(run, run.path.parent, 0.02, Reporter(quiet=True))
