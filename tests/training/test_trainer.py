"""Whole runs: the folder they leave, repeating them, going on with them, stopping them."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from dltrain.assembly import network
from dltrain.checkpoints import store
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.diagnostics import rehearsal
from dltrain.engine import feeds
from dltrain.engine.compiled_loop import Engine
from dltrain.errors import CheckpointError, ConfigError, DataError, Interrupted, RunError, TrainingError
from dltrain.inference import evaluation
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.signals import StopRequest
from dltrain.training import trainer
from dltrain.training.loop import Loop
from dltrain.training.resume import Resume

CONFIG = """
dataset: {name: digits, validation_fraction: 0.1}
model: {name: mlp, units: [32], dropout: 0.3}
optimizer: {name: sgd, learning_rate: 0.05, momentum: 0.9}
train: {epochs: 4, batch_size: 64}
"""


@pytest.fixture
def config_path(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


def fit(path, *overrides, resumed=None):
    """Runs `fit` in this process; returns the run."""
    config = experiments.load(path, list(overrides))
    summary = trainer.fit(config, Reporter(quiet=True), path.parent / "runs", Resume(resumed))
    return Run(Path(summary["run"]))


def rows(run):
    """metrics.csv without its times."""
    with run.metrics.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def variables(run, name="last"):
    return store.load(run, name).arrays


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[key], second[key]) for key in first)


def test_a_run_leaves_the_folder_that_is_promised(tensorflow, config_path):
    run = fit(config_path)
    names = {path.name for path in run.path.iterdir()}
    assert names == {
        "config.yaml",
        "environment.json",
        "metrics.csv",
        "summary.json",
        "checkpoints",
        "model.keras",
        "log.txt",
        ".lock",
    }
    assert {path.name for path in run.checkpoints.iterdir()} >= {"best.npz", "last.npz"}
    assert list(rows(run)[0]) == ["epoch", "step", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [row["epoch"] for row in rows(run)] == ["1", "2", "3", "4"]
    summary = run.read_summary()
    assert summary["status"] == "finished"
    assert summary["epochs"] == 4
    assert summary["parameters"] == 64 * 32 + 32 + 32 * 10 + 10
    assert summary["best"]["value"] == max(float(row["val_accuracy"]) for row in rows(run))
    assert summary["validation"]["accuracy"] == pytest.approx(summary["best"]["value"], abs=1e-6)
    assert "epoch 4/4" in run.log.read_text()
    assert json.loads(run.environment.read_text())["tensorflow"] == tensorflow.__version__


def test_the_written_config_repeats_the_run(tensorflow, config_path):
    first = fit(config_path, "train.epochs=2")
    second = fit(first.config)
    assert rows(second) == rows(first)
    assert same(variables(first), variables(second))


def test_data_too_large_for_the_device_train_to_the_same_weights(tensorflow, config_path, monkeypatch):
    settings = ("train.epochs=2", "augment=[{name: pad_and_crop, padding: 1}, {name: flip}]")
    settings += ("task={name: classification, class_weights: balanced, label_smoothing: 0.1}",)
    resident = fit(config_path, *settings)
    monkeypatch.setattr(feeds, "RESIDENT_BYTES", 0)
    streamed = fit(config_path, *settings)
    assert rows(streamed) == rows(resident)
    assert same(variables(streamed), variables(resident))


def test_a_profile_tells_the_operations_and_changes_nothing(tensorflow, config_path):
    run, config = fit(config_path), experiments.load(config_path)
    summary = trainer.fit(config, Reporter(quiet=True), config_path.parent / "runs", profile=True)
    profiled = Run(Path(summary["run"]))
    assert list(profiled.profile.rglob("*.xplane.pb"))
    assert "MatMul" in profiled.log.read_text()
    assert same(variables(run), variables(profiled))


def test_a_run_in_another_thread_is_the_same_run(tensorflow, config_path):
    runs = []
    thread = threading.Thread(target=lambda: runs.append(fit(config_path, "train.epochs=1")), daemon=True)
    thread.start()
    thread.join(timeout=120)
    assert not thread.is_alive()
    assert same(variables(runs[0]), variables(fit(config_path, "train.epochs=1")))


def test_another_seed_is_another_run(tensorflow, config_path):
    assert rows(fit(config_path, "train.epochs=1", "seed=1")) != rows(fit(config_path, "train.epochs=1"))


def test_eval_repeats_what_the_summary_says_and_so_does_the_exported_model(tensorflow, config_path):
    import keras

    run = fit(config_path, "train.epochs=2")
    summary = run.read_summary()
    for split in ("validation", "test"):
        assert evaluation.evaluate(run, split, "best", Reporter(quiet=True))["metrics"] == summary[split]
    model = keras.models.load_model(run.model)
    test = experiments.load(run.config).experiment.dataset.load().test
    accuracy = np.mean(np.argmax(model.predict(test.inputs, verbose=0), axis=1) == test.targets)
    assert accuracy == pytest.approx(summary["test"]["accuracy"], abs=1e-6)


def test_the_exported_model_has_kerass_own_layers_whatever_it_was_trained_with(tensorflow, config_path):
    import keras

    path = config_path.with_name("cnn.yaml")
    network = "{name: cnn, stages: [{filters: 4, batch_normalization: before, pool: max}], dense: []}"
    path.write_text(CONFIG.replace("{name: mlp, units: [32], dropout: 0.3}", network))
    run = fit(path, "train.epochs=1")
    model = keras.models.load_model(run.model)
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    test = experiments.load(run.config).experiment.dataset.load().test
    accuracy = np.mean(np.argmax(model.predict(test.inputs, verbose=0), axis=1) == test.targets)
    assert accuracy == pytest.approx(run.read_summary()["test"]["accuracy"], abs=1e-6)


@pytest.mark.parametrize("stop_at", [1, 10, 40, 41, 80])
def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(tensorflow, config_path, monkeypatch, stop_at):
    """20 steps an epoch: in the first epoch, in one, at one's end, after the first of one, at the end of the last."""
    whole = fit(config_path)

    def stopping(self, *arguments, original=StopRequest.__bool__):
        if self.exit_code is None and current.state.step >= stop_at:
            self.exit_code = 130
        return original(self)

    original_init = Loop.__init__

    def remember(self, *arguments, **settings):
        nonlocal current
        original_init(self, *arguments, **settings)
        self.speed.next_count = 1
        current = self.learner

    current = None
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__bool__", stopping)
        patch.setattr(Loop, "__init__", remember)
        with pytest.raises(Interrupted) as caught:
            fit(config_path)
    assert caught.value.exit_code == 130
    stopped = folder.find("small", config_path.parent / "runs")
    assert stopped.read_summary()["status"] == "interrupted"
    assert stopped.read_summary().keys() == whole.read_summary().keys()
    assert store.load(stopped, "best").state["step"] > 0
    fit(stopped.config, resumed=stopped)
    assert rows(stopped) == rows(whole)
    assert same(variables(stopped), variables(whole))
    assert same(variables(stopped, "best"), variables(whole, "best"))
    assert stopped.read_summary()["test"] == whole.read_summary()["test"]


