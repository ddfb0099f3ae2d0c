"""A run that goes on is the same run: whatever it is made of, and wherever it was cut."""

import csv
from pathlib import Path

import numpy as np
import pytest

from dltrain.assembly.data import start_and_load
from dltrain.checkpoints import store
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.engine import feeds
from dltrain.engine.compiled_loop import Engine
from dltrain.errors import CheckpointError, ConfigError, DataError, Interrupted, TrainingError
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.signals import StopRequest
from dltrain.training import batch_size, memory, trainer
from dltrain.training.finiteness import NotFinite
from dltrain.training.learner import Learner
from dltrain.training.loop import Loop
from dltrain.training.resume import Resume

CONFIG = """
dataset: {name: digits, validation_fraction: 0.1}
model: {name: mlp, units: [32], dropout: 0.3}
optimizer: {name: adam, learning_rate: 0.002}
train: {epochs: 3, batch_size: 64}
checkpoint: {every_steps: 7}
"""
CNN = """{name: cnn, stages: [{filters: 4, batch_normalization: after, pool: max}], dense: [8], dense_dropout: 0.3}"""


@pytest.fixture
def config_path(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


def fit(path, *overrides, resumed=None, **settings):
    config = experiments.load(path, list(overrides))
    summary = trainer.fit(config, Reporter(quiet=True), path.parent / "runs", Resume(resumed, **settings))
    return Run(Path(summary["run"]))


def rows(run):
    with run.metrics.open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def differing(first, second, name="last"):
    one, other = (store.load(run, name).arrays for run in (first, second))
    return [key for key in one.keys() | other.keys() if not np.array_equal(one.get(key), other.get(key))]


class Killed(BaseException):
    """What nothing expects."""


def killed_at(step, killed_after, path, *overrides):
    """Trains until the engine is asked for more than `step` steps; nothing is saved then. Returns the run."""
    with killed_after(step):
        fit(path, *overrides)
    return folder.find("small", path.parent / "runs")


@pytest.mark.parametrize(
    "settings",
    [
        (),
        (f"model={CNN}", "augment=[{name: pad_and_crop, padding: 1}, {name: flip}]", "optimizer.l2=1e-3"),
        ("schedule={name: plateau, patience: 1, min_delta: 10}", "early_stopping={patience: 2, min_delta: 9}"),
        ("optimizer={name: sgd, learning_rate: 0.1, momentum: 0.9}", "schedule={name: one_cycle}"),
        ("train.batch_size=16", "train.accumulate_steps=4", "task={name: classification, class_weights: balanced}"),
        ("augment=[{name: randaugment}]",),
        ("model={name: vit, width: 8, depth: 1, heads: 2, dropout: 0.3}",),
        ("model={name: resnet, depth: 8, stochastic_depth: 0.5}",),
        ("augment=[{name: noise}, {name: mixup}, {name: cutmix}]", "task={name: classification, label_smoothing: 0.1}"),
    ],
    ids=[
        "dropout",
        "batch normalisation and augmentation",
        "plateau and patience",
        "one cycle",
        "accumulation",
        "operations drawn for each image",
        "attention",
        "stochastic depth",
        "mixtures",
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["resident", "streamed"])
def test_a_run_cut_within_an_epoch_ends_with_the_same_bits(
    tensorflow, config_path, monkeypatch, killed_after, settings, streamed
):
    if streamed:
        monkeypatch.setattr(feeds, "RESIDENT_BYTES", 0)
    whole = fit(config_path, *settings)
    cut = killed_at(34, killed_after, config_path, *settings)
    assert store.load(cut, "last").state["step"] == 28
    assert len(rows(cut)) == 1
    fit(cut.config, resumed=cut)
    assert rows(cut) == rows(whole)
    assert differing(whole, cut) == []
    assert differing(whole, cut, "best") == []


def test_rows_beyond_the_checkpoint_are_cut_off_and_no_other(tensorflow, config_path, monkeypatch, killed_after):
    cut = killed_at(50, killed_after, config_path, "checkpoint={every_epochs: 3, monitor: loss, every_minutes: 1000}")
    assert [row["epoch"] for row in rows(cut)] == ["1", "2"]
    saved = store.load(cut, "last").state["epoch"]
    before = rows(cut)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Engine, "train", lambda *_: (_ for _ in ()).throw(Killed))
        fit(cut.config, resumed=cut)
    assert rows(cut) == before[:saved]


def test_no_row_is_there_twice_wherever_the_run_was_cut(tensorflow, config_path, monkeypatch):
    """Stopped after an epoch's last step, and, gone on, killed between the epoch's row and its checkpoint."""
    whole = fit(config_path, "checkpoint.every_steps=none")

    def stopped(self, feed, done, count, original=Engine.train):
        result = original(self, feed, done, min(count, 20 - done % 20))
        if result[0] == 20:
            stops[0].exit_code = 130
        return result

    stops = []
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Engine, "train", stopped)
        patch.setattr(StopRequest, "__enter__", lambda self: stops.append(self) or self)
        patch.setattr(StopRequest, "__exit__", lambda *_: None)
        patch.setattr(StopRequest, "acknowledge", lambda _: None)
        fit(config_path, "checkpoint.every_steps=none")
    run = folder.find("small", config_path.parent / "runs")
    assert [path.name for path in run.checkpoints.glob("[!bl]*")] == ["extra-00000020.npz"]
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(store, "save", lambda *_: (_ for _ in ()).throw(Killed))
        fit(run.config, resumed=run)
    assert len(rows(run)) == 1
    fit(run.config, resumed=run)
    assert rows(run) == rows(whole)
    assert differing(whole, run) == []
    assert not list(run.checkpoints.glob("extra-*"))


