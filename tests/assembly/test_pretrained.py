"""Training that begins with trained weights, and layers that stay as they are."""

import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.assembly.freezing import freeze
from dltrain.assembly.pretrained import load_pretrained, trained
from dltrain.checkpoints import store
from dltrain.checkpoints.layer_names import named_layers
from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.errors import ConfigError, RunError
from dltrain.features.class_label import ClassLabel
from dltrain.inference import evaluation
from dltrain.replication.reproduce import reproduce
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.resume import Resume

CNN = "{name: cnn, stages: [{filters: 4, batch_normalization: before, pool: max}, {filters: 6}], dense: [8]}"
BEFORE = f"""
dataset: {{name: synthetic, shape: [8, 8, 1], num_classes: 3, train_examples: 64, validation_examples: 0}}
model: {CNN}
train: {{epochs: 1, batch_size: 32}}
optimizer: {{name: adam}}
"""
AFTER = BEFORE.replace("num_classes: 3", "num_classes: 4, data_seed: 1").replace("epochs: 1", "epochs: 2")


def fit(path, *overrides, resumed=None):
    config = experiments.load(path, list(overrides))
    return Run(Path(trainer.fit(config, Reporter(quiet=True), path.parent / "runs", Resume(resumed))["run"]))


def arrays(run, name="last"):
    return store.load(run, name).arrays


@pytest.fixture(scope="module")
def before(tensorflow, tmp_path_factory):
    """A run on three classes."""
    path = tmp_path_factory.mktemp("transfer") / "before.yaml"
    path.write_text(BEFORE)
    return fit(path)


@pytest.fixture
def after(before):
    """A config for four classes, beside that run."""
    path = before.path.parent.parent / "after.yaml"
    path.write_text(AFTER)
    return path


def started(path, *overrides):
    """Returns the arrays of a run before its first step: with a learning rate of almost nothing."""
    frozen = ("optimizer={name: sgd, learning_rate: 1e-30}", "train={steps: 1, batch_size: 64}")
    return arrays(fit(path, *frozen, *overrides))


def test_a_run_begins_with_the_weights_of_another_and_a_head_of_its_own(before, after):
    old, new = arrays(before, "best"), started(after, "model.weights=before")
    names = [name for name in old if name.startswith("model/") and "seed" not in name]
    kernels = [name for name in names if not name.endswith(("mean", "variance"))]
    assert [name for name in kernels if not np.array_equal(old[name], new[name])] == kernels[-2:]
    assert (old[kernels[-2]].shape, new[kernels[-2]].shape) == ((8, 3), (8, 4))


@pytest.mark.parametrize(("names", "same"), [(("0", "1", "2"), True), (("a", "b", "c"), False)])
def test_the_head_stays_where_the_classes_are_the_same_and_not_where_only_their_number_is(before, names, same):
    network, spec, _ = trained(before)
    new = experiments.load(before.config).build_model(spec)
    load_pretrained(before.path, new, spec.with_target(ClassLabel(class_names=names)))
    first, last = ([np.asarray(model.layers[index].weights[0]) for model in (network, new)] for index in (2, -1))
    assert np.array_equal(*first)
    assert np.array_equal(*last) == same


def test_what_was_done_is_said_and_the_run_s_config_repeats_it(before, after):
    first = fit(after, "model.weights=before")
    assert re.search(
        r"model.weights: loaded the best weights of before-001 \(step 2\), all but logits, which starts at random: "
        r"the source has 3 outputs, the data have 4 other classes",
        first.log.read_text(),
    )
    assert f"weights: {before.path}" in first.config.read_text()
    again = fit(first.config)
    one, other = arrays(first), arrays(again)
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


@pytest.mark.parametrize("kind", ["checkpoint", "keras", "weights.h5"])
def test_a_file_gives_the_same_start_as_the_run(before, after, tmp_path, kind):
    path = {"checkpoint": before.checkpoints / "best.npz", "keras": before.model}.get(kind, tmp_path / "a.weights.h5")
    if kind == "weights.h5":
        trained(before)[0].save_weights(path)
    new, expected = started(after, f"model.weights={path}"), started(after, "model.weights=before")
    assert [name for name in new if not np.array_equal(new[name], expected[name])] == []


