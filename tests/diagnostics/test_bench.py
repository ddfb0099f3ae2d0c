"""`dltrain bench`: what it reports, and that operations are counted right. Never a timing."""

import dataclasses
import json
import threading
import time
from types import SimpleNamespace

import pytest

from dltrain.assembly.data import load, start
from dltrain.config import experiment
from dltrain.console import Reporter
from dltrain.data import Examples, Split
from dltrain.datasets.synthetic import Synthetic
from dltrain.diagnostics import bench
from dltrain.errors import ConfigError
from dltrain.training import batch_size as batch_size_of
from dltrain.training.learner import Learner


def config_for(tmp_path, shape, model, *overrides, **dataset):
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
    return experiment.load(path, list(overrides))


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
    learner = Learner(config, load(config), start(config, reporter), reporter)
    assert bench._operations(learner, learner.training_feed()) == 16 * operations


@pytest.fixture
def short(monkeypatch):
    """Short rounds."""
    monkeypatch.setattr(bench, "ROUNDS", 2)
    monkeypatch.setattr(bench, "ROUND_SECONDS", 0.01)


def test_it_says_where_the_time_goes(tensorflow, tmp_path, short):
    found = bench.bench(config_for(tmp_path, [20], {"name": "mlp"}), Reporter(quiet=True))
    times = found["milliseconds"]
    assert set(times) == {"step", "input", "forward", "backward", "update", "wait"}
    assert times["wait"] == 0  # the examples are on the device
    assert found["examples_per_second"] == pytest.approx(16 / times["step"] * 1e3)
    assert 0 < found["products"]["share"] < 1
    assert found["keras"]["ratio"] == pytest.approx(
        found["keras"]["dltrain_examples_per_second"] / found["keras"]["examples_per_second"]
    )
    assert found["bound_by"] in ("input", "compute")
    assert set(found["try"]) <= {"train.batch_size=32"}


@pytest.mark.parametrize(("augment", "ours"), [("[]", 16 / 0.4), ("[{name: flip}]", 16 / 0.2)])
def test_keras_is_compared_without_reading_and_augmentation(tensorflow, tmp_path, monkeypatch, augment, ours):
    seconds = {
        "input": 0.1,
        "forward": 0.2,
        "backward": 0.3,
        "computed": 0.4,
        "step": 0.8,
        "plain": 0.2,
        "changed": 0.4,
    }
    monkeypatch.setattr(bench, "median_seconds", lambda works: {name: seconds[name] for name in works})
    monkeypatch.setattr(bench, "_keras_seconds", lambda *arguments: 0.6)
    config = config_for(tmp_path, [8, 8, 3], {"name": "mlp"}, f"augment={augment}")
    found = bench.bench(config, Reporter(quiet=True))
    assert found["examples_per_second"] == pytest.approx(16 / 0.8)
    assert found["keras"] == pytest.approx(
        {"examples_per_second": 16 / 0.6, "dltrain_examples_per_second": ours, "ratio": ours * 0.6 / 16}
    )


FIRST, AUGMENTATIONS = "measured in the first epoch", "the augmentations take a large part"


@pytest.mark.parametrize(
    ("wait", "prepare", "cache", "in_first_epoch", "notes"),
    [
        (0, 9, "memory", True, [AUGMENTATIONS]),
        (9, 0, "memory", True, [FIRST]),
        (9, 9, "disk", True, [FIRST, AUGMENTATIONS]),
        (9, 0, "memory", False, []),
        (9, 0, "none", False, ["dataset.cache=memory"]),
        (9, 0, None, True, []),
        (0, 0, "memory", True, ["little of the step is matrix multiplication"]),
    ],
)
def test_a_note_is_about_what_takes_the_time(wait, prepare, cache, in_first_epoch, notes):
    dataset = SimpleNamespace(cache=cache)
    config = SimpleNamespace(experiment=SimpleNamespace(dataset=dataset, augment=(None,)))
    times = {"step": 20, "wait": wait, "input": prepare}
    found = {"milliseconds": times, "bound_by": "input" if wait + prepare else "compute", "products": {"share": 0.01}}
    shown = bench._notes(config, found, in_first_epoch)
    assert len(shown) == len(notes)
    assert all(note.startswith(beginning) for note, beginning in zip(shown, notes, strict=True))


def test_an_alternative_that_cannot_be_planned_is_left_out(tensorflow, tmp_path, short):
    schedule = "schedule={name: cosine, warmup_steps: 3}"  # of 4 steps, which are 2 in batches of twice the size
    found = bench.bench(config_for(tmp_path, [20], {"name": "mlp"}, schedule), Reporter(quiet=True))
    assert found["try"] == {}
    assert found["keras"]["ratio"] > 0


