"""A run that trains matrices of a low rank beside pretrained weights, with layer decay: from fit to exports."""

from pathlib import Path

import numpy as np
import pytest

from dltrain.checkpoints import lineage, store
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.features._text import tokenizing
from dltrain.inference import exporting
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.resume import Resume

CONFIG = """
name: low
dataset: {name: text_table, path: data.csv, tokenizer: theirs, max_length: 12}
model:
  name: electra
  size: tiny
  heads: 2
  width: 16
  dense_width: 32
  positions: 12
  weights: theirs
  lora_rank: 2
optimizer: {name: adamw, learning_rate: 0.01, weight_decay: 0.01, layer_decay: 0.5}
train: {epochs: 1, batch_size: 16}
checkpoint: {every_steps: 1, keep: 9}
"""


def fit(folder, runs, resumed=None):
    config = experiments.load(folder / "low.yaml")
    return Run(Path(trainer.fit(config, Reporter(quiet=True), folder / runs, Resume(resumed))["run"]))


@pytest.fixture(scope="module")
def place(tensorflow, tmp_path_factory):
    """A folder with texts, a network in KerasHub's form that has their words, and a config."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("low")
    words = ["one", "two", "three", "four", "five", "six"]
    vocabulary = [*tokenizing.SPECIAL, *words]
    backbone = keras_hub.models.ElectraBackbone(
        vocab_size=len(vocabulary),
        num_layers=2,
        num_heads=2,
        hidden_dim=16,
        embedding_dim=64,
        intermediate_dim=32,
        max_sequence_length=12,
    )
    backbone.save_to_preset(str(folder / "theirs"))
    (folder / "theirs/vocab.txt").write_text("\n".join(vocabulary) + "\n")
    random = np.random.RandomState(0)
    rows = [" ".join(random.choice(words, random.randint(1, 9))) for _ in range(80)]
    (folder / "data.csv").write_text("text,label\n" + "".join(f"{row},{'one' in row}\n" for row in rows))
    (folder / "low.yaml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def run(place):
    return fit(place, "runs")


def test_only_low_ranks_and_what_stands_before_the_answer_move_each_layer_at_its_share(run):
    first, last = store.load_step(run, 1).arrays, store.load(run, "last").arrays
    weights = [name for name in sorted(first) if name.startswith("model/") and not name.endswith("state")]
    moved = [name for name in weights if not np.array_equal(first[name], last[name])]
    assert [name.split("-")[1] for name in moved] == ["a", "b"] * 4 + ["kernel", "bias"] * 2
    assert moved[-4:] == weights[-4:]
    # Adam's first step is as long as the rate, where gradients are no tiny ones; these matrices start at 0.
    of_values = [np.abs(first[name]).max() for name in weights if name.endswith("-b")][1::2]
    assert of_values[1] == pytest.approx(2 * of_values[0], rel=0.03)


def test_a_run_with_low_ranks_that_was_killed_ends_in_the_same_bits(place, run, killed_after):
    with killed_after(2):
        fit(place, "others")
    cut = Run(place / "others/low-001")
    fit(place, "others", resumed=cut)
    one, other = (store.load(each, "last").arrays for each in (run, cut))
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []
    assert cut.read_summary()["test"] == run.read_summary()["test"]


def test_the_exported_sums_answer_as_the_network(run, tmp_path):
    import keras

    names = ["keras", "onnx", "litert"]
    found = exporting.export(run, exporting.require(names), tmp_path, "best", Reporter(quiet=True))
    assert not found["refused"] and [entry["format"] for entry in found["exports"]] == names
    assert all(entry["examples"] and entry["difference"] <= entry["limit"] <= 1e-4 for entry in found["exports"])
    opened = keras.models.load_model(tmp_path / "model.keras")
    assert not [weight.path for weight in opened.weights if "lora" in weight.path]


def test_a_run_knows_whether_the_weights_that_it_began_with_have_changed(place, run):
    experiment = experiments.load(run.config, reads_data=False).experiment
    before = lineage.recorded(run)
    assert lineage.sources(experiment) == before and set(before) == {"model.weights"}
    file = place / "theirs/model.weights.h5"
    content = file.read_bytes()
    file.write_bytes(content + b" ")
    try:
        assert lineage.sources(experiment) != before
    finally:
        file.write_bytes(content)