def test_a_run_sent_back_goes_to_the_same_state_whether_a_signal_saved_another_or_not(
    tensorflow, config_path, monkeypatch
):
    original_init, original_train = Learner.__init__, Engine.train

    def remember(self, *arguments, **settings):
        nonlocal current
        original_init(self, *arguments, **settings)
        current = self

    def train(self, feed, done, count):
        if done + count > 47 and current.state.restores == 0:
            return 47, False
        return original_train(self, feed, done, min(count, max(45 - done, 1)))

    def stopping(self, original=StopRequest.__bool__):
        if is_to_stop and current.state.step >= 45:
            self.exit_code = 143
        return original(self)

    current = None
    monkeypatch.setattr(Learner, "__init__", remember)
    monkeypatch.setattr(Engine, "train", train)
    monkeypatch.setattr(StopRequest, "__bool__", stopping)
    settings, is_to_stop = ("train.on_nan=restore", "checkpoint.every_steps=none"), False
    whole = fit(config_path, *settings)
    is_to_stop = True
    with pytest.raises(Interrupted):
        fit(config_path, *settings)
    run = folder.find("small", config_path.parent / "runs")
    assert store.load(run, "last").state["step"] == 45
    is_to_stop = False
    fit(run.config, resumed=run)
    assert rows(run) == rows(whole)
    assert differing(whole, run) == []


def test_a_copy_of_lost_weights_or_of_a_former_way_is_never_kept(tensorflow, config_path):
    run = fit(config_path, "train.epochs=1")
    config = experiments.load(run.config)
    devices, splits = start_and_load(config, Reporter(quiet=True))
    learner = Learner(config, splits, devices, Reporter(quiet=True))
    loop = Loop(learner, run, began=0.0)
    loop.speed.last_seconds = 100.0
    loop._copy_if_slow()
    assert loop._copy is not None
    loop._batches = learner.training_feed()
    loop._restore_last(NotFinite("the loss is not finite", "advice"))
    assert loop._copy is None
    learner.network.engine.model.trainable_variables[0].assign(np.full((64, 32), np.inf))
    with pytest.raises(NotFinite):
        loop._copy_if_slow()


def test_a_change_is_on_record_from_the_first_moment_on(tensorflow, config_path, monkeypatch):
    run = fit(config_path, "train.epochs=1")
    best = store.load(run, "best").state["step"]
    changes = {"optimizer.learning_rate": (0.002, 0.001)}
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Engine, "train", lambda *_: (_ for _ in ()).throw(Killed))
        fit(run.config, "train.epochs=2", "optimizer.learning_rate=0.001", resumed=run, changes=changes)
    assert store.load(run, "last").state["changes"] == [{"step": 20, "optimizer.learning_rate": [0.002, 0.001]}]
    assert store.load(run, "best").state["step"] == best


def test_a_schedule_that_is_gone_leaves_nothing_behind(tensorflow, config_path):
    run = fit(config_path, "schedule={name: plateau, patience: 1, min_delta: 10}", "train.epochs=2")
    assert float(rows(run)[1]["learning_rate"]) == pytest.approx(0.002)
    fit(run.config, "schedule={name: constant}", "train.epochs=3", resumed=run)
    assert float(rows(run)[2]["learning_rate"]) == pytest.approx(0.002)


