"""Stages of a run: which layers are trained, at what rate, on images of what size."""

import csv
from pathlib import Path

import numpy as np
import pytest
from specs import data_spec

from dltrain.assembly.progressive_resizing import resizing
from dltrain.checkpoints import store
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.data import Batch
from dltrain.errors import ConfigError, Interrupted
from dltrain.inference import evaluation
from dltrain.lazy import keras
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.finiteness import NotFinite
from dltrain.training.loop import Loop
from dltrain.training.resume import Resume

CONFIG = """
dataset: {name: synthetic, shape: [8, 8, 1], num_classes: 3, train_examples: 64, validation_examples: 16}
model:
  name: cnn
  stages: [{filters: 4, batch_normalization: after, pool: max}, {filters: 6, pool: global_average}]
  dense: [8]
  dense_dropout: 0.3
optimizer: {name: adam, learning_rate: 0.01, ema_momentum: 0.75}
schedule: {name: cosine}
train: {epochs: 4, batch_size: 32}
stages:
  - {epochs: 1, train_from: head}
  - {epochs: 1, train_from: dense*, learning_rate: 0.004}
  - {freeze_batch_normalization: true}
checkpoint: {every_steps: 1, keep: 99}
"""
SMALLER = "stages=[{epochs: 2, image_size: 4}, {}]"


@pytest.fixture
def path(tensorflow, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def whole(tensorflow, tmp_path_factory):
    """A run of the config, to look at."""
    path = tmp_path_factory.mktemp("whole") / "small.yaml"
    path.write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "report_at_end", lambda *_: None)
        return fit(path)


def fit(path, *overrides, resumed=None):
    config = experiments.load(path, list(overrides))
    return Run(Path(trainer.fit(config, Reporter(quiet=True), path.parent / "runs", Resume(resumed))["run"]))


def rows(run):
    with run.metrics.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def weights(run, step):
    """Returns the model's arrays after a step, by the layer that they are of."""
    spec = experiments.load(run.config).experiment.dataset.spec()
    model = experiments.load(run.config).build_model(spec)
    arrays = store.load_step(run, step).arrays
    named = store.named_variables(model=model.variables)
    return {variable.path: arrays[name] for name, variable in named.items() if "seed" not in variable.path}


def changed(run, first, last):
    """Returns the layers of which something is other after a step than after one before it."""
    before, after = weights(run, first), weights(run, last)
    return {path.split("/")[0] for path in before if not np.array_equal(before[path], after[path])}


def test_each_stage_trains_its_layers_alone_at_its_own_rate(whole):
    convolutions = {"stage1_convolution", "stage2_convolution"}
    assert changed(whole, 1, 2) == {"logits"}
    assert changed(whole, 2, 4) == {"dense1", "logits"}
    assert changed(whole, 4, 8) == convolutions | {"dense1", "logits"}  # and not the normalisation
    at = [int(row["step"]) - 1 for row in rows(whole)]
    shares = [0.5 + 0.5 * np.cos(np.pi * step / 8) for step in at]
    peaks = [0.01, 0.004, 0.01, 0.01]
    rates = [float(row["learning_rate"]) for row in rows(whole)]
    np.testing.assert_allclose(rates, np.multiply(peaks, shares), rtol=1e-5)


def test_the_optimizer_moves_at_the_rate_that_the_table_shows(path):
    rate = 0.0625
    stages = f"stages=[{{epochs: 1}}, {{learning_rate: {rate}}}]"
    sgd = "optimizer={name: sgd, learning_rate: 1e-30, momentum: 0}"
    run = fit(path, sgd, stages, "schedule={name: step, drop_at_epochs: [3], factor: 0.5}")
    saved = [store.load_step(run, step).arrays for step in (5, 6, 7)]
    bias = [name for name in saved[0] if name.startswith("model/")][-1]
    steps = [np.abs(after[bias] - before[bias]).max() for before, after in zip(saved, saved[1:], strict=False)]
    assert 0 < steps[1] < 0.75 * steps[0]  # the drop comes after epoch 3 of the run, not of the stage
    assert rows(run)[2]["learning_rate"] == str(rate)


@pytest.mark.parametrize("step", [1, 2, 4, 7])
def test_a_run_cut_in_or_between_stages_ends_with_the_same_bits(whole, path, killed_after, step):
    with killed_after(step):
        fit(path)
    cut = Run(path.parent / "runs" / "small-001")
    fit(path, resumed=cut)
    one, other = (store.load(run, "last").arrays for run in (whole, cut))
    assert [name for name in one.keys() | other.keys() if not np.array_equal(one.get(name), other.get(name))] == []
    assert rows(whole) == rows(cut)


