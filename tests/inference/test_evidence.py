"""What a report says was measured is what evaluation measures, whatever a task's `inference` returns."""

from pathlib import Path

import pytest

from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.inference import evaluation, evidence
from dltrain.inference.evidence import gather
from dltrain.inference.trained_run import TrainedRun
from dltrain.plugins import loading
from dltrain.runs.folder import Run
from dltrain.training import trainer

PLUGINS = Path(__file__).parents[1] / "plugins"
CONFIG = """
plugins: [{plugins}/beads.py, {plugins}/own_inference.py]
dataset: {{name: {dataset}}}
model: {{name: {model}}}
task: {{name: {task}}}
optimizer: {{name: sgd, learning_rate: 0.1}}
train: {{epochs: 2, batch_size: 8}}
report: false
"""
TASKS = {
    "packed": ("two_clouds", "mlp"),
    "made": ("two_clouds, asks: false", "mlp"),
    "marked": ("beads, examples: 40", "bead_window"),
}


@pytest.mark.parametrize("task", TASKS)
def test_metrics_are_of_the_networks_outputs_and_the_prepared_targets(tensorflow, tmp_path, task):
    loading.trusts_all = True
    dataset, model = TASKS[task]
    path = tmp_path / "own.yaml"
    path.write_text(CONFIG.format(plugins=PLUGINS, dataset=dataset, model=model, task=task))
    config = experiments.load(path)
    run = Run(Path(trainer.fit(config, Reporter(quiet=True), tmp_path / "runs")["run"]))
    measured = evaluation.evaluate(run, "test", "best", Reporter(quiet=True))["metrics"]
    trained = TrainedRun.open(run, "best", Reporter(quiet=True))
    devices, splits = trained.own_data()
    found = gather(config.experiment, trained.network(devices), devices, splits, {})
    assert found.metrics == measured
    assert found.metrics["right"] == run.read_summary()["test"]["right"]
    if task != "marked":
        assert found.metrics["right"] == 1.0
        always, wrong = found.baselines["always high"], found.baselines["always wrong"]
        assert always == {"right": pytest.approx(4 / 9), "surest": pytest.approx(0.5 / (1 + 2.718281828**-3))}
        assert wrong["right"] == 0.0


PAIRS = """
dataset: {name: digits}
model: {name: cnn, stages: [{filters: 4}]}
task: {name: verification}
optimizer: {name: sgd, learning_rate: 0.1}
train: {epochs: 1, batch_size: 64}
report: false
"""


def test_what_a_mistake_was_compared_with_is_not_explained(tensorflow, tmp_path, monkeypatch):
    path = tmp_path / "pairs.yaml"
    path.write_text(PAIRS)
    config = experiments.load(path)
    run = Run(Path(trainer.fit(config, Reporter(quiet=True), tmp_path / "runs")["run"]))
    trained = TrainedRun.open(run, "best", Reporter(quiet=True))
    devices, splits = trained.own_data()
    explained, original = [], evidence.grad_cam
    monkeypatch.setattr(evidence, "grad_cam", lambda *given: explained.append(len(given[3])) or original(*given))
    found = gather(config.experiment, trained.network(devices), devices, splits, {})
    assert len(found.compared) == len(found.wrong) > 0
    assert sum(explained) == len(found.wrong) + len(found.right)
    assert all(example.weights is not None for example in found.wrong)
    assert all(example.weights is None for example in found.compared)
