"""Rates that fall with the distance from the head, and moving averages of the weights."""

from pathlib import Path

import numpy as np
import pytest
from specs import data_spec

from dltrain.assembly.layer_rates import layer_shares, weight_shares
from dltrain.checkpoints import store
from dltrain.checkpoints.layer_names import named_layers
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.data import DataSpec
from dltrain.features.class_label import ClassLabel
from dltrain.features.tokens import Tokens
from dltrain.inference import evaluation
from dltrain.models._hub_networks import ENCODERS
from dltrain.registry import MODELS
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.resume import Resume

CONFIG = """
dataset: {name: synthetic, shape: [4], num_classes: 3, train_examples: 64, validation_examples: 32}
model: {name: mlp, units: [6, 5], batch_normalization: true, freeze: [dense1]}
train: {epochs: 3, batch_size: 32}
optimizer: {name: adam, learning_rate: 0.05, ema_momentum: 0.75}
checkpoint: {every_steps: 1, keep: 9}
"""


def fit(path, *overrides, resumed=None):
    config = experiments.load(path, list(overrides))
    return Run(Path(trainer.fit(config, Reporter(quiet=True), path.parent / "runs", Resume(resumed))["run"]))


@pytest.fixture
def path(tensorflow, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


def test_the_head_learns_at_the_whole_rate_and_each_layer_before_it_at_a_share_of_the_next(tensorflow):
    spec = data_spec((4,), ("a", "b"))
    model = MODELS["mlp"](units=(6, 5), batch_normalization=True).build(spec)
    assert layer_shares(model, 0.5) == {
        "dense1": 0.25,
        "normalization1": 0.25,
        "dense2": 0.5,
        "normalization2": 0.5,
        "logits": 1.0,
    }
    model.get_layer("dense1").trainable = False
    assert weight_shares(model, 0.5) == (0.25, 0.25, 0.5, 0.5, 0.5, 1.0, 1.0)


@pytest.mark.parametrize("name", [*ENCODERS, "transformer", "vit"])
def test_all_that_an_encoder_begins_with_learns_at_one_rate(tensorflow, name):
    tokens = Tokens(kind="words", max_length=8).fit([["one two"]])
    spec = (
        data_spec((8, 8, 3), ("a", "b")) if name == "vit" else DataSpec.of(tokens, ClassLabel(class_names=("a", "b")))
    )
    settings = {"transformer": {"positions": "learnt"}, "vit": {"patch_size": 4}}.get(
        name, {"size": "tiny", "positions": 8}
    )
    model = MODELS[name](width=8, depth=1, heads=2, **settings).build(spec)
    shares, layers = layer_shares(model, 0.5), named_layers(model)
    multiply = [each for each in shares if any("kernel" in weight.path for weight in layers[each].weights)]
    next_one = multiply[1 if name == "vit" else 0]  # a vit's patches are tokens, though a kernel makes them
    begins = [*shares][: [*shares].index(next_one)]
    assert len(begins) >= 2
    assert {shares[each] for each in begins} == {shares[next_one] / 2}
    assert min(shares.values()) == shares[begins[0]]


def test_layers_side_by_side_learn_at_one_rate(tensorflow):
    import keras

    dense, inputs = keras.layers.Dense, keras.Input((4,))
    within = keras.Sequential([keras.Input((4,)), dense(3, name="first"), dense(4, name="second")], name="within")
    both = keras.layers.Add()([within(inputs), dense(4, name="short")(inputs)])
    model = keras.Model(inputs, [dense(2, name="logits_a")(both), dense(2, name="logits_b")(both)])
    shares = {"within/first": 0.25, "within/second": 0.5, "short": 0.5, "logits_a": 1.0, "logits_b": 1.0}
    assert layer_shares(model, 0.5) == shares


def test_a_layer_that_is_used_twice_counts_once(tensorflow):
    assert layer_shares(repeating(), 0.5) == {"once": 0.25, "twice": 0.5, "logits": 1.0}


def test_the_layers_of_a_network_that_only_its_own_code_knows_are_a_chain(tensorflow):
    import keras

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.inner = keras.layers.Dense(4, name="first"), repeating()
            self.last = keras.layers.Dense(2, name="last")

        def call(self, inputs):
            return self.last(self.inner(self.first(inputs)))

    model = Own()
    model(np.zeros((1, 3), np.float32))
    shares = {name.rpartition("/")[2]: share for name, share in layer_shares(model, 0.5).items()}
    assert shares == {"first": 1 / 16, "once": 1 / 8, "twice": 1 / 4, "logits": 1 / 2, "last": 1}


def repeating():
    """Returns a network that uses a layer twice."""
    import keras

    inputs, twice = keras.Input((4,)), keras.layers.Dense(4, name="twice")
    x = keras.layers.Dense(4, name="once")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, name="logits")(twice(keras.ops.relu(twice(x)))))


def test_layer_decay_reaches_the_weights_of_a_run(path):
    plain = ("optimizer={name: sgd, learning_rate: 0.5}", "train={steps: 1, batch_size: 32}", "model.freeze=[]")
    start = store.load(fit(path, *plain, "optimizer.learning_rate=1e-30"), "last").arrays
    moved = [store.load(fit(path, *plain, *more), "last").arrays for more in ((), ("optimizer.layer_decay=0.5",))]
    kernels = [name for name in start if name.startswith("model/") and name.endswith("kernel")]
    shares = [
        np.abs(moved[1][name] - start[name]).sum() / np.abs(moved[0][name] - start[name]).sum() for name in kernels
    ]
    assert shares == pytest.approx([0.25, 0.5, 1.0], rel=1e-3)


def test_the_average_is_that_of_the_steps_and_what_is_measured_and_exported(path):
    import keras

    run = fit(path)
    states = [store.load_step(run, step).arrays for step in range(1, 7)]
    averages = [name for name in states[0] if name.startswith("average/")]
    assert len(averages) == 7
    for name in averages:
        expected = states[0][name.replace("average", "model")]
        for arrays in states[1:]:
            expected = 0.75 * expected + 0.25 * arrays[name.replace("average", "model")]
        np.testing.assert_allclose(states[-1][name], expected, rtol=1e-5, atol=1e-6)
    best = store.averaged(store.load(run, "best"))
    exported = store.named_variables(model=keras.models.load_model(run.model).variables)
    assert [name for name in exported if not np.array_equal(exported[name], best.arrays[name])] == []
    summary = run.read_summary()
    assert evaluation.evaluate(run, "validation", "best", Reporter(quiet=True))["metrics"] == summary["validation"]
    assert summary["validation"]["accuracy"] == pytest.approx(summary["best"]["value"], abs=1e-6)


def test_a_run_with_averages_goes_on_with_the_same_bits(path, killed_after):
    whole = fit(path, "optimizer.layer_decay=0.7")
    with killed_after(3):
        fit(path, "optimizer.layer_decay=0.7")
    cut = Run(path.parent / "runs" / "small-002")
    fit(cut.config, resumed=cut)
    one, other = (store.load(run, "last").arrays for run in (whole, cut))
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []
    assert cut.read_summary()["test"] == whole.read_summary()["test"]
