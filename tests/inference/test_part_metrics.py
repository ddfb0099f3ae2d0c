"""What only a whole part can tell is a column like others; what a part cannot have is said, and is no number."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.assembly.contract import contract_problems
from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.inference import evaluation, options
from dltrain.inference.outputs import finite, joined
from dltrain.runs.folder import Run
from dltrain.runs.listing import entry
from dltrain.tasks.classification import Classification
from dltrain.training import trainer

CONFIG = """
dataset: {name: synthetic, shape: [4], num_classes: 3, train_examples: 64, validation_examples: 37}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.05}
train: {epochs: 2, batch_size: 32}
checkpoint: {monitor: val_surest}
report: false
"""


@pytest.fixture
def path(tensorflow, tmp_path, monkeypatch):
    """A config whose task has a metric of whole parts: the largest logit less the number of examples."""
    monkeypatch.setattr(Classification, "part_metrics", ("surest",))
    monkeypatch.setattr(
        Classification, "measure", lambda self, outcome: {"surest": float(outcome.outputs.max()) - len(outcome.targets)}
    )
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path / "small.yaml"


def fit(path):
    return Run(Path(trainer.fit(experiments.load(path), Reporter(quiet=True), path.parent / "runs")["run"]))


def test_it_is_a_column_that_can_be_monitored_and_is_measured_by_eval(path):
    run = fit(path)
    rows = run.read_metrics()
    assert "surest" not in rows[0]
    values = [float(row["val_surest"]) for row in rows]
    assert all(-37 < value < -20 for value in values)
    summary = run.read_summary()
    assert summary["monitor"] == {"column": "val_surest", "larger_is_better": True}
    assert summary["larger_is_better"] == {"loss": False, "accuracy": True, "surest": True}
    assert summary["best"]["monitor"] == "val_surest"
    assert summary["best"]["value"] == max(values)
    assert entry(run).larger_is_better
    assert entry(run).is_better_larger("surest")
    measured = evaluation.evaluate(run, "validation", "best", Reporter(quiet=True))["metrics"]
    assert measured["surest"] == pytest.approx(summary["best"]["value"], abs=1e-4)
    assert summary["validation"]["surest"] == pytest.approx(summary["best"]["value"], abs=1e-4)


def test_what_a_part_cannot_have_is_said_and_is_no_number(path, monkeypatch):
    why = "it has no example that is easy"
    monkeypatch.setattr(
        Classification, "undefined", lambda self, data, split: {"accuracy": why} if len(split) < 40 else {}
    )
    run = fit(path)
    row = run.read_metrics()[0]
    assert row["val_accuracy"] == ""
    assert math.isfinite(float(row["accuracy"]))
    assert run.read_summary()["validation"]["accuracy"] is None
    assert run.read_summary()["undefined"] == {"validation": {"accuracy": why}}
    assert f"accuracy is undefined for the validation part: {why}" in run.log.read_text()
    assert "val_accuracy undefined" in run.log.read_text()
    shown = CliRunner().invoke(app, ["show", str(run.path)]).stdout
    assert "accuracy undefined" in shown
    assert why in shown
    done = CliRunner().invoke(app, ["eval", str(run.path), "--split", "validation", "--json"])
    assert json.loads(done.stdout)["metrics"]["accuracy"] is None
    assert json.loads(done.stdout)["undefined"] == {"accuracy": why}
    assert why in done.stderr


def test_a_metric_that_a_part_cannot_have_is_no_monitor(path, monkeypatch):
    monkeypatch.setattr(Classification, "undefined", lambda self, data, split: {"surest": "nobody is sure"})
    config = experiments.load(path)
    (problem,) = contract_problems(config, config.experiment.dataset.load())
    words = "checkpoint.monitor must be one of loss, accuracy, val_loss, val_accuracy, got 'val_surest': nobody"
    assert words in str(problem)


def test_outputs_of_batches_of_other_lengths_stay_as_long_as_they_are():
    pieces = [{"a": np.zeros((2, 3)), "b": np.ones(2)}, {"a": np.full((1, 5), np.nan), "b": np.ones(1)}]
    found = joined(pieces)
    assert [len(row) for row in found["a"]] == [3, 3, 5]
    assert found["b"].tolist() == [1, 1, 1]
    assert finite(found).tolist() == [True, True, False]
    assert joined([np.zeros((2, 3)), np.ones((1, 3))]).shape == (3, 3)


class Choosy:
    """A task of some options."""

    options = {"threshold": float, "most": int, "embedding": bool, "words": str}
    no_option = "it has none"


def test_options_are_those_of_the_task_and_of_their_types():
    found = options.parsed(Choosy, {"threshold": "0.5", "most": 3, "embedding": "true", "words": "a"})
    assert found == {"threshold": 0.5, "most": 3, "embedding": True, "words": "a"}
    assert options.chosen(Choosy, {**found, "top_k": 1, "probabilities": False}) == found
    with pytest.raises(Exception, match="--top-k: it has none"):
        options.chosen(Choosy, {"top_k": 2})
    for name, value in (("threshold", "a"), ("most", 0), ("most", True), ("embedding", 3)):
        with pytest.raises(ValueError, match=f"^{name} must be"):
            options.parsed(Choosy, {name: value})