def test_other_labels_need_force(tensorflow, tmp_path):
    def write(labels):
        inputs = np.arange(40, dtype=np.float32)[:, None]
        np.savez(tmp_path / "data.npz", x_train=inputs, y_train=labels, x_test=inputs, y_test=labels)

    path = tmp_path / "own.yaml"
    path.write_text(
        CONFIG.replace(
            "{name: digits, validation_fraction: 0.1}", "{name: npz, path: data.npz, validation_fraction: 0}"
        )
    )
    write(np.arange(40) % 2)
    run = fit(path, "train.batch_size=8", "train.epochs=1")
    write(1 - np.arange(40) % 2)
    with pytest.raises(DataError, match="other labels"):
        fit(run.config, "train.epochs=2", resumed=run)


def test_a_folder_that_is_full_when_the_run_goes_on_is_said(tensorflow, config_path, monkeypatch):
    run = fit(config_path, "train.epochs=1")

    def full(*_):
        raise OSError(28, "No space left on device", str(run.checkpoints))

    monkeypatch.setattr(store, "make_newest", full)
    with pytest.raises(TrainingError, match="No space left on device"):
        fit(run.config, "train.epochs=2", resumed=run)


def test_checkpoints_are_as_far_apart_as_asked_for_without_validation_data_too(tensorflow, config_path, monkeypatch):
    saved = []
    original = store.save

    def save(run, variables, state, *others):
        saved.append(state["step"])
        original(run, variables, state, *others)

    monkeypatch.setattr(store, "save", save)
    run = fit(config_path, "dataset.validation_fraction=0", "checkpoint={every_epochs: 2}")
    assert saved == [44, 66]
    assert run.read_summary()["best"]["epoch"] == 3


def test_states_are_saved_by_the_minute_within_an_epoch(tensorflow, config_path, killed_after):
    cut = killed_at(15, killed_after, config_path, "checkpoint={every_minutes: 1e-9}")
    assert store.load(cut, "last").state["step"] > 0


def test_several_batches_make_the_step_of_one_large_batch(tensorflow, config_path):
    plain = ("model.dropout=0", "train.epochs=2", "optimizer={name: sgd, learning_rate: 0.1, momentum: 0.9}")
    one = fit(config_path, *plain)
    several = fit(config_path, *plain, "train.batch_size=16", "train.accumulate_steps=4")
    assert [row["step"] for row in rows(several)] == [row["step"] for row in rows(one)] == ["20", "40"]
    first, second = (store.load(run, "last").arrays for run in (one, several))
    weights = [key for key in first if key.startswith("model/") and first[key].dtype == np.float32]
    assert len(weights) >= 4
    for key in weights:
        np.testing.assert_allclose(first[key], second[key], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_accumulation_trains_with_clipping_and_mixed_precision(tensorflow, config_path, precision):
    settings = ("train.batch_size=16", "train.accumulate_steps=4", "optimizer.global_clipnorm=1")
    try:
        run = fit(config_path, *settings, f"train.precision={precision}", "train.epochs=2")
        assert float(rows(run)[1]["loss"]) < float(rows(run)[0]["loss"])
    finally:
        fit(config_path, "train.epochs=1")  # puts float32 back for the tests to come


def test_a_loss_that_is_not_finite_sends_the_run_back_with_half_the_learning_rate(tensorflow, config_path):
    settings = ("optimizer={name: sgd, learning_rate: 1e15}", "train.on_nan=restore", "checkpoint.every_steps=none")
    run = fit(config_path, *settings, "train.max_restores=60")
    summary = run.read_summary()
    assert summary["status"] == "finished"
    assert summary["restores"] > 0
    assert len(rows(run)) == 3
    assert [float(row["learning_rate"]) for row in rows(run)] == pytest.approx([1e15 * 0.5 ** summary["restores"]] * 3)
    with pytest.raises(
        TrainingError, match="returned to a checkpoint 2 times, the most that train.max_restores allows"
    ):
        fit(config_path, *settings, "train.max_restores=2", "optimizer.learning_rate=1e30")


def test_going_back_leaves_the_table_and_the_best_as_they_were_then(tensorflow, config_path, monkeypatch):
    original, spoilt = Engine.train, []

    def train(self, feed, done, count):
        if done >= 40 and not spoilt:
            spoilt.append(done)
            self.model.trainable_variables[0].assign(np.full(self.model.trainable_variables[0].shape, np.nan))
        return original(self, feed, done, count)

    for kind in ("resident", "streamed"):
        spoilt.clear()
        if kind == "streamed":
            monkeypatch.setattr(feeds, "RESIDENT_BYTES", 0)
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "train", train)
            run = fit(config_path, "train.on_nan=restore", "checkpoint.every_steps=none")
        assert [row["epoch"] for row in rows(run)] == ["1", "2", "3"]
        rates = [float(row["learning_rate"]) for row in rows(run)]
        assert rates == pytest.approx([0.002, 0.002, 0.001])
        assert run.read_summary()["restores"] == 1


