"""Every format answers as Keras does, in the runtime that it is for, or nothing of it stays."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.checkpoints import store
from dltrain.checkpoints.training_state import TrainingState
from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.errors import ConfigError, UserError
from dltrain.exports.keras import Keras
from dltrain.inference import exporting
from dltrain.registry import EXPORTS
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.wording import metric

TAIL = "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 1, batch_size: 64}\n"
RUNS = {
    "cnn": "dataset: {name: digits}\nmodel: {name: cnn, stages: [{filters: 4, kernel_size: 3, batch_normalization: "
    "before, pool: max}], dense: [8]}\n",
    "resnet": "dataset: {name: digits}\nmodel: {name: resnet, depth: 8}\n",
    "vit": "dataset: {name: digits}\nmodel: {name: vit, patch_size: 4, width: 16, depth: 1, heads: 2}\n",
    "averaged, mixed": "dataset: {name: digits}\nmodel: {name: mlp, units: [8]}\n",
    "table": "dataset: {name: csv, path: table.csv, target: y, one_hot_up_to: 5}\nmodel: {name: mlp, units: [8]}\n",
    "labels": "dataset: {name: csv, path: table.csv, target: [a, b]}\nmodel: {name: mlp, units: [8]}\n",
    "numbers": "dataset: {name: csv, path: table.csv, target: x, ignore: [y]}\nmodel: {name: mlp, units: [8]}\n",
}
RECURRENT = (
    "dataset: {name: digits}\nmodel: {name: graph, layers: [{layer: Reshape, target_shape: [8, 8]}, "
    "{layer: LSTM, units: 4}]}\n"
)
FORMATS = [name for name in EXPORTS.names() if EXPORTS[name].agreement is None and not EXPORTS[name].holds_vectors]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tensorflow):
    """Returns a function that trains a network, each once."""
    made = {}

    def get(name):
        if name not in made:
            folder = tmp_path_factory.mktemp("run")
            rows = [
                f"{row / 10},{'abc'[row % 3]},m{row % 17},{row % 2},{row // 2 % 2},{'yn'[row % 2]}"
                for row in range(200)
            ]
            (folder / "table.csv").write_text("\n".join(["x,few,many,a,b,y", *rows]))
            text = {**RUNS, "recurrent": RECURRENT}[name] + TAIL
            if "mixed" in name:
                text = text.replace("rate: 0.01", "rate: 0.01, ema_momentum: 0.9").replace(
                    "64}", "64, precision: mixed_bfloat16}"
                )
            (folder / "one.yaml").write_text(text)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("dltrain.training.trainer.report_at_end", lambda *_: None)
                summary = trainer.fit(experiments.load(folder / "one.yaml"), Reporter(quiet=True), folder / "runs")
            made[name] = Run(Path(summary["run"]))
        return made[name]

    return get


def need(name):
    """Returns a format, or skips the test where its runtime is not here."""
    for module in EXPORTS[name].needs:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed: pip install 'dltrain[{EXPORTS[name].extra}]'")
    return exporting.require([name])


def export(run, name, place, **settings):
    return exporting.export(run, need(name), place, "best", Reporter(quiet=True), **settings)


def reference(run):
    """Returns the run's network in float32, with the weights that it is measured with, and its test part."""
    config = experiments.load(run.config, ["train.precision=float32"])
    saved = store.load(run, "best")
    spec = TrainingState.of(saved).spec
    model = config.build_model(spec)
    store.restore_network(saved, model)
    dataset = config.experiment.dataset
    return model, dataset.load(spec).test, spec


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", RUNS)
def test_a_format_answers_as_keras_does_for_each_example(runs, tmp_path, kind, name):
    run = runs(kind)
    found = export(run, name, tmp_path, probabilities=False)
    assert not found["refused"]
    (entry,) = found["exports"]
    assert entry["difference"] <= entry["limit"] <= (1e-4 if name == "litert" else 1e-5)
    model, test, _ = reference(run)
    inputs = np.asarray(test.inputs[:40], np.float32)
    wanted = np.asarray(model(inputs, training=False))
    got = EXPORTS[name]().answers(Path(entry["path"]), {"inputs": inputs})
    assert (np.abs(got - wanted) / np.maximum(1, np.abs(wanted))).max() <= entry["limit"]