def test_a_finished_run_has_nothing_left_and_more_epochs_go_on(tensorflow, config_path):
    run = fit(config_path, "train.epochs=1")
    before = run.metrics.read_bytes()
    fit(run.config, resumed=run)
    assert run.metrics.read_bytes() == before
    assert "to train further, add train.epochs=N\n" in run.log.read_text()
    fit(run.config, "train.epochs=2", resumed=run)
    assert [row["epoch"] for row in rows(run)] == ["1", "2"]
    assert rows(run) == rows(fit(config_path, "train.epochs=2"))


def test_a_run_whose_metrics_were_edited_is_refused_and_left_as_it_is(tensorflow, config_path):
    run = fit(config_path, "train.epochs=1")
    run.metrics.write_text(run.metrics.read_text().replace(",", ";"))
    before = run.summary.read_bytes(), run.config.read_bytes()
    with pytest.raises(RunError, match=r"metrics\.csv:2"):
        fit(run.config, "train.epochs=2", resumed=run)
    assert (run.summary.read_bytes(), run.config.read_bytes()) == before


def test_steps_may_end_in_the_middle_of_an_epoch(tensorflow, config_path):
    path = config_path.with_name("steps.yaml")
    path.write_text(CONFIG.replace("epochs: 4", "steps: 25"))
    assert [row["step"] for row in rows(fit(path))] == ["20", "25"]