def test_a_checkpoint_that_leads_to_the_same_end_again_gives_way_to_an_older_one(tensorflow, config_path, monkeypatch):
    """Weights may be huge, though finite, when they are saved."""
    original, failures = Engine.train, []

    def train(self, feed, done, count):
        if done >= 40 and len(failures) < 2:
            failures.append(done)
            return done + 1, False
        return original(self, feed, done, count)

    monkeypatch.setattr(Engine, "train", train)
    run = fit(config_path, "train.on_nan=restore", "checkpoint.every_steps=none")
    said = [line for line in run.log.read_text().splitlines() if "returned to the state" in line]
    assert [int(line.split("returned to the state after step ")[1].split(",")[0]) for line in said] == [40, 20]
    assert [row["epoch"] for row in rows(run)] == ["1", "2", "3"]


def test_weights_that_are_lost_never_become_a_checkpoint(tensorflow, config_path, monkeypatch):
    """The loss shows it one step later only."""
    original = Engine.train

    def train(self, feed, done, count):
        result = original(self, feed, done, count)
        if result[0] >= 40:
            self.model.trainable_variables[0].assign(np.full(self.model.trainable_variables[0].shape, np.inf))
        return result

    with monkeypatch.context() as patch, pytest.raises(TrainingError, match="weight .*kernel is not finite at step 40"):
        patch.setattr(Engine, "train", train)
        fit(config_path, "checkpoint.every_steps=none")
    run = folder.find("small", config_path.parent / "runs")
    assert store.load(run, "last").state["step"] == 20
    assert len(rows(run)) == 1


def test_a_forced_change_is_noted_and_the_steps_done_stay(tensorflow, config_path):
    run = fit(config_path, "train.epochs=1")
    before = rows(run)
    changes = {"optimizer.learning_rate": (0.002, 0.001)}
    fit(run.config, "train.epochs=2", "optimizer.learning_rate=0.001", resumed=run, changes=changes, force=True)
    assert rows(run)[:1] == before
    assert float(rows(run)[1]["learning_rate"]) == pytest.approx(0.001)
    assert run.read_summary()["changes"] == [{"step": 20, "optimizer.learning_rate": [0.002, 0.001]}]


def test_data_of_other_values_need_force_and_keep_the_statistics_of_before(tensorflow, tmp_path):
    def write(values):
        np.savez(tmp_path / "data.npz", x=np.asarray(values, np.float32)[:, None], y=np.arange(40) % 2)

    path = tmp_path / "own.yaml"
    path.write_text(CONFIG.replace("{name: digits, validation_fraction: 0.1}", "{name: npz, path: data.npz}"))
    write(range(40))
    run = fit(path, "train.batch_size=8", "train.epochs=1")
    data = store.load(run, "last").state["data"]
    write(range(1, 41))
    with pytest.raises(DataError, match="--force"):
        fit(run.config, "train.epochs=2", resumed=run)
    fit(run.config, "train.epochs=2", resumed=run, force=True)
    assert store.load(run, "last").state["data"] == data
    np.savez(tmp_path / "data.npz", x=np.ones((60, 1), np.float32), y=np.arange(60) % 2)
    with pytest.raises(DataError, match="number of examples"):
        fit(run.config, "train.epochs=3", resumed=run, force=True)


def test_a_state_of_another_version_is_refused(tensorflow, config_path):
    run = fit(config_path, "train.epochs=1")
    saved = store.load(run, "last")
    for state in (
        {**saved.state, "colour": 1},
        {"step": 20},
        {**saved.state, "data": {"shape": 3}},
        {**saved.state, "epoch": "x"},
    ):
        store.save(run, saved.arrays, state, is_best=True, keep=2)
        with pytest.raises(CheckpointError, match="another version of dltrain"):
            fit(run.config, "train.epochs=2", resumed=run)


