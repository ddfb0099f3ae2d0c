import pytest

from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError
from dltrain.tasks.classification import Classification

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


def test_what_mixes_examples_comes_last_and_needs_targets_that_can_be_mixed(tmp_path, monkeypatch):
    path = tmp_path / "mixed.yaml"
    path.write_text(CONFIG + "augment: [{name: flip}, {name: mixup}, {name: cutmix}]\n")
    experiments.load(path)
    with pytest.raises(ConfigError, match="augment must list mixup last: it mixes examples"):
        experiments.load(path, ["augment=[{name: mixup}, {name: flip}]"])
    monkeypatch.setattr(Classification, "mixes", False)
    with pytest.raises(
        ConfigError, match="augment must not list cutmix: task classification has targets that cannot be mixed"
    ):
        experiments.load(path)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("{name: hue}", r"augment\[0\].* needs images in colour \(3 channels\), got examples of shape \(8, 8, 1\)"),
        ("{name: zoom, scale: [1.5, 0.5]}", r"augment\[0\].scale must be the smallest and the largest value"),
        ("{name: rotate, degrees: 200}", r"augment\[0\].degrees must be a number of at least 0 and at most 180"),
        ("{name: rotate, fill: 300}", r"augment\[0\].fill must be a number of at least 0 and at most 255 or nearest"),
        ("{name: mixup, alpha: 0}", r"augment\[0\].alpha must be a number above 0"),
    ],
)
def test_augmentations_that_cannot_be_are_refused_at_their_line(tmp_path, block, words):
    path = tmp_path / "wrong.yaml"
    path.write_text(CONFIG + f"augment:\n  - {block}\n")
    with pytest.raises(ConfigError, match=rf"wrong.yaml:7:\d+: {words}"):
        experiments.load(path)
