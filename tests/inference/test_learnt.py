"""Every command that opens a run takes what it learnt of its data from the run, and learns nothing anew."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.checkpoints import store
from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.inference.evaluation import evaluate
from dltrain.registry import FEATURES
from dltrain.runs.folder import Run
from dltrain.training import trainer

CONFIG = """
dataset: {{name: {dataset}, test_fraction: 0.3, validation_fraction: 0.2}}
model: {{name: mlp, units: [4]}}
optimizer: {{name: sgd, learning_rate: 0.05}}
train: {{epochs: 1, batch_size: 8}}
report: false
"""
COMMANDS = {
    "eval": ("eval", "RUN"),
    "eval on other data": ("eval", "RUN", "dataset.path=OTHER"),
    "predict": ("predict", "RUN", "--split", "test"),
    "report": ("report", "RUN"),
    "verify": ("verify", "RUN"),
    "export": ("export", "RUN", "--format", "keras"),
    "resume": ("fit", "--resume", "RUN", "train.epochs=2", "-q"),
}


def write(path, shift=0.0):
    """A table with a hole and a category, or arrays."""
    random = np.random.RandomState(0)
    kinds, numbers = np.arange(60) % 2, random.standard_normal(60) + shift
    if path.suffix == ".npz":
        np.savez(path, x=np.stack([numbers, numbers**2], 1).astype(np.float32), y=kinds)
        return
    rows = zip(numbers, kinds, strict=True)
    lines = [f"{'' if row % 7 == 0 else number:.9},{'rgb'[row % 3]},{kind}" for row, (number, kind) in enumerate(rows)
             if row % 7] + [f",r,{kind}" for kind in (0, 1)]  # fmt: skip
    path.write_text("\n".join(["size,colour,kind", *lines]))


@pytest.fixture(scope="module", params=["csv, target: kind, path: a.csv", "npz, path: a.npz"])
def trained(request, tensorflow, tmp_path_factory):
    """A run, and other data of its kind."""
    folder = tmp_path_factory.mktemp("learnt")
    suffix = request.param[-4:]
    write(folder / f"a{suffix}")
    write(folder / f"other{suffix}", shift=3.0)
    (folder / "small.yaml").write_text(CONFIG.format(dataset=request.param))
    config = experiments.load(folder / "small.yaml")
    run = Run(Path(trainer.fit(config, Reporter(quiet=True), folder / "runs")["run"]))
    return run, folder / f"other{suffix}"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_learns_nothing_anew(trained, reports, monkeypatch, command):
    run, other = trained

    def anew(*_):
        raise AssertionError("learnt anew")

    for name in FEATURES.names():
        for method in ("fit", "adapt"):
            monkeypatch.setattr(FEATURES[name], method, anew)
    monkeypatch.setattr("dltrain.datasets.csv.learn", anew)
    before = store.load(run, "last").state["data"]
    words = [str(run.path) if word == "RUN" else word.replace("OTHER", str(other)) for word in COMMANDS[command]]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert store.load(run, "last").state["data"] == before


def test_other_data_are_measured_as_what_the_run_was_trained_on(trained, monkeypatch):
    run, other = trained
    from dltrain.tasks.classification import Classification

    seen = []

    def undefined(self, data, split):
        seen.append(data)
        return {}

    monkeypatch.setattr(Classification, "undefined", undefined)
    monkeypatch.setattr(Classification, "part_metrics", ("seen",))
    monkeypatch.setattr(Classification, "measure", lambda self, outcome: seen.append(outcome.data) or {"seen": 0.0})
    evaluate(run, None, "best", Reporter(quiet=True), [f"dataset.path={other}"])
    assert [json.loads(json.dumps(data.plain())) for data in seen] == [store.load(run, "best").state["data"]] * 3


def test_data_that_have_changed_are_refused_when_the_run_resumes(trained, monkeypatch):
    run, other = trained
    own = other.with_stem("a")
    before = own.read_bytes()
    try:
        write(own, shift=3.0)
        words = ["fit", "--resume", str(run.path), "train.epochs=9", "-q"]
        done = CliRunner().invoke(app, words)
        assert (done.exit_code, "the training data have changed since" in done.output) == (2, True), done.output
        assert "--force" in done.output
        if own.suffix == ".csv":
            own.write_text(before.decode().replace(",g,", ",purple,"))
            done = CliRunner().invoke(app, [*words, "--force"])
            assert (done.exit_code, "other shapes, classes" in done.output) == (2, True), done.output
    finally:
        own.write_bytes(before)