@pytest.mark.parametrize("name", FORMATS)
def test_classes_come_with_probabilities_unless_logits_are_asked_for(runs, tmp_path, name):
    found = export(runs("cnn"), name, tmp_path)
    model, test, _ = reference(runs("cnn"))
    inputs = np.asarray(test.inputs[:3], np.float32)
    got = EXPORTS[name]().answers(Path(found["exports"][0]["path"]), {"inputs": inputs})
    np.testing.assert_allclose(got.sum(axis=1), 1, rtol=1e-5)
    assert (got.argmax(axis=1) == np.asarray(model(inputs)).argmax(axis=1)).all()


def test_labels_end_in_a_sigmoid_and_numbers_in_their_units(runs, tmp_path):
    (entry,) = export(runs("labels"), "keras", tmp_path)["exports"]
    model, test, _ = reference(runs("labels"))
    got = Keras().answers(Path(entry["path"]), {"inputs": test.inputs})
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-np.asarray(model(test.inputs)))), rtol=1e-5)
    (entry,) = export(runs("numbers"), "keras", tmp_path)["exports"]
    model, test, _ = reference(runs("numbers"))
    np.testing.assert_allclose(
        Keras().answers(Path(entry["path"]), {"inputs": test.inputs}), np.asarray(model(test.inputs))
    )


def test_without_normalization_the_network_takes_what_the_card_says(runs, tmp_path):
    (entry,) = export(runs("cnn"), "keras", tmp_path, probabilities=False, normalization=False)["exports"]
    model, test, spec = reference(runs("cnn"))
    inputs = np.asarray(test.inputs[:8], np.float32)
    normalized = (inputs - spec.input.mean) / spec.input.standard_deviation
    got = Keras().answers(Path(entry["path"]), {"inputs": normalized})
    np.testing.assert_allclose(got, np.asarray(model(inputs)), rtol=1e-4, atol=1e-4)
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert f"| 0 | {spec.input.mean[0]} | {spec.input.standard_deviation[0]} |" in card
    with pytest.raises(UserError, match="--no-normalization"):
        export(runs("table"), "keras", tmp_path, normalization=False)


def test_eight_bits_answer_as_before_nineteen_times_of_twenty(runs, tmp_path):
    found = export(runs("resnet"), "litert-int8", tmp_path)
    (entry,) = found["exports"]
    assert entry["agreement"] >= 0.95 and entry["examples"] == 359
    model, test, _ = reference(runs("resnet"))
    inputs = np.asarray(test.inputs[:60], np.float32)
    got = EXPORTS["litert-int8"]().answers(Path(entry["path"]), {"inputs": inputs})
    assert (got.argmax(axis=1) == np.asarray(model(test.inputs[:60])).argmax(axis=1)).mean() >= 0.9


@pytest.mark.parametrize(("shift", "agreement"), [(1e-4, None), (float("nan"), None), (-5.0, 0.95)])
def test_what_answers_otherwise_does_not_stay(runs, tmp_path, monkeypatch, shift, agreement):
    honest = Keras.answers
    (tmp_path / "model.keras").write_text("from before")

    def answers(self, path, inputs):
        found = honest(self, path, inputs)
        return found + shift if agreement is None else found[:, ::-1]

    monkeypatch.setattr(Keras, "answers", answers)
    if agreement is not None:
        monkeypatch.setattr(Keras, "agreement", agreement, raising=False)
    done = CliRunner().invoke(app, ["export", str(runs("cnn").path), "--format", "keras", "-o", str(tmp_path)])
    assert done.exit_code == 1 and "keras: its outputs differ from the network's, so it was removed" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["model.keras"]
    assert (tmp_path / "model.keras").read_text() == "from before"


def test_what_a_killed_export_left_is_removed_by_the_next(runs, tmp_path):
    (tmp_path / ".saved_model.999999999").mkdir()
    (tmp_path / ".model.999999999.onnx").write_text("half")
    (tmp_path / ".mine").write_text("kept")
    export(runs("cnn"), "keras", tmp_path)
    assert sorted(file.name for file in tmp_path.glob(".*")) == [".mine"]


