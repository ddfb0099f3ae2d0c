"""`dltrain bench`: what it reports, and that operations are counted right. Never a timing."""

import json

import pytest

from dltrain.config import experiment
from dltrain.training import bench
from dltrain.training.loop import Training
from dltrain.training.progress import Reporter
from dltrain.training.setup import load, start


def config_for(tmp_path, shape, model, **dataset):
    path = tmp_path / "bench.yaml"
    sizes = {"train_examples": 64, "validation_examples": 0, "test_examples": 0, "num_classes": 10}
    path.write_text(
        json.dumps(
            {
                "dataset": {"name": "synthetic", "shape": shape, **sizes, **dataset},
                "model": model,
                "optimizer": {"name": "adam"},
                "train": {"epochs": 1, "batch_size": 16},
            }
        )
    )
    return experiment.load(path)


@pytest.mark.parametrize(
    ("shape", "model", "operations"),
    [
        # Two operations per weight: forward, for the weights, and but for the first layer for its input.
        ([20], {"name": "mlp", "units": [30]}, 2 * (2 * 20 * 30 + 3 * 30 * 10)),
        (
            [8, 8, 3],
            {"name": "cnn", "stages": [{"filters": 4, "pool": "max"}, {"filters": 6}], "dense": []},
            2 * (2 * 64 * 9 * 3 * 4 + 3 * 16 * 9 * 4 * 6 + 3 * 96 * 10),
        ),
        (
            [8, 8, 3],
            {"name": "cnn", "stages": [{"filters": 4, "convolution": "separable"}], "dense": []},
            2 * (2 * 64 * 9 * 3 + 3 * 64 * 3 * 4 + 3 * 256 * 10),
        ),
    ],
)
def test_operations_are_those_of_the_layers(tensorflow, tmp_path, shape, model, operations):
    config, reporter = config_for(tmp_path, shape, model), Reporter(quiet=True)
    training = Training(config, load(config), start(config, reporter), reporter)
    assert bench._operations(training, bench._sample(training)) == 16 * operations


def test_it_says_where_the_time_goes(tensorflow, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "ROUNDS", 2)
    monkeypatch.setattr(bench, "ROUND_SECONDS", 0.01)
    found = bench.bench(config_for(tmp_path, [20], {"name": "mlp"}), Reporter(quiet=True))
    times = found["milliseconds"]
    assert set(times) == {"step", "input", "forward", "backward", "update", "wait"}
    assert times["wait"] == 0  # the examples are on the device
    assert found["examples_per_second"] == pytest.approx(16 / times["step"] * 1e3)
    assert 0 < found["products"]["share"] < 1
    assert found["keras"]["ratio"] == pytest.approx(
        found["examples_per_second"] / found["keras"]["examples_per_second"]
    )
    assert found["bound_by"] in ("input", "compute")
    assert set(found["try"]) <= {"train.batch_size=32"}
