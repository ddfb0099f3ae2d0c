import pytest

from dltrain.config import experiment as experiments

CONFIG = """
dataset: {name: digits}
model: {name: mlp, units: [16]}
optimizer: {name: sgd}
train: {epochs: 1}
"""


@pytest.mark.parametrize(
    ("file", "name"), [("my net.yaml", "my-net"), ("none.yaml", "run"), ("null.yaml", "null"), ("_.yaml", "run")]
)
def test_an_experiment_is_named_as_its_file_and_reads_back(tmp_path, file, name):
    path = tmp_path / file
    path.write_text(CONFIG)
    experiment = experiments.load(path).experiment
    assert experiment.name == name
    (tmp_path / "config.yaml").write_text(experiments.dump(experiment))
    assert experiments.load(tmp_path / "config.yaml").experiment == experiment