def test_a_format_that_cannot_hold_the_network_says_so_in_a_line(runs, tmp_path, monkeypatch):
    def write(*_):
        raise TypeError("no such\noperation")

    monkeypatch.setattr(Keras, "write", write)
    done = CliRunner().invoke(app, ["export", str(runs("cnn").path), "--format", "keras", "-o", str(tmp_path)])
    assert done.exit_code == 1 and done.stderr.splitlines()[-1] == "keras: cannot represent this network: no such"
    assert not [*tmp_path.iterdir()]


def test_a_recurrent_network_leaves_no_litert_file_and_is_whole_in_the_others(runs, tmp_path):
    for name in ("litert", "litert-int8"):
        found = export(runs("recurrent"), name, tmp_path)
        assert "no layers that step through a sequence" in found["refused"][name]
        assert not [*tmp_path.iterdir()]
    for name in ("keras", "saved_model", "onnx"):
        assert export(runs("recurrent"), name, tmp_path)["exports"][0]["difference"] <= 1e-5


def test_an_unknown_format_and_an_absent_runtime_are_said_before_anything_is_done(monkeypatch):
    with pytest.raises(ConfigError, match="no format 'onxx', did you mean \"onnx\""):
        exporting.require(["onxx"])
    monkeypatch.setattr(exporting, "find_spec", lambda module: None)
    with pytest.raises(UserError, match=r"tflite|litert.* needs ai_edge_litert: pip install 'dltrain\[litert\]'"):
        exporting.require(["tflite"])
    assert [type(each).__name__ for each in exporting.require(["keras", "saved_model", "keras"])] == [
        "Keras",
        "SavedModel",
    ]


def test_the_terminal_shows_results_alone(runs, tmp_path):
    names = [name for name in EXPORTS.names() if not EXPORTS[name].holds_vectors]
    names = [name for name in names if all(find_spec(module) for module in EXPORTS[name].needs)]
    words = [word for name in names for word in ("--format", name)]
    command = [
        sys.executable,
        "-m",
        "dltrain",
        "export",
        str(runs("cnn").path),
        *words,
        "-o",
        str(tmp_path),
        "-q",
        "--json",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["format"] for each in json.loads(done.stdout)["exports"]] == names


def test_the_card_says_what_goes_in_and_comes_out_and_where_it_ends(runs, tmp_path):
    export(runs("cnn"), "keras", tmp_path)
    export(runs("cnn"), "saved_model", tmp_path)
    card = (tmp_path / "MODEL_CARD.md").read_text()
    summary = runs("cnn").read_summary()
    for words in (
        "`inputs`: float32, (batch, 8, 8, 1): height, width, channels (grey); values raw, 0 to 255.",
        "`outputs`: float32, (batch, 10): the probability of each class; they sum to 1.",
        "| model.keras | keras |", "| saved\\_model | saved\\_model |", "| 3 | 3 |",
        f"| test | 359 | this network | {metric(summary['test']['loss'])} | {metric(summary['test']['accuracy'])} |",
        "the most frequent class |", summary["data"]["train"], "(Wilson)",
    ):  # fmt: skip
        assert words in card
    export(runs("cnn"), "keras", tmp_path, probabilities=False)
    assert (
        "Not described here, because weights, inputs or outputs differ: saved\\_model."
        in (tmp_path / "MODEL_CARD.md").read_text()
    )


def test_a_format_that_is_wrong_about_an_unknown_category_alone_does_not_stay(runs, tmp_path, monkeypatch):
    """No row of the data has one."""
    honest = Keras.answers

    def answers(self, path, inputs):
        return honest(self, path, inputs) + 1e-3 * (inputs["inputs"][:, -2:] == 0).any(axis=1, keepdims=True)

    monkeypatch.setattr(Keras, "answers", answers)
    found = export(runs("table"), "keras", tmp_path, probabilities=False)
    assert "its outputs differ from the network's" in found["refused"]["keras"]
    assert "on 32 examples and 7 edge cases" in found["refused"]["keras"]


def test_edge_cases_are_asked_of_every_format_and_named_on_the_card(runs, tmp_path):
    found = export(runs("cnn"), "litert-int8", tmp_path)
    (entry,) = found["exports"]
    assert (entry["edge_cases"], entry["examples"]) == (3, 359)
    assert entry["words"].endswith(f", {entry['agreeing_edge_cases']} of 3 edge cases")
    assert entry["words"] in (tmp_path / "MODEL_CARD.md").read_text()
