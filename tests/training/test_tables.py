"""Tables, trained to the end: what is stored opens elsewhere, and a run that goes on is the same run."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.checkpoints import store
from dltrain.checkpoints.training_state import TrainingState
from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.engine import feeds
from dltrain.engine.compiled_loop import Engine
from dltrain.errors import UserError
from dltrain.inference import evaluation
from dltrain.runs.folder import Run
from dltrain.training import trainer
from dltrain.training.resume import Resume

CONFIG = """
dataset: {name: csv, path: table.csv, target: y, one_hot_up_to: 5}
model: {name: mlp, units: [8], dropout: 0.2}
optimizer: {name: adam, learning_rate: 0.01}
train: {epochs: 3, batch_size: 32}
checkpoint: {every_steps: 4}
"""
HEADERS = {
    "numbers": "x,z",
    "one-hot": "few",
    "embedded": "many",
    "mixed": "x,few,z,many,day,said",
}


def cells(row):
    return {
        "x": row / 10,
        "z": "" if row % 9 == 0 else (row * 7) % 50,
        "few": "abc"[row % 3],
        "many": "" if row % 11 == 0 else f"m{row % 17}",
        "day": f"2020-0{row % 9 + 1}-{row % 28 + 1:02} {row % 24}:30",
        "said": f"words of {'joy' if row % 2 else 'grief'} and more {row}",
    }


@pytest.fixture
def config_path(tmp_path):
    """Returns a function that writes a table of some columns and the config of it."""

    def write(header, target=lambda row: row % 2 + row % 3 // 2):
        rows = [f"{header},y"]
        rows += [
            ",".join([*(str(cells(row)[name]) for name in header.split(",")), str(target(row))]) for row in range(260)
        ]
        (tmp_path / "table.csv").write_text("\n".join(rows))
        path = tmp_path / "small.yaml"
        path.write_text(CONFIG)
        return path

    return write


def fit(path, *overrides, resumed=None):
    config = experiments.load(path, list(overrides))
    return Run(Path(trainer.fit(config, Reporter(quiet=True), path.parent / "runs", Resume(resumed))["run"]))


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_model_keras_opens_with_keras_alone_and_gives_the_same(tensorflow, config_path, tmp_path, header, kind):
    run = fit(config_path(header), f"dataset.kind={kind}", "train.epochs=1")
    config = experiments.load(run.config).experiment
    test = config.dataset.load().test
    saved = store.load(run, "best")
    model = config.model.build(TrainingState.of(saved).spec)
    store.restore(saved, store.named_variables(model=model.variables))
    np.savez(tmp_path / "test.npz", x=test.inputs, y=np.asarray(model(test.inputs)))
    script = (
        "import sys, keras, numpy as np\n"
        "saved = np.load(sys.argv[2])\n"
        "got = keras.models.load_model(sys.argv[1]).predict(saved['x'], verbose=0)\n"
        "np.testing.assert_allclose(got, saved['y'], rtol=1e-4, atol=1e-4)\n"
        "assert not any(name.startswith('dltrain') for name in sys.modules)\n"
    )
    command = [sys.executable, "-c", script, str(run.model), str(tmp_path / "test.npz")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("streamed", [False, True], ids=["resident", "streamed"])
@pytest.mark.parametrize(
    "settings",
    [(), ("dataset.kind=numbers",), ("dataset.weight=x", "task={name: classification, class_weights: balanced}")],
    ids=["classes", "numbers", "weights"],
)
def test_a_run_on_a_table_that_was_cut_ends_with_the_same_bits(
    tensorflow, config_path, monkeypatch, settings, streamed
):
    if streamed:
        monkeypatch.setattr(feeds, "RESIDENT_BYTES", 0)
    path = config_path(HEADERS["mixed"])
    whole = fit(path, *settings)
    original = Engine.train

    class Killed(BaseException):
        pass

    def train(self, feed, done, count):
        if done + count > 9:
            raise Killed
        return original(self, feed, done, count)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Engine, "train", train)
        fit(path, *settings)
    cut = Run(path.parent / "runs" / "small-002")
    assert store.load(cut, "last").state["step"] == 8
    fit(cut.config, resumed=cut)
    for name in ("last", "best"):
        one, other = (store.load(run, name).arrays for run in (whole, cut))
        assert one.keys() == other.keys()
        assert [key for key in one if not np.array_equal(one[key], other[key])] == []


def test_rows_of_weight_nought_are_not_learnt_from(tensorflow, config_path, tmp_path):
    path = config_path("x,few")
    rows = [line.split(",") for line in (tmp_path / "table.csv").read_text().splitlines()[1:]]
    weighted = [(x, few, y, number % 2) for number, (x, few, y) in enumerate(rows)]
    spoilt = [(x, few, y if weight else 1 - int(y), weight) for x, few, y, weight in weighted]
    settings = ("dataset.weight=w", "dataset.test_fraction=0", "dataset.validation_fraction=0", "train.epochs=1")
    found = []
    for table in (weighted, spoilt):
        text = "\n".join(["x,few,y,w", *(",".join(map(str, row)) for row in table)])
        (tmp_path / "table.csv").write_text(text)
        found.append(store.load(fit(path, *settings), "last").arrays)
    first, second = found
    assert all(np.array_equal(first[key], second[key]) for key in first if key.startswith("model/"))


def test_labels_and_several_numbers_are_trained(tensorflow, config_path, tmp_path):
    path = config_path("x,few,z", target=lambda row: f"{row % 2},{int(row % 3 == 0)}")
    text = (tmp_path / "table.csv").read_text().replace(",y\n", ",a,b\n", 1)
    (tmp_path / "table.csv").write_text(text)
    summary = fit(path, "dataset.target=[a,b]").read_summary()
    assert summary["test"].keys() == {"loss", "auc", "accuracy", "f1"}
    summary = fit(path, "dataset.target=[a,b]", "dataset.kind=numbers").read_summary()
    assert summary["test"].keys() == {"loss", "mae", "rmse", "r2"}


def test_a_line_is_learnt(tensorflow, config_path):
    path = config_path("x,z", target=lambda row: 1000 + 20 * row + 0.5)
    settings = (
        "model={name: mlp, units: []}",
        "train.epochs=60",
        "optimizer.learning_rate=0.1",
        "checkpoint.every_steps=none",
    )
    assert fit(path, *settings).read_summary()["test"]["r2"] > 0.999


@pytest.mark.parametrize("bad", ["x,y\n1,2,3\n", "x,y\n1,\n", "", "x,x\n1,2\n", "x,Y\n1,2\n", "x,y\n\xff,1\n"])
def test_a_bad_table_ends_with_one_message_and_exit_code_2(config_path, tmp_path, monkeypatch, capsys, bad):
    path = config_path("x,z")
    (tmp_path / "table.csv").write_bytes(bad.encode("latin-1"))
    for command in ("check", "fit"):
        monkeypatch.setattr(sys, "argv", ["dltrain", command, str(path)])
        with pytest.raises(SystemExit) as stopped:
            app()
        assert stopped.value.code == 2
        said = "".join(capsys.readouterr())
        assert "Traceback" not in said
        assert f"{path}:2:" in said
        assert "dataset." in said


def test_what_was_learnt_is_in_the_checkpoint(tensorflow, config_path):
    run = fit(config_path(HEADERS["mixed"]), "train.epochs=1")
    spec = TrainingState.of(store.load(run, "best")).spec
    assert spec == experiments.load(run.config).experiment.dataset.load().spec
    assert json.loads(json.dumps([column.name for column in spec.input.columns]))[:3] == ["x", "z", "z missing"]


def test_other_data_are_measured_with_what_was_learnt_of_the_training_part(tensorflow, config_path, tmp_path):
    path = config_path(HEADERS["mixed"])
    run = fit(path)
    rows = (tmp_path / "table.csv").read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join([rows[0], *(row for row in rows[1:] if row.endswith(",1"))][:30]))
    other = [f"dataset.path={tmp_path / 'other.csv'}"]
    result = evaluation.evaluate(run, None, "best", Reporter(quiet=True), other)
    assert (result["split"], result["examples"]) == ("all", 29)
    (tmp_path / "table.csv").unlink()  # what is measured needs nothing of what was trained on
    assert evaluation.evaluate(run, None, "best", Reporter(quiet=True), other)["metrics"] == result["metrics"]

    network = keras_model(run)
    state = TrainingState.of(store.load(run, "best"))
    inputs = experiments.load(run.config, other, reads_data=False).experiment.dataset
    inputs = dataclasses.replace(inputs, test_fraction=0.0, validation_fraction=0.0).load(state.spec).train
    predicted = np.asarray(network(inputs.inputs)).argmax(axis=1)
    assert result["metrics"]["accuracy"] == pytest.approx((predicted == inputs.targets).mean())


def keras_model(run):
    import keras

    return keras.models.load_model(run.model)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda rows: [row.replace(",1", ",7") for row in rows], "has a class that the run does not know: '7'"),
        (lambda rows: [row.split(",", 1)[1] for row in rows], "no column 'x', which the run was trained on"),
        (lambda rows: rows[:1], "other.csv"),
    ],
    ids=["an unknown class", "a column less", "no rows"],
)
def test_other_data_that_do_not_fit_are_refused(tensorflow, config_path, tmp_path, bad, words):
    run = fit(config_path("x,z"))
    rows = (tmp_path / "table.csv").read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join(bad(rows)))
    with pytest.raises(UserError, match=words):
        evaluation.evaluate(run, None, "last", Reporter(quiet=True), [f"dataset.path={tmp_path / 'other.csv'}"])


def test_only_data_and_device_are_changed_to_measure(config_path):
    result = CliRunner().invoke(app, ["eval", "small", "optimizer.learning_rate=1", "model.units=[3]"])
    assert result.exit_code == 2
    assert "optimizer.learning_rate=1: eval overrides only dataset.KEY" in result.stderr
    assert "model.units=[3]: eval overrides" in result.stderr
    result = CliRunner().invoke(app, ["eval", str(config_path("x"))])
    assert result.exit_code == 2
    assert "eval needs a RUN, got the CONFIG" in result.stderr
