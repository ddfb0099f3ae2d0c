"""Whether more or less of a metric is better is what its class, or its block, says, in all that goes by it."""

import json
from pathlib import Path

import pytest

from dltrain.config import experiment as experiments
from dltrain.config.tuning import Parameter, Tune
from dltrain.console import Reporter
from dltrain.plugins import loading
from dltrain.runs.folder import Run
from dltrain.runs.listing import entry
from dltrain.runs.selection import order
from dltrain.training import trainer
from dltrain.tuning.study import Study

CONFIG = """
plugins: [sides.py]
dataset: {name: synthetic, shape: [4], num_classes: 2, train_examples: 64, validation_examples: 32, test_examples: 8}
model: {name: mlp, units: []}
task: {name: classification, metrics: [METRIC, accuracy]}
optimizer: {name: sgd, learning_rate: 0.02}
schedule: {name: plateau, monitor: val_COLUMN, patience: 1}
early_stopping: {monitor: val_COLUMN, patience: 1}
train: {epochs: 4, batch_size: 16}
report: false
"""
PLUGIN = """
import keras
from dltrain.registry import METRICS


def distance(labels, logits):
    '''How far the probability of the right class is from 1, (batch,): it falls while the network learns.'''
    chosen = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), 2)
    return 1.0 - keras.ops.sum(chosen * keras.ops.softmax(logits), axis=-1)


class Distance(keras.metrics.MeanMetricWrapper):
    larger_is_better = False

    def __init__(self, name="distance"):
        super().__init__(distance, name=name)


class Sided(keras.metrics.MeanMetricWrapper):
    def __init__(self, larger_is_better: bool = True, name="sided"):
        super().__init__(distance, name=name)


@METRICS.register("plain")
class Plain:
    '''Of a class of dltrain's own kind.'''

    larger_is_better = False

    def build(self):
        return keras.metrics.MeanMetricWrapper(distance)


@METRICS.register("keyed")
class Keyed:
    '''The same with a key.

    Args:
        larger_is_better: whether more is better.
    '''

    larger_is_better: bool = True

    def build(self):
        return keras.metrics.MeanMetricWrapper(distance)


@METRICS.register("unsaid")
class Unsaid:
    '''More is better where nothing is said.'''

    def build(self):
        return keras.metrics.MeanMetricWrapper(lambda labels, logits: 1.0 - distance(labels, logits))
"""
SMALLER = {
    "a class of Keras's": ("{name: sides.Distance}", "Distance"),
    "a key of a class of Keras's": ("{name: sides.Sided, larger_is_better: false}", "Sided"),
    "a registered class": ("{name: plain}", "plain"),
    "a key of a registered class": ("{name: keyed, larger_is_better: false}", "keyed"),
}
LARGER = {
    "a key of a class of Keras's, by default": ("{name: sides.Sided}", "Sided"),
    "a key of a registered class, by default": ("{name: keyed}", "keyed"),
    "nothing": ("{name: unsaid}", "unsaid"),
}


@pytest.fixture
def load(tensorflow, tmp_path):
    """Returns a function that loads the config with a metric."""
    loading.trusts_all = True
    (tmp_path / "sides.py").write_text(PLUGIN)

    def load(block, column):
        path = tmp_path / f"{column.lower()}.yaml"
        path.write_text(CONFIG.replace("METRIC", block).replace("COLUMN", column))
        return experiments.load(path)

    return load


@pytest.mark.parametrize("name", [*SMALLER, *LARGER])
def test_a_task_says_what_the_metric_says(load, name):
    block, column = (SMALLER | LARGER)[name]
    task = load(block, column).experiment.task
    assert task.larger_is_better(f"val_{column}") is task.larger_is_better(column) is (name in LARGER)


@pytest.mark.parametrize("name", ["a key of a class of Keras's", "a registered class"])
def test_the_smallest_is_the_best_epoch_and_falling_is_getting_better(load, tmp_path, name):
    block, column = SMALLER[name]
    config = load(block, column)
    search = Study(
        tmp_path,
        config.experiment,
        Tune(trials=1, space={"optimizer.learning_rate": Parameter(choices=(0.1, 0.2))}),
        f"val_{column}",
    )
    assert not search.larger_is_better
    run = Run(Path(trainer.fit(config, Reporter(quiet=True), tmp_path / "runs")["run"]))
    rows = run.read_metrics()
    values = [float(row[f"val_{column}"]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert len(rows) == 4
    assert {row["learning_rate"] for row in rows} == {"0.02"}
    found = entry(run)
    assert found.best == {"monitor": f"val_{column}", "value": min(values), "epoch": 4}
    assert run.read_summary()["larger_is_better"] == {"loss": False, column: False, "accuracy": True}
    run.summary.write_text(run.summary.read_text().replace('"finished"', '"running"'))
    assert entry(run).best["epoch"] == 4


def test_runs_are_sorted_as_a_run_says_that_says_it(make_run):
    for number, value in enumerate((0.3, 0.1, 0.2), 1):
        run = make_run(f"a-{number:03d}")
        summary = run.read_summary() | {"test": {"mine": value}}
        if number == 1:
            summary |= {"larger_is_better": {"mine": False}}
        run.summary.write_text(json.dumps(summary))
    found = [entry(Run(run.path.parent / f"a-{number:03d}")) for number in (1, 2, 3)]
    assert [each.summary["test"]["mine"] for each in order(found, "test.mine")] == [0.1, 0.2, 0.3]