@pytest.mark.parametrize("by", ["TensorFlow", "estimate"])
def test_an_alternative_that_does_not_fit_into_memory_is_left_out(tensorflow, tmp_path, short, monkeypatch, by):
    import keras

    def built(config, *arguments, original=Learner):
        if config.experiment.train.batch_size == 32 and by == "TensorFlow":
            raise tensorflow.errors.ResourceExhaustedError(None, None, "out of memory")
        return original(config, *arguments)

    monkeypatch.setattr(bench, "Learner", built)
    monkeypatch.setattr(bench.memory, "free_bytes", lambda: 0 if by == "estimate" else None)
    config = config_for(tmp_path, [20], {"name": "mlp"}, "train.precision=mixed_bfloat16")
    found = bench.bench(config, Reporter(quiet=True))
    assert set(found["try"]) <= ({"train.precision=float32"} if by == "TensorFlow" else set())
    assert found["keras"]["ratio"] > 0
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize(
    ("settings", "batch_size", "accumulated"),
    [
        (["train.batch_size=8", "train.accumulate_steps=4"], 8, 4),
        (["train.batch_size=auto"], 64, 1),
        (["train.batch_size=auto", "train.effective_batch_size=32"], 16, 2),
    ],
)
def test_one_batch_is_measured_whatever_makes_a_step(
    tensorflow, tmp_path, short, monkeypatch, settings, batch_size, accumulated
):
    monkeypatch.setattr(
        batch_size_of,
        "_fits_free_memory",
        lambda build, config: build(config) and (config.experiment.train.batch_size == batch_size),
    )
    found = bench.bench(config_for(tmp_path, [20], {"name": "mlp"}, *settings), Reporter(quiet=True))
    assert found["batch_size"] == batch_size
    times = found["milliseconds"]
    assert found["examples_per_second"] == pytest.approx(batch_size / times["step"] * 1e3)
    assert [note for note in found["notes"] if "accumulate_steps" in note] == (
        [f"measured with an optimizer step per batch, not per {accumulated} (train.accumulate_steps)"]
        if accumulated > 1
        else []
    )


def test_accumulation_that_does_not_fit_the_data_is_refused(tensorflow, tmp_path):
    with pytest.raises(ConfigError, match="accumulate_steps must be at most 4"):
        bench.bench(config_for(tmp_path, [20], {"name": "mlp"}, "train.accumulate_steps=5"), Reporter(quiet=True))


def test_steps_on_nan_are_said(tensorflow, tmp_path, short, capsys):
    config = config_for(tmp_path, [20], {"name": "mlp"}, "optimizer={name: sgd, learning_rate: 1e30}")
    bench.bench(config, Reporter(quiet=True))
    assert "warning: the loss is not finite" in capsys.readouterr().err


class SlowExamples(Examples):
    """Examples that take 2 ms each to be read, one at a time."""

    seconds, lock = 0.002, threading.Lock()
    shape = dtype = None

    def __init__(self, inputs):
        self.inputs, self.shape, self.dtype = inputs, inputs.shape, inputs.dtype

    def __len__(self):
        return len(self.inputs)

    def read(self, positions, seeds=None):
        read = self.inputs[positions]
        with self.lock:
            time.sleep(self.seconds * len(read))
        return read

    def take(self, positions):
        return SlowExamples(self.inputs[positions])


@pytest.fixture
def slow_reading(monkeypatch):
    def load(self, like=None, original=Synthetic.load):
        splits = original(self, like)
        return dataclasses.replace(splits, train=Split(SlowExamples(splits.train.inputs), splits.train.targets))

    monkeypatch.setattr(Synthetic, "load", load)


def test_what_was_read_ahead_makes_no_step_faster(tensorflow, tmp_path, monkeypatch, slow_reading):
    monkeypatch.setattr(bench, "ROUNDS", 2)
    monkeypatch.setattr(bench, "ROUND_SECONDS", 0.1)  # in which the other works leave time to read ahead
    config = config_for(tmp_path, [20], {"name": "mlp", "units": [8]}, "train.batch_size=4")
    found = bench.bench(config, Reporter(quiet=True))
    # At most 18 batches, read ahead or being read, are there for the 68 that are measured.
    assert found["examples_per_second"] < 1.5 / SlowExamples.seconds
    assert found["milliseconds"]["wait"] > found["milliseconds"]["step"] / 2
    assert found["bound_by"] == "input"


@pytest.mark.parametrize(
    ("seconds", "epoch", "counts"),
    [
        (9.9, 1000, [6, 12]),  # used up, then measured
        (0.0003, 1000, [6, 12, 24, 48]),  # until it lasts
        (9.9, 10, [6, 12, 24]),  # the stretch of 12 ended in another epoch than it began
    ],
)
def test_a_step_that_reads_is_measured_over_one_stretch(tensorflow, monkeypatch, short, seconds, epoch, counts):
    done = []

    def measured(work, count):
        done.append(count)
        return seconds * count

    feed = SimpleNamespace(read_ahead=2, order=SimpleNamespace(steps_per_epoch=epoch))
    engine = SimpleNamespace(train=lambda feed, step, count: (step + count, True), forget=lambda feed: None)
    monkeypatch.setattr(bench, "seconds_of", measured)
    training = SimpleNamespace(training_feed=lambda: feed, network=SimpleNamespace(engine=engine))
    assert bench._seconds_with_reading(training) == (pytest.approx(seconds), epoch == 1000)
    assert done == counts


@pytest.mark.parametrize(
    "seconds",
    [
        {"step": 10, "computed": 9, "backward": 8, "forward": 4, "input": 1},
        {"step": 10, "computed": 12, "backward": 9, "forward": 4, "input": 1},
        {"step": 10, "computed": 9, "backward": 11, "forward": 12, "input": 3},
        {"step": 1, "computed": 9, "backward": 8, "forward": 4, "input": 5},
    ],
)
@pytest.mark.parametrize("is_read", [False, True])
def test_the_parts_of_a_step_add_up_to_it(seconds, is_read):
    parts = bench.parts_of(seconds, is_read)
    assert sum(parts.values()) == pytest.approx(seconds["step"])
    assert min(parts.values()) >= 0
    assert is_read or not parts["wait"]