def test_a_run_stopped_where_a_stage_begins_goes_on_in_that_stage(whole, path, monkeypatch):
    enter = Loop._enter

    def stop_then(self, number):
        enter(self, number)
        self._train_epoch = lambda *_: None  # as if the signal came before its first step

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Loop, "_enter", stop_then)
        fit(path)
    stopped = Run(path.parent / "runs" / "small-001")
    assert store.load(stopped, "last").state["stage"] == 1
    fit(path, resumed=stopped)
    one, other = (store.load(run, "last").arrays for run in (whole, stopped))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_loss_that_is_not_finite_sends_a_run_back_into_the_stage_before(path, capsys):
    config = experiments.load(
        path, ["stages=[{epochs: 2, train_from: head}, {learning_rate: 1e38}]", "optimizer={name: sgd}"]
        + ["train.on_nan=restore", "train.max_restores=2", "checkpoint={every_epochs: 1, keep: 9}"]
    )  # fmt: skip
    with pytest.raises(NotFinite, match="returned to a checkpoint 2 times"):
        trainer.fit(config, Reporter(), path.parent / "runs")
    said = capsys.readouterr().err
    assert "returned to the state after step 4" in said
    assert "returned to the state after step 2" in said
    assert said.count("stage 2/2") == 3


def test_early_stopping_waits_for_the_last_stage(path):
    run = fit(path, "early_stopping={patience: 1, min_delta: 99}", "train.epochs=9")
    assert [row["epoch"] for row in rows(run)] == ["1", "2", "3", "4"]


def test_a_network_is_trained_on_smaller_images_and_measured_on_whole_ones(path):
    run = fit(path, SMALLER)
    assert keras.models.load_model(run.model).input_shape == (None, 8, 8, 1)
    best = evaluation.evaluate(run, "validation", "best", Reporter(quiet=True))["metrics"]
    epoch = run.read_summary()["best"]["epoch"]
    assert best["loss"] == pytest.approx(float(rows(run)[epoch - 1]["val_loss"]), rel=1e-5)


def test_what_a_stage_of_smaller_images_learns_is_the_network_s(path, killed_after):
    whole = fit(path, SMALLER, "augment=[{name: pad_and_crop, padding: 1}]", "model.freeze=[stage1_convolution]")
    assert changed(whole, 1, 4) >= {"stage1_normalization", "stage2_convolution", "dense1", "logits"}
    assert "stage1_convolution" not in changed(whole, 1, 8)
    with killed_after(3):
        fit(path, SMALLER, "augment=[{name: pad_and_crop, padding: 1}]", "model.freeze=[stage1_convolution]")
    cut = Run(path.parent / "runs" / "small-002")
    fit(cut.config, resumed=cut)
    one, other = (store.load(run, "last").arrays for run in (whole, cut))
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert rows(whole) == rows(cut)


def test_a_pixel_of_a_shrunk_image_is_the_mean_of_its_area(tensorflow):
    images = np.random.RandomState(0).randint(0, 256, (2, 6, 3, 1)).astype(np.float32)
    spec = data_spec((6, 3, 1), ("a", "b"))
    (shrink,) = resizing(spec, data_spec((3, 2, 1), ("a", "b")))
    pairs = images.reshape(2, 3, 2, 3, 1).mean(axis=2)
    wanted = np.stack([pairs[:, :, 0] * 2 + pairs[:, :, 1], pairs[:, :, 1] + pairs[:, :, 2] * 2], axis=2) / 3
    np.testing.assert_allclose(shrink(Batch(images, None), None).inputs, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stages=[{}, {}]", "stages[0].epochs is missing"),
        ("stages=[{epochs: 1}, {epochs: 3}]", "stages[1].epochs must be left out"),
        ("stages=[{epochs: 4}, {}]", "must leave epochs for the last stage: the stages before it take 4 of 4"),
        ("train={steps: 8}", "train.epochs must set the length of a run with stages, not train.steps"),
        ("stages=[{epochs: 1}, {train_from: dense9}]", "stages[1].train_from must be the name of a layer"),
        ("stages=[{epochs: 1, image_size: 9}, {}]", "stages[0].image_size must be at most that of the images, 8 x 8"),
        ("stages=[{epochs: 1}, {image_size: 4}]", "stages[1].image_size must be none"),
        ("stages=[{epochs: 1, image_size: 1}, {}]", "stages[0].image_size is too small"),
        ("model.freeze=[dense1, logits]", "stages[0].train_from must leave something to train"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_stage_is_said_before_training(path, override, message):
    with pytest.raises(ConfigError) as refused:
        fit(path, override)
    assert message in str(refused.value)
    assert "small.yaml:" in str(refused.value) or "argument" in str(refused.value)
    assert not (path.parent / "runs").exists()


def test_all_that_is_wrong_with_an_experiment_as_a_whole_is_said_at_once(path):
    with pytest.raises(ConfigError) as refused:
        fit(path, "stages=[{}, {epochs: 3, image_size: 4}]", "device=gpu:x", "name=a/b")
    for words in ("stages[0].epochs is missing", "stages[1].epochs must be", "stages[1].image_size", "device", "name"):
        assert words in str(refused.value)


def test_a_network_whose_weights_depend_on_the_size_takes_one_size(path):
    with pytest.raises(ConfigError, match=r"stages\[0\].image_size must be none: .*weights depend on the image size"):
        fit(path, SMALLER, "model={name: mlp, units: [4]}")


def test_stages_that_change_are_another_run(path):
    from dltrain.config import changes

    config = experiments.load(path, ["stages=[{epochs: 1}, {}]"])
    sorted_changes = changes.classify(experiments.load(path).experiment, config.experiment)
    assert sorted_changes.refused == ("stages",)