def test_frozen_layers_stay_to_the_bit_statistics_too_and_all_others_move(before, after):
    old = arrays(before, "best")
    run = fit(after, "model.weights=before", "model.freeze=[stage1*]", "optimizer.l2=0.1", "optimizer.weight_decay=0.1")
    new = arrays(run)
    same = [name for name in old if name.startswith("model/") and np.array_equal(old[name], new[name])]
    network, *_ = trained(run)
    named = store.named_variables(model=network.variables)
    held = [name for name, variable in named.items() if "stage1" in variable.path]
    assert len(held) == 5
    assert same == held
    assert run.read_summary()["parameters"] == 3 * 3 * 4 * 6 + 6 + 4 * 4 * 6 * 8 + 8 + 8 * 4 + 4


def test_a_run_with_frozen_layers_goes_on_with_the_same_bits_and_needs_no_source_any_more(
    before, after, killed_after, tmp_path
):
    settings = ("model.freeze=[stage1*]", "checkpoint.every_steps=1")
    source = tmp_path / "source.weights.h5"
    trained(before)[0].save_weights(source)
    whole = fit(after, *settings, f"model.weights={source}")
    with killed_after(3):
        fit(after, *settings, f"model.weights={source}")
    cut = Run(sorted(whole.path.parent.glob("after-*"))[-1])
    source.unlink()
    fit(cut.config, resumed=cut)
    assert evaluation.evaluate(cut, "test", "best", Reporter(quiet=True))["examples"] == 256
    one, other = arrays(whole), arrays(cut)
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.weights=nothing", r"model.weights must be a run or a file, got 'nothing': no run 'nothing'"),
        ("model.weights=no/such.weights.h5", r"model.weights must be a run or a file, but there is none at .*such.w"),
        ("model.freeze=[stage3*]", r"model.freeze\[0\] must be the name of a layer with weights, got .stage3.*stage"),
        ("model.freeze=['*']", "model.freeze must leave something to train"),
        (f"model.weights={__file__}", r"model.weights must be a run or a file, one that ends in .npz, .weights"),
        ("model.weights=/tmp", "model.weights must be a run or a file: /tmp is not a run: it contains no config.yaml"),
        ("model.dense=[9]", "layer dense1 is 96x9 and 9 in this network, 96x8 and 8 in the source"),
        ("model.dense=[8, 8]", 'have no layer dense2, did you mean "dense1"'),
        ("model.dense=[]", "have a layer dense1, which it does not have"),
        ("model.stages=[{filters: 4}, {filters: 6, pool: max}]", "stage1_convolution is 3x3x1x4 and 4 in this network"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_leaves_nothing(before, after, change, message):
    runs = sorted(before.path.parent.iterdir())
    with pytest.raises(ConfigError, match=message) as told:
        fit(after, "model.weights=before", change)
    assert "argument" in str(told.value) or "after.yaml:3" in str(told.value)
    assert sorted(before.path.parent.iterdir()) == runs


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        (
            "{name: cnn",
            "{name: cnn, weights: gone.weights.h5",
            0,
            "model.weights .* a run or a file, but there is none at",
        ),
        ("{name: cnn", "{name: cnn, weights: befor", 0, "model.weights .* got 'befor': no run 'befor'"),
        ("model:", "teacher: {run: gone/away}\nmodel:", 0, "teacher.run .* must be a run, but there is none at"),
        (
            "model:",
            "teacher: {run: after.yaml}\nmodel:",
            2,
            "after.yaml:3:16: teacher.run must be a run, got .*after.yaml",
        ),
        ("{name: cnn", "{name: cnn, weights: before", 0, None),
    ],
)
def test_what_training_begins_with_is_looked_for_by_check(before, after, old, new, code, words):
    after.write_text(AFTER.replace(old, new, 1))
    result = CliRunner().invoke(app, ["check", str(after), "--runs", str(before.path.parent), "--json"])
    (found,) = json.loads(result.stdout)["configs"]
    assert (result.exit_code, found["good"]) == (code, code == 0)
    said = found["problems"][0] if code else found["absent"]
    assert said is None if words is None else re.search(words, said)


def built_on(run):
    return json.loads(run.environment.read_text())["built_on"]


def test_a_run_records_what_it_began_from_so_that_a_repeat_can_tell_other_weights(before, after):
    source = before.path.parent / "source-001"
    shutil.copytree(before.path, source)
    run = fit(after, "model.weights=source")
    assert list(built_on(run)) == ["model.weights"]
    assert built_on(fit(after, "model.weights=before")) == built_on(run)
    assert built_on(fit(after, f"model.weights={before.checkpoints / 'best.npz'}")) == built_on(run)
    shutil.rmtree(source)
    other = after.with_name("other.yaml")
    other.write_text(BEFORE)
    shutil.copytree(fit(other, "seed=5").path, source)
    count = len([*run.path.parent.iterdir()])
    with pytest.raises(RunError, match="cannot be reproduced: the weights that model.weights names have changed since"):
        reproduce(run, run.path.parent, 0.02, Reporter(quiet=True))
    assert len([*run.path.parent.iterdir()]) == count
    kept = built_on(run)
    fit(run.config, "train.epochs=3", resumed=run)
    assert built_on(run) == kept


