"""What does not fit is found before the first step, all of it at once."""

import dataclasses

import numpy as np
import pytest

from dltrain.assembly.contract import contract_problems
from dltrain.assembly.network import assemble
from dltrain.config import experiment as experiments
from dltrain.engine.device import Devices
from dltrain.errors import ConfigError
from dltrain.registry import AUGMENTATIONS, MODELS

CONFIG = """
dataset: {name: digits}
model: {name: mlp, units: [8]}
optimizer: {name: sgd, learning_rate: 0.05}
train: {epochs: 1, batch_size: 64}
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return lambda *overrides: experiments.load(path, list(overrides))


def test_what_fits_is_left_alone(config):
    assert contract_problems(config(), config().experiment.dataset.load()) == []
    assert contract_problems(config("train.batch_size=auto"), config().experiment.dataset.load()) == []


@pytest.mark.parametrize("label", [-1, 10])
def test_labels_beyond_the_classes_are_named(config, label):
    splits = config().experiment.dataset.load()
    targets = splits.test.targets.copy()
    targets[7] = label
    splits = dataclasses.replace(splits, test=dataclasses.replace(splits.test, targets=targets))
    (problem,) = contract_problems(config(), splits)
    assert problem == f"dataset digits: the test part's labels must be 0 to 9, got {label} at position 7"


def test_targets_of_another_width_are_named(config):
    splits = config().experiment.dataset.load()
    wide = dataclasses.replace(splits.train, targets=np.zeros((len(splits.train), 3), np.float32))
    (problem,) = contract_problems(config(), dataclasses.replace(splits, train=wide))
    assert problem == "dataset digits: the train part's targets must be 10 numbers each, got [3]"


def test_everything_is_said_at_once(config):
    wrong = config(
        "train.batch_size=5000",
        "early_stopping={monitor: val_nothing}",
        "schedule={name: plateau, monitor: nothing}",
    )
    problems = contract_problems(wrong, wrong.experiment.dataset.load())
    assert len(problems) == 3


def test_a_network_of_another_width_is_refused(config, tensorflow, monkeypatch):
    import keras

    chosen = config()

    def build(self, data):
        inputs = data.inputs()
        return keras.Model(inputs, keras.layers.Dense(7)(keras.layers.Flatten()(inputs)))

    monkeypatch.setattr(MODELS["mlp"], "build", build)
    devices = Devices(tensorflow.distribute.get_strategy(), ("cpu",), "cpu")
    with pytest.raises(ConfigError, match=r"model\.name mlp returns \[7\] numbers for an example, the data need 10"):
        assemble(chosen, chosen.experiment.dataset.spec(), devices, 0.1)


@pytest.mark.parametrize(("scale", "shift"), [(1 / 255, 0.0), (1.0, -8.0), (1.1, 0.0)])
def test_float_images_of_another_range_are_refused_where_an_augmentation_reckons_in_grey_levels(config, scale, shift):
    splits = config().experiment.dataset.load()
    images = splits.train.inputs.astype(np.float32) * np.float32(scale) + np.float32(shift)
    changed = dataclasses.replace(splits, train=dataclasses.replace(splits.train, inputs=images))
    (problem,) = contract_problems(config("augment=[{name: flip}, {name: contrast}, {name: mixup}]"), changed)
    assert f"contrast needs images with values in 0-255, got {images.min():.4g} to {images.max():.4g}: store" in str(
        problem
    )
    assert (
        contract_problems(
            config("augment=[{name: flip}, {name: pad_and_crop}, {name: cutmix}, {name: mixup}]"), changed
        )
        == []
    )


def test_every_augmentation_says_whether_it_reckons_in_grey_levels():
    anything = {name for name in AUGMENTATIONS.names() if not AUGMENTATIONS[name].in_pixel_range}
    assert anything == {"flip", "pad_and_crop", "mixup", "cutmix"}
