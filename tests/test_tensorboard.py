import pytest

from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.progress import Reporter

CONFIG = """
dataset: {name: iris}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.01}
train: {epochs: 2, batch_size: 16}
callbacks: [{name: tensorboard, histogram_epochs: 1}]
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path / "small.yaml"


def test_without_tensorboard_the_extra_is_named_before_anything_starts(path, monkeypatch):
    monkeypatch.setattr("dltrain.callbacks.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs TensorBoard: pip install 'dltrain\[tensorboard\]'"):
        experiments.load(path)


def test_tensorboard_finds_each_epoch_in_the_runs_folder(tensorflow, path, tmp_path):
    pytest.importorskip("tensorboard")
    summary = trainer.fit(experiments.load(path), Reporter(quiet=True), tmp_path / "runs")
    files = list((Run(tmp_path / summary["run"]).path / "tensorboard").rglob("events.*"))
    assert files
    tags = set()
    for file in files:
        for record in tensorflow.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tensorflow.compat.v1.Event.FromString(record)
            tags |= {(value.tag, event.step) for value in event.summary.value}
    assert {("epoch_loss", 0), ("epoch_loss", 1), ("epoch_accuracy", 1)} <= tags
