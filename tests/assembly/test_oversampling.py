"""train.oversample: as many examples of each class in an epoch, and nothing else changes."""

import numpy as np
import pytest
from specs import data_spec

from dltrain.assembly.batches import training_order
from dltrain.assembly.oversampling import epoch_positions
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.data import Split
from dltrain.engine.device import start
from dltrain.errors import ConfigError
from dltrain.inference import evaluation
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.resume import Resume

CONFIG = """
dataset: {name: npz, path: data.npz, test_fraction: 0.0, validation_fraction: 0.0}
model: {name: mlp, units: [4]}
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 2, batch_size: 9, oversample: true}
"""
LABELS = np.repeat([0, 1, 2], [18, 5, 1])
SPEC = data_spec((3,), ("a", "b", "c"))


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "data.npz", x=np.random.RandomState(0).rand(24, 3), y=LABELS)
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path / "small.yaml"


def test_an_epoch_has_as_many_examples_of_each_class(tensorflow, path):
    experiment = experiments.load(path).experiment
    split = Split(np.zeros((24, 3), np.float32), LABELS.astype(np.int32))
    order = training_order(experiment, SPEC, split, start("cpu", "float32", False))
    assert order.steps_per_epoch == 6
    seen = np.concatenate([order.positions(tensorflow.constant(step, tensorflow.int64)) for step in range(6)])
    times = np.bincount(seen, minlength=24)
    assert list(np.bincount(LABELS[seen])) == [18, 18, 18]
    assert set(times[:18]) == {1}
    assert set(times[18:23]) == {3, 4}
    assert times[23] == 18


def test_a_run_trains_evaluates_and_goes_on_with_the_real_examples(tensorflow, path, tmp_path):
    reporter = Reporter(quiet=True)
    summary = trainer.fit(experiments.load(path), reporter, tmp_path / "runs")
    assert summary["steps"] == 12
    run = Run(tmp_path / summary["run"])
    assert evaluation.evaluate(run, "train", "last", reporter)["examples"] == 24
    longer = trainer.fit(experiments.load(path, ["train.epochs=3"]), reporter, tmp_path / "runs", Resume(run))
    straight = trainer.fit(experiments.load(path, ["train.epochs=3"]), reporter, tmp_path / "others")
    assert longer["steps"] == straight["steps"] == 18
    assert run.read_metrics()[2]["loss"] == Run(tmp_path / straight["run"]).read_metrics()[2]["loss"]


def test_all_examples_are_drawn_once_where_it_is_off(path):
    experiment = experiments.load(path, ["train.oversample=false"]).experiment
    assert epoch_positions(experiment, SPEC, Split(np.zeros((24, 3)), LABELS)) is None


def test_numbers_cannot_be_evened_out(tensorflow, path, tmp_path):
    config = experiments.load(path, ["dataset.name=diabetes"])
    with pytest.raises(ConfigError, match="train.oversample must be false: oversampling needs one class per example"):
        trainer.fit(config, Reporter(quiet=True), tmp_path / "runs")


def test_counting_rare_classes_twice_is_refused(path):
    with pytest.raises(
        ConfigError, match=r"small.yaml:5.*oversample must not be true together with task.class_weights"
    ):
        experiments.load(path, ["task.name=classification", "task.class_weights=balanced"])