def test_more_steps_after_an_epoch_that_was_cut_short_end_at_the_epochs_end(tensorflow, config_path):
    path = config_path.with_name("steps.yaml")
    path.write_text(CONFIG.replace("epochs: 4", "steps: 25"))
    run = fit(path)
    fit(run.config, resumed=run)
    assert "to train further, add train.steps=N\n" in run.log.read_text()
    fit(run.config, "train.steps=60", resumed=run)
    assert [row["step"] for row in rows(run)] == ["20", "25", "40", "60"]


def test_a_run_stopped_while_it_is_measured_is_measured_when_it_goes_on(tensorflow, config_path, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(trainer, "_measure_best", interrupted)
        fit(config_path, "train.epochs=1")
    run = folder.find("small", config_path.parent / "runs")
    assert run.read_summary()["status"] == "interrupted"
    fit(run.config, resumed=run)
    assert run.read_summary()["status"] == "finished"
    assert run.read_summary()["test"]["accuracy"] > 0
    assert run.model.exists()


def test_data_that_have_changed_are_refused(tensorflow, tmp_path):
    def write(values, labels):
        np.savez(tmp_path / "data.npz", x=np.asarray(values, np.float32)[:, None], y=np.arange(40) % labels)

    path = tmp_path / "own.yaml"
    path.write_text(CONFIG.replace("{name: digits, validation_fraction: 0.1}", "{name: npz, path: data.npz}"))
    write(range(40), 2)
    run = fit(path, "train.batch_size=8", "train.epochs=1")
    write(range(1, 41), 2)
    with pytest.raises(DataError, match="have changed"):
        fit(run.config, "train.epochs=2", resumed=run)
    assert evaluation.evaluate(run, "test", "best", Reporter(quiet=True))["examples"] == 8
    write(range(40), 3)
    with pytest.raises(DataError, match="has labels that the run does not have: 2"):
        evaluation.evaluate(run, "test", "best", Reporter(quiet=True))


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(tensorflow, config_path):
    with pytest.raises(TrainingError, match=r"not finite at step \d+ .*learning rate 1e\+30"):
        fit(config_path, "optimizer.learning_rate=1e30")
    run = folder.find("small-001", config_path.parent / "runs")
    assert run.read_summary()["status"] == "failed"
    assert not list(run.checkpoints.glob("*.npz"))


@pytest.mark.parametrize(
    ("schedule", "offered"),
    [
        (None, ["schedule.name=constant", "schedule.warmup_epochs=1"]),
        ("{name: cosine}", ["schedule.name=cosine", "schedule.warmup_epochs=1"]),
        ("{name: cosine, warmup_epochs: 2}", []),
        ("{name: cosine, warmup_steps: 3}", []),
        ("{name: one_cycle}", []),
    ],
)
def test_a_warm_up_is_offered_only_where_the_config_takes_it(tensorflow, config_path, schedule, offered):
    if schedule is not None:
        config_path.write_text(f"{CONFIG}schedule: {schedule}\n")
    with pytest.raises(TrainingError) as caught:
        fit(config_path, "optimizer.learning_rate=1e30", "train.epochs=3")
    words = re.findall(r"schedule\.\w+=\w+", str(caught.value))
    assert words == offered
    assert experiments.load(config_path, words).experiment.schedule.warmup_epochs in (0, 1, 2)


def test_the_plateau_schedule_goes_on_where_it_was(tensorflow, config_path):
    settings = ("schedule={name: plateau, patience: 1, min_delta: 10}", "train.epochs=2")
    run = fit(config_path, *settings)
    fit(run.config, "train.epochs=4", resumed=run)
    assert rows(run) == rows(fit(config_path, settings[0]))
    rates = [float(row["learning_rate"]) for row in rows(run)]
    assert rates == pytest.approx([0.05, 0.05, 0.005, 0.0005])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_goes_on(tensorflow, config_path, precision):
    settings = (f"train.precision={precision}", "train.epochs=1", "optimizer.l2=1e-4", "optimizer.global_clipnorm=5")
    try:
        run = fit(config_path, *settings)
        fit(run.config, "train.epochs=2", resumed=run)
        whole = fit(config_path, *settings[:1], "train.epochs=2", *settings[2:])
        assert same(variables(run), variables(whole))
        assert float(rows(run)[1]["loss"]) < float(rows(run)[0]["loss"])
    finally:
        fit(config_path, "train.epochs=1")  # puts float32 back for the tests to come


def test_early_stopping_ends_the_run_and_stays_ended(tensorflow, config_path):
    run = fit(config_path, "early_stopping.patience=1", "optimizer.learning_rate=1e-12", "train.epochs=9")
    assert len(rows(run)) == 2
    assert run.read_summary()["status"] == "finished"
    fit(run.config, resumed=run)
    assert len(rows(run)) == 2
    assert "to train further, add early_stopping.patience=N or early_stopping=none\n" in run.log.read_text()
    fit(run.config, "early_stopping.patience=3", resumed=run)
    assert len(rows(run)) == 4
    fit(run.config, "early_stopping=none", "train.epochs=5", resumed=run)
    assert len(rows(run)) == 5


def test_the_best_by_another_column_is_looked_for_anew(tensorflow, config_path):
    run = fit(config_path, "train.epochs=1")
    fit(run.config, "train.epochs=2", "checkpoint.monitor=val_loss", resumed=run)
    assert run.read_summary()["best"]["monitor"] == "val_loss"
    assert run.read_summary()["best"]["epoch"] == 2


def test_a_folder_that_goes_away_during_the_run_is_said(tensorflow, config_path, monkeypatch):
    import shutil

    original = store.save

    def losing(run, *arguments):
        shutil.rmtree(run.path)
        original(run, *arguments)

    monkeypatch.setattr(store, "save", losing)
    with pytest.raises(TrainingError, match="was deleted or moved while the run was writing"):
        fit(config_path)


def test_without_validation_data_the_last_weights_are_the_best(tensorflow, config_path):
    # So high a learning rate that the loss rises.
    settings = ("dataset.validation_fraction=0", "train.epochs=2", "optimizer.learning_rate=2")
    run = fit(config_path, *settings)
    assert float(rows(run)[1]["loss"]) > float(rows(run)[0]["loss"])
    assert run.read_summary()["best"] == {"monitor": "loss", "value": float(rows(run)[1]["loss"]), "epoch": 2}
    assert same(variables(run, "best"), variables(run, "last"))
    assert run.read_summary()["validation"] is None
    assert "val_loss" not in rows(run)[0]
    chosen = fit(config_path, *settings, "checkpoint.monitor=loss")
    assert chosen.read_summary()["best"]["epoch"] == 1
    assert not same(variables(chosen, "best"), variables(chosen, "last"))


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("checkpoint.monitor=val_acc", "checkpoint.monitor must be one of loss, accuracy, val_loss, val_accuracy"),
        ("early_stopping.monitor=x", "early_stopping.monitor must be one of"),
        ("train.batch_size=5000", "train.batch_size must be at most the 1295 training examples, got 5000"),
    ],
)
def test_what_does_not_fit_the_data_is_refused_before_a_folder_is_made(tensorflow, config_path, override, words):
    with pytest.raises(ConfigError, match=words) as caught:
        fit(config_path, override)
    assert override in str(caught.value)
    assert not (config_path.parent / "runs").exists()