def test_the_batch_size_that_fits_is_taken_and_written_down(tensorflow, config_path, monkeypatch):
    settings = ("train.batch_size=auto", "train.epochs=1")
    run = fit(config_path, *settings)
    chosen = experiments.load(run.config).experiment.train
    assert (chosen.batch_size, chosen.accumulate_steps) == (256, 1)
    needed = {}

    def remember(training, original=memory.needed_bytes):
        needed[training.experiment.train.batch_size] = original(training)
        return needed[training.experiment.train.batch_size]

    monkeypatch.setattr(memory, "needed_bytes", remember)
    fit(config_path, *settings)
    monkeypatch.setattr(memory, "free_bytes", lambda: 0.9 * needed[256] / batch_size.SHARE)
    run = fit(config_path, *settings)
    chosen = experiments.load(run.config).experiment.train
    assert (chosen.batch_size, chosen.accumulate_steps) == (128, 2)
    assert needed[128] < 0.9 * needed[256]
    assert rows(run)[0]["step"] == "5"
    run = fit(config_path, *settings, "train.effective_batch_size=192")
    chosen = experiments.load(run.config).experiment.train
    assert chosen.batch_size * chosen.accumulate_steps == 192
    monkeypatch.setattr(memory, "free_bytes", lambda: 10)
    with pytest.raises(TrainingError, match="not even train.batch_size: 1 fits"):
        fit(config_path, *settings)


def test_a_gpu_is_asked_by_trying(tensorflow, config_path, monkeypatch):
    config = experiments.load(config_path, ["train.batch_size=auto", "model.dropout=0"])
    sizes = []

    def train(self, feed, done, count):
        sizes.append(feed.order.batch_size)
        if feed.order.batch_size > 64:
            raise tensorflow.errors.ResourceExhaustedError(None, None, "OOM")
        return done + count, True

    monkeypatch.setattr(Engine, "train", train)
    monkeypatch.setattr(batch_size, "_fits_free_memory", batch_size._fits_gpu)
    devices, splits = trainer.start_and_load(config, Reporter(quiet=True))
    chosen = batch_size.with_batch_size(config, splits, devices, Reporter(quiet=True)).experiment.train
    assert sizes == [256, 128, 64]
    assert (chosen.batch_size, chosen.accumulate_steps) == (64, 4)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["train.batch_size=auto", "train.effective_batch_size=5000"], "effective_batch_size must be at most the 1295"),
        (["train.accumulate_steps=30"], "accumulate_steps must be at most 20"),
        (
            ["train.batch_size=auto", "train.accumulate_steps=2"],
            "accumulate_steps must be left out with batch_size: auto",
        ),
        (["train.effective_batch_size=64"], "effective_batch_size needs batch_size: auto"),
    ],
)
def test_batches_that_cannot_be_are_refused(tensorflow, config_path, overrides, words):
    with pytest.raises(ConfigError, match=words):
        fit(config_path, *overrides)
    assert not (config_path.parent / "runs").exists()


def test_a_step_that_will_not_fit_is_foretold_with_its_largest_layer(tensorflow, config_path, monkeypatch, capsys):
    config = experiments.load(config_path, ["model.units=[4,512,4]"])
    devices, splits = trainer.start_and_load(config, Reporter(quiet=True))
    learner = Learner(config, splits, devices, Reporter(quiet=True))
    memory.warn(learner)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(memory, "free_bytes", lambda: 1000)
    memory.warn(learner)
    said = " ".join(capsys.readouterr().err.split())
    assert "train.batch_size: 64" in said
    largest = max(learner.network.engine.model.layers, key=lambda layer: np.prod(layer.output.shape[1:]))
    assert f"(layer {largest.name} alone" in said


def test_free_memory_is_known_and_no_more_than_the_machines(tensorflow):
    total = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemTotal:")
    )
    assert 0 < memory.free_bytes() <= total


def test_memory_that_runs_out_in_a_compiled_step_names_the_layer(tensorflow):
    import keras

    from dltrain.assembly.out_of_memory import enough_memory

    inputs = keras.Input((8, 8, 1))
    model = keras.Sequential([inputs, keras.layers.UpSampling2D(10**6, name="stretch")])
    config = experiments.load(Path("configs/cnn.yaml"))
    words = r"train\.batch_size: 64 in layer stretch.* at a tensor of shape \[1,"
    with pytest.raises(TrainingError, match=words), enough_memory(config):
        tensorflow.function(lambda x: model(x), autograph=False)(np.zeros((1, 8, 8, 1), np.float32))
