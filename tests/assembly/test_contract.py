"""What does not fit is found before the first step, all of it at once."""

import dataclasses

import numpy as np
import pytest
from specs import data_spec

from dltrain.assembly.contract import check_before_loading, contract_problems
from dltrain.assembly.network import assemble
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.engine.device import Devices
from dltrain.errors import ConfigError
from dltrain.registry import AUGMENTATIONS, MODELS, TASKS
from dltrain.training import batch_size
from dltrain.training.batch_size import with_batch_size
from dltrain.training.learner import Learner

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
    of_sounds = {"spec_augment", "speed", "time_shift", "white_noise", "gain"}
    assert anything == {"flip", "pad_and_crop", "mixup", "cutmix"} | of_sounds


WRONG = [
    (["train.batch_size=1296"], "train.batch_size must be at most the 1295 training examples, got 1296"),
    (["train.accumulate_steps=21"], "train.accumulate_steps must be at most 20: "),
    (["train.batch_size=auto", "train.effective_batch_size=1400"], "train.effective_batch_size must be at most"),
    (["schedule={name: cosine, warmup_steps: 20}"], "schedule.warmup_steps must be shorter than the run"),
    (["schedule={name: step, drop_at_epochs: [1]}"], "schedule.drop_at_epochs must be within the run's 20 steps"),
    (["schedule={name: plateau, monitor: nothing}"], "schedule.monitor must be one of loss, accuracy, val_loss"),
    (["early_stopping={monitor: val_loss}", "dataset.validation_fraction=0"], "there are no validation data"),
    (["device=[cpu:0, cpu:1]", "train.batch_size=33"], "train.batch_size must be divisible by the number of devices"),
    (["stages=[{epochs: 1, image_size: 4}, {}]", "train.epochs=2", "model={name: vit, patch_size: 8}"], "image_size"),
]


@pytest.mark.parametrize("metric", ["eer", "min_dcf"])
@pytest.mark.parametrize(
    "path",
    ["early_stopping={monitor: METRIC}", "schedule={name: plateau, monitor: METRIC}", "checkpoint.monitor=METRIC"],
)
def test_what_only_a_whole_part_tells_is_no_column_of_training(config, path, metric):
    task = "task={name: verification, metrics: [eer, min_dcf, accuracy]}"
    check_before_loading(config(task, path.replace("METRIC", f"val_{metric}")))
    with pytest.raises(ConfigError) as refusal:
        check_before_loading(config(task, path.replace("METRIC", metric)))
    words = "monitor must be one of loss, accuracy, val_loss, val_eer, val_min_dcf, val_accuracy, got"
    assert f"{words} {metric!r}" in str(refusal.value)


def test_a_monitor_that_is_undefined_is_refused_with_the_name_of_the_part(config):
    splits = config().experiment.dataset.load()
    once = splits.validation.take(np.unique(splits.validation.targets, return_index=True)[1])
    (problem,) = contract_problems(config("task.name=verification"), dataclasses.replace(splits, validation=once))
    assert "got 'val_eer': the validation part has no two examples of one identity" in str(problem)


def test_a_batch_size_that_is_chosen_is_checked_as_one_that_is_given(config, tensorflow, monkeypatch):
    chosen = config("task={name: verification, loss_function: contrastive, metrics: [eer]}", "train.batch_size=auto")
    devices = Devices(tensorflow.distribute.get_strategy(), ("cpu",), "cpu")
    splits = chosen.experiment.dataset.load()
    assert with_batch_size(chosen, splits, devices, Reporter(quiet=True)).experiment.train.batch_size == 256
    monkeypatch.setattr(batch_size, "_fits_free_memory", lambda build, config: config.experiment.train.batch_size < 4)
    with pytest.raises(ConfigError, match=r"train\.batch_size must be larger on each device than 2, which has too few"):
        with_batch_size(chosen, splits, devices, Reporter(quiet=True))


def test_a_learner_offers_no_column_of_which_neither_more_nor_less_is_better(config, tensorflow, monkeypatch):
    chosen = config("task={name: verification, metrics: [eer, accuracy]}")
    devices = Devices(tensorflow.distribute.get_strategy(), ("cpu",), "cpu")
    monkeypatch.setattr(Learner, "monitor", "val_threshold")
    with pytest.raises(ConfigError) as refusal:
        Learner(chosen, chosen.experiment.dataset.load(), devices, Reporter(quiet=True))
    assert "must be one of loss, accuracy, val_loss, val_accuracy, val_eer, which is" in str(refusal.value)


@pytest.mark.parametrize("name", ["classification", "multilabel"])
def test_what_training_estimates_of_a_whole_part_is_a_column_of_training(tensorflow, name):
    task = TASKS[name](metrics=("auc", "accuracy"))
    assert task.training_names == ["auc", "accuracy"]
    spec = data_spec((4,), ("a", "b", "c"), exclusive=name == "classification")
    assert [metric.name for metric in task.build_metrics(spec)] == ["auc", "accuracy"]


@pytest.mark.parametrize(("overrides", "words"), WRONG, ids=lambda value: str(value)[:40])
def test_what_is_known_before_the_data_are_loaded_is_refused_then(config, overrides, words, monkeypatch):
    wrong = config(*overrides)
    monkeypatch.setattr(type(wrong.experiment.dataset), "load", None)
    with pytest.raises(ConfigError) as refusal:
        check_before_loading(wrong)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["schedule={name: cosine, warmup_epochs: 1}"], "the warm-up takes 1 of 1 epochs"),
        (["schedule={name: cosine, warmup_epochs: 2.5}"], "the warm-up takes 2.5 of 1 epochs"),
        (["train.batch_size=auto", "cluster={workers: [a:1, b:1]}"], "train.batch_size must be a number when several"),
    ],
)
def test_what_is_wrong_whatever_the_data_are_needs_no_data(config, overrides, words):
    with pytest.raises(ConfigError, match=words):
        config(*overrides, "dataset={name: npz, path: nowhere.npz}")


def test_what_fits_is_left_alone_before_the_data_are_loaded(config):
    for overrides in ([], ["train.batch_size=1295"], ["train.batch_size=auto"], ["train.oversample=true"]):
        check_before_loading(config(*overrides))