def test_a_rehearsal_keeps_nothing(tensorflow, config_path, monkeypatch):
    monkeypatch.chdir(config_path.parent)
    result = rehearsal.rehearse(experiments.load(config_path), Reporter(quiet=True))
    assert result["steps_per_epoch"] == 20
    assert np.isfinite(result["loss"])
    assert result["peak_memory_bytes"] > 1e6
    assert [path.name for path in config_path.parent.iterdir()] == ["small.yaml"]


def test_weights_to_begin_with_are_read_when_a_run_begins_and_never_again(tensorflow, config_path, monkeypatch):
    begun = []

    def begin(block, network, spec):
        begun.append(block)
        network.get_layer("logits").bias.assign([7.0] * 10)

    monkeypatch.setattr(network, "_initialize", begin)
    run = fit(config_path, "train.epochs=1")
    assert len(begun) == 1
    biases = [value for name, value in variables(run).items() if name.startswith("model/") and value.shape == (10,)]
    assert [bias.min() > 6 for bias in biases] == [True]
    fit(run.config, "train.epochs=2", resumed=run)
    evaluation.evaluate(run, "test", "best", Reporter(quiet=True))
    assert len(begun) == 1
    rehearsal.rehearse(experiments.load(config_path), Reporter(quiet=True))
    assert len(begun) == 2


