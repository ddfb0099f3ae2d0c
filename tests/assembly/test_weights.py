"""Sample weights say how much an example counts beside the others, not how large a step is."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from specs import split_of

from dltrain.assembly.batches import weight_means, weighted
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.runs.folder import Run
from dltrain.training import trainer

CONFIG = """
dataset: {name: csv, path: a.csv, target: kind, weight: w, test_fraction: 0, validation_fraction: 0.25}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.1}
train: {epochs: 2, batch_size: 8}
report: false
"""


@pytest.fixture
def fit(tensorflow, tmp_path):
    """Returns a function that trains on weights of some scale, and returns the run and its losses."""

    def fit(scale, *overrides):
        random = np.random.RandomState(0)
        rows = [[random.standard_normal(), row % 2, scale * (1 + row % 3)] for row in range(40)]
        with (tmp_path / "a.csv").open("w") as file:
            csv.writer(file).writerows([["x", "kind", "w"], *rows])
        (tmp_path / "small.yaml").write_text(CONFIG)
        config = experiments.load(tmp_path / "small.yaml", list(overrides))
        run = Run(Path(trainer.fit(config, Reporter(quiet=True), tmp_path / "runs")["run"]))
        return run, [float(row["loss"]) for row in run.read_metrics()]

    return fit


def test_the_scale_of_weights_changes_nothing_but_is_said(fit):
    run, losses = fit(4096.0)
    assert losses == pytest.approx(fit(1.0)[1], rel=1e-5)
    assert losses[0] < 2
    log = run.log.read_text()
    assert "sample weights are divided by their mean over the train part, " in log
    assert "train.normalize_weights=false" in log
    assert "normalize_weights: true" in run.config.read_text()


def test_weights_are_taken_as_they_are_where_that_is_asked_for(fit):
    run, losses = fit(64.0, "train.normalize_weights=false", "optimizer.learning_rate=1e-9")
    assert losses[0] == pytest.approx(
        fit(1.0, "train.normalize_weights=false", "optimizer.learning_rate=1e-9")[1][0] * 64
    )
    assert "sample weights" not in run.log.read_text()


@dataclasses.dataclass
class Chosen:
    """An experiment, as far as weights go."""

    normalize_weights: bool = True

    @property
    def train(self):
        return self


def test_weights_by_target_are_each_divided_and_those_of_mean_1_or_0_stay():
    arrays = {"a": [2.0, 4.0], "b": [0.5, 1.5], "c": [0.0, 0.0]}
    weights = {name: np.array(values, np.float32) for name, values in arrays.items()}
    part = dataclasses.replace(split_of(np.zeros(2, np.int32)), weights=weights)
    means = weight_means(Chosen(), part)
    assert means == {"a": 3.0}
    found = weighted(part, means).weights
    np.testing.assert_allclose(found["a"], [2 / 3, 4 / 3])
    assert found["b"].tolist() == [0.5, 1.5]
    assert weight_means(Chosen(False), part) == {}
    assert weighted(part, {}) is part
    assert weight_means(Chosen(), split_of(np.zeros(2, np.int32))) == {}
