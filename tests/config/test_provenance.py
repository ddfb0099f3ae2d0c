"""Each value of a config has a place that it came from."""

import pytest

from dltrain.config import experiment as experiments
from dltrain.config.provenance import origins, settings

CONFIG = """\
seed: 3
dataset: {name: digits}
model:
  name: cnn
  stages:
    - {filters: 8}
    - {filters: 16,
       kernel_size: 5}
optimizer: {name: sgd, learning_rate: 0.1}
train:
  epochs: 1
"""


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(CONFIG)
    config = experiments.load(tmp_path / "mine.yaml", ["train.epochs=2", "optimizer.momentum=0.9"])
    return {key: (value, place.rpartition("/")[2]) for key, value, place in settings(config, origins(config))}


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("seed", "3", "mine.yaml:1"),
        ("dataset.name", "digits", "mine.yaml:2"),
        ("model.stages[0].filters", "8", "mine.yaml:6"),
        ("model.stages[1].kernel_size", "5", "mine.yaml:8"),
        ("train.epochs", "2", "argument train.epochs=2"),
        ("optimizer.momentum", "0.9", "argument optimizer.momentum=0.9"),
        ("strict", "false", "default"),
        ("early_stopping", "none", "default"),
        ("schedule.name", "constant", "default"),
    ],
)
def test_a_value_is_told_with_its_place(rows, key, value, place):
    assert rows[key] == (value, place)