def weights_file(path, before, spoil):
    trained(before)[0].save_weights(path)
    with h5py.File(path, "r+") as file:
        spoil(file)
    return path


def _linked(file):
    del file["layers/conv2d/vars/0"]
    file["layers/conv2d/vars/0"] = h5py.ExternalLink("/etc/passwd", "/x")


def _linked_above(file):
    del file["layers"]
    file["layers"] = h5py.ExternalLink("/etc/passwd", "/x")


def _outside(file):
    del file["layers/conv2d/vars/0"]
    shape = (3, 3, 1, 4)
    file["layers/conv2d/vars"].create_dataset("0", shape, "f4", external=[("/etc/passwd", 0, 144)])


def _huge(file):
    del file["layers/conv2d/vars/0"]
    file["layers/conv2d/vars"].create_dataset("0", (1 << 40,), "f4", chunks=(1 << 20,))


def _empty(file):
    del file["layers/conv2d/vars/0"]
    file["layers/conv2d/vars"].create_dataset("0", data=h5py.Empty("f4"))


def _in_large_pieces(file):
    del file["layers/conv2d/vars/0"]
    settings = {"maxshape": (None,) * 4, "chunks": (4096, 4096, 1, 4), "compression": "gzip"}
    file["layers/conv2d/vars"].create_dataset("0", (3, 3, 1, 4), "f4", **settings)


def _deeper(file):
    file.copy("layers/dense", "layers/dense_2")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_linked, "layers/conv2d/vars/0 is a link"),
        (_outside, "layers/conv2d/vars/0 is kept in another file"),
        (_linked_above, "layers is a link"),
        (_empty, "layers/conv2d/vars/0 is empty"),
        (_in_large_pieces, "layers/conv2d/vars/0 is stored in pieces that are larger than it"),
        (_huge, "layer stage1_convolution is 3x3x1x4 in this network, 1099511627776 in the source"),
        (_deeper, "have a layer layers/dense_2, which it does not have"),
        (lambda file: file.pop("layers"), "it contains no layers"),
    ],
)
def test_a_file_of_weights_reads_nothing_else_and_is_of_this_network(before, after, tmp_path, spoil, message):
    path = weights_file(tmp_path / "bad.weights.h5", before, spoil)
    with pytest.raises(ConfigError, match=message):
        fit(after, f"model.weights={path}")


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5"])
def test_a_file_of_weights_that_is_damaged_is_refused_in_a_line(before, after, tmp_path, name):
    path = tmp_path / name
    if name == "a.keras":
        with zipfile.ZipFile(before.model) as good, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("model.weights.h5", good.read("model.weights.h5"))
    else:
        trained(before)[0].save_weights(path)
    good = path.read_bytes()
    for damage in (good[: len(good) // 2], good[:100] + bytes(500) + good[600:], b""):
        path.write_bytes(damage)
        with pytest.raises(ConfigError, match="model.weights .* cannot be used: "):
            fit(after, f"model.weights={path}")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="model.weights must be a run or a file|must be a regular file"):
        fit(after, f"model.weights={path}")


def test_a_keras_file_is_never_opened_as_a_model(before, after, tmp_path):
    path = tmp_path / "evil.keras"
    with zipfile.ZipFile(before.model) as good, zipfile.ZipFile(path, "w") as evil:
        evil.writestr("model.weights.h5", good.read("model.weights.h5"))
        evil.writestr("config.json", "no JSON at all")
    new, expected = started(after, f"model.weights={path}"), started(after, "model.weights=before")
    assert [name for name in new if not np.array_equal(new[name], expected[name])] == []


def test_layers_that_keras_named_are_counted_anew_in_each_network(tensorflow):
    import keras

    def network():
        inputs = keras.Input((4,))
        inner = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(3, name="last")], name="inner")
        x = inner(keras.layers.Dense(3)(keras.layers.Dense(3)(inputs)))
        return keras.Model(inputs, keras.layers.Dense(2, name="logits")(x))

    network()
    model = network()
    assert list(named_layers(model)) == ["dense", "dense_1", "inner/dense", "inner/last", "logits"]
    freeze(model, ("inner/*", "dense"))
    assert [name for name, layer in named_layers(model).items() if layer.trainable] == ["dense_1", "logits"]