def test_memory_that_runs_out_is_said_before_and_after_training_too(tensorflow, config_path, monkeypatch):
    huge = experiments.load(config_path, ["model.units=[1000000000000]"])
    for work in (
        lambda: rehearsal.rehearse(huge, Reporter(quiet=True)),
        lambda: trainer.fit(huge, Reporter(quiet=True), config_path.parent / "runs"),
    ):
        with pytest.raises(TrainingError, match=r"^out of memory .*: 64 .*try train\.batch_size=32 train\.acc"):
            work()
    assert not (config_path.parent / "runs").exists()
    run = fit(config_path, "train.epochs=1", "train.batch_size=1000")

    def exhausted(*arguments):
        raise tensorflow.errors.ResourceExhaustedError(None, None, "OOM")

    monkeypatch.setattr(Engine, "evaluate", exhausted)
    with pytest.raises(TrainingError, match="out of memory"):
        evaluation.evaluate(run, "test", "best", Reporter(quiet=True))
    with pytest.raises(TrainingError, match="out of memory"):
        fit(config_path, "train.epochs=1")
    assert folder.find("small", config_path.parent / "runs").read_summary()["error"].startswith("out of memory")


def test_only_the_newest_checkpoints_and_the_best_stay(tensorflow, config_path):
    run = fit(config_path, "checkpoint.keep=2", "checkpoint.every_epochs=1")
    assert [path.name for path in sorted(run.checkpoints.glob("step-*"))] == ["step-00000060.npz", "step-00000080.npz"]


def test_damaged_and_foreign_checkpoints_are_refused_and_nothing_is_changed(tensorflow, config_path):
    run = fit(config_path, "train.epochs=1")
    good = (run.checkpoints / "last.npz").read_bytes()
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 1
    for content in (good[: len(good) // 2], bytes(damaged), b""):
        (run.checkpoints / "best.npz").unlink(missing_ok=True)
        (run.checkpoints / "best.npz").write_bytes(content)
        with pytest.raises(CheckpointError, match="best.npz"):
            evaluation.evaluate(run, "test", "best", Reporter(quiet=True))
    run.config.write_text(run.config.read_text().replace("[32]", "[16]"))
    with pytest.raises(CheckpointError, match="another model"):
        evaluation.evaluate(run, "test", "last", Reporter(quiet=True))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_run_goes_on(config_path, number, code):
    command = [sys.executable, "-m", "dltrain", "fit"]
    process = subprocess.Popen(
        [*command, str(config_path), "train.epochs=100000"],
        cwd=config_path.parent,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    run = Run(config_path.parent / "runs" / "small-001")
    deadline = time.monotonic() + 120
    while not (run.checkpoints / "last.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "dltrain fit --resume" in said
    assert run.read_summary()["status"] == "interrupted"
    epochs = store.load(run, "last").state["epoch"] + 2
    done = subprocess.run(
        [*command, "--resume", f"train.epochs={epochs}"], cwd=config_path.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [int(row["epoch"]) for row in rows(run)] == list(range(1, epochs + 1))
