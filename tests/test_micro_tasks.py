"""The stubs of the walk at work: each answers and measures by what its modality needs, through the real Predictor."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from dltrain.data import DataSpec, Examples, Features, Outcome, Ragged, Split
from dltrain.data.request import Request
from dltrain.engine.preparation import Preparation
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.inference.outputs import outcome
from dltrain.inference.prediction import Predictor, predictions
from dltrain.plugins import loading as plugins
from dltrain.registry import FEATURES, TASKS

PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture
def stub(tensorflow):
    """Returns a function that loads a stub."""

    def load(stem):
        plugins.trusts_all = True
        plugins.load([PLUGINS / f"{stem}.py"], "test_micro_tasks.py")

    return load


def predictor(task, spec, model):
    dataset = SimpleNamespace(reader=lambda spec: spec.inputs.reader())
    experiment = SimpleNamespace(task=task, dataset=dataset, train=SimpleNamespace(examples_per_batch=8))
    return Predictor(SimpleNamespace(experiment=experiment), spec, model, "best")


def answered(predictor, request, options=None):
    ((rows, _),) = predictions(predictor, [request], options or {})
    return rows


def test_a_detector_returns_boxes_in_the_pixels_of_the_original(stub):
    import keras

    stub("detection")
    task, inputs = TASKS["stub_ssd"](), keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(inputs)
    made = keras.Model(inputs, keras.ops.stack([keras.ops.concatenate([x, x[:, :1] - each], 1) for each in (9, 1)], 1))
    spec = DataSpec(Features.of(Image(shape=(2, 2, 1))), Features.of(FEATURES["stub_boxes"]()))
    images = np.array([[3, 0, 0.5, 0.25], [0, 0, 1, 1]], np.float32).reshape(2, 2, 2, 1)
    facts = {"size": np.array([[100, 200], [10, 10]])}
    rows = answered(predictor(task, spec, made), Request(["a", "b"], images, metadata=facts))
    assert [row["boxes"] for row in rows] == [[[300, 0, 50, 50]], []]
    boxes = Ragged.of([np.zeros((1, 7)), np.zeros((1, 7))], np.float32)
    found = outcome(task, spec, made, "test", Split(images, boxes, metadata=facts))
    assert task.measure(found) == {"map": 0.5, "map_50": 0.5}


def test_a_masked_language_model_answers_where_a_text_has_its_mask(stub):
    import keras

    stub("masked_language")
    tokens, task = FEATURES["stub_tokens"](vocabulary=("a", "b", "c"), max_length=4), TASKS["stub_masked_lm"](share=0.5)
    spec, inputs = DataSpec(Features.of(tokens), Features()), keras.Input((None,), dtype="int32")
    shifted = keras.ops.pad(inputs, [[0, 0], [1, 0]])[:, :-1]  # the word before it
    made = predictor(task, spec, keras.Model(inputs, keras.ops.one_hot(shifted, 6)))
    rows = answered(made, made.reader.read_values(["b [MASK]", "a c [MASK] x b", "a"]))
    assert [row["words"] for row in rows] == [["b"], ["c"], []]
    assert rows[1]["notices"] == ["cut", "x is unknown"]
    split = Split(tokens.encode(["a b c a", "c"]).stored)
    part = Request(["0", "1"], split.inputs, metadata=split.metadata, part="test", split=split)
    assert [row["words"] for row in answered(made, part)] == [[], []]
    assert made.actual(split) is None
    ids = split.inputs.padded()
    hidden, targets = Preparation(last=task.prepare(spec), data=spec)(0, ids, split.targets, positions=[0, 1])
    np.testing.assert_array_equal(np.where(targets == -1, hidden, targets), ids)
    assert {*np.unique(hidden)} <= {0, 2, 3, 4, 5}
    assert task.measure(Outcome(spec, "test", split, outputs=np.zeros((2, 4, 6), np.float32))) == {}


class Speech(Examples):
    """Five crops of each speech, of which each is the one before and 1."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers, np.float32)

    shape = property(lambda self: (len(self.numbers), None))
    dtype = property(lambda self: np.dtype(np.float32))

    def __len__(self):
        return len(self.numbers)

    def take(self, positions):
        return Speech(self.numbers[positions])

    def read(self, positions, seeds=None):
        firsts = np.repeat(self.numbers[positions][:, None, None], 2, axis=2)
        return firsts + np.arange(5, dtype=np.float32)[:, None]


def test_an_embedding_is_the_mean_of_those_of_the_views(stub):
    import keras

    stub("speaker_embedding")
    task, inputs = TASKS["stub_speaker"](), keras.Input((None,))
    mean = keras.ops.mean(inputs, axis=1, keepdims=True)
    x = keras.layers.Concatenate(name="embedding")([mean, mean**2])
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    spec = DataSpec(Features.of(FEATURES["stub_speech"]()), Features.of(ClassLabel(class_names=("a", "b"))))
    split = Split(Speech([-3, 1, -2, 2]), np.array([0, 1, 0, 1], np.int32))
    views = np.array([-3, 1, -2, 2])[:, None] + np.arange(5)
    expected = np.stack([views.mean(axis=1), (views**2).mean(axis=1)], axis=1)
    found = outcome(task, spec, model, "test", split)
    assert found.outputs == pytest.approx(expected)
    assert 0 <= task.measure(found)["equal_error_rate"] <= 0.5
    made = predictor(task, spec, model)
    part = Request([*"abcd"], split.inputs, part="test", split=split)
    rows = answered(made, part, {"embedding": True})
    assert np.array([row["embedding"] for row in rows]) == pytest.approx(expected)
    (row,) = answered(made, Request(["e"], Ragged.of([np.ones(3)], np.float32)), {"embedding": True})
    assert row["embedding"] == [1, 1]
    assert made.actual(split) == [*"abab"]


def test_a_forecast_has_its_times_and_is_measured_by_series(stub):
    import keras

    stub("scaled_windows")
    task, inputs = TASKS["stub_forecasting"](), keras.Input((3, 1))
    spec = DataSpec(
        Features.of(FEATURES["stub_window"](shape=(3, 1))), Features.of(FEATURES["stub_future"](shape=(2, 1)))
    )
    model = keras.Model(inputs, keras.ops.repeat(inputs[:, -1:] + 1, 2, axis=1))
    windows = np.array([[1, 2, 3], [10, 20, 30]], np.float32)[..., None]
    targets = np.array([[4, 5], [40, 50]], np.float32)[..., None]
    facts = {"series": np.array(["x", "y"]), "time": np.array([7, 70])}
    split = Split(windows, targets, metadata=facts)
    part = Request(["0", "1"], windows, metadata=facts, part="test", split=split)
    rows = answered(predictor(task, spec, model), part)
    assert [(row["values"], row["times"]) for row in rows] == [([4, 4], [8, 9]), ([31, 31], [71, 72])]
    found = outcome(task, spec, model, "test", split)
    assert task.measure(found) == {"mase": pytest.approx((0.5 / 1.5 + 14 / 15) / 2)}
    _, packed, weights = Preparation(last=task.prepare(spec), data=spec)(0, windows, targets, positions=[0, 1])
    assert (packed[:, 0].numpy().tolist(), weights.numpy().tolist()) == ([[4, 2], [40, 20]], [2, 20])
    error = task.loss(spec)(packed, np.array([[4, 4], [40, 40]], np.float32)[..., None])
    assert np.asarray(error) == pytest.approx([0.125, 0.125])
