"""A run whose data were moved since: every command takes their new place, and goes without them where it can."""

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.runs.folder import Run
from dltrain.training import trainer

CONFIG = """
dataset: {{name: {dataset}, path: {path}}}
model: {{name: mlp, units: [4]}}
optimizer: {{name: sgd, learning_rate: 0.05}}
train: {{epochs: 1, batch_size: 8}}
report: false
"""
DATA = {"csv": "rows.csv, target: kind", "npz": "arrays.npz", "image_folder": "photos, size: 6"}
WITH_DATA = {
    "eval": ("eval", "RUN"),
    "predict": ("predict", "RUN", "--split", "test"),
    "report": ("report", "RUN"),
    "verify": ("verify", "RUN", "--steps", "2"),
    "reproduce": ("reproduce", "RUN", "--runs", "AGAIN"),
    "export": ("export", "RUN", "--format", "keras", "-o", "OUT"),
    "resume": ("fit", "--resume", "RUN", "train.epochs=2", "-q"),
}


def write(path):
    labels, random = np.arange(60) % 2, np.random.RandomState(0)
    if path.suffix == ".npz":
        np.savez(path, x=random.standard_normal((60, 3)).astype(np.float32), y=labels)
    elif path.suffix == ".csv":
        rows = [f"{number:.6},{'rgb'[row % 3]},{labels[row]}" for row, number in enumerate(random.standard_normal(60))]
        path.write_text("\n".join(["size,colour,kind", *rows]))
    else:
        for row, label in enumerate(labels):
            file = path / "ab"[label] / f"{row}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(random.randint(0, 256, (6, 6, 3)).astype(np.uint8)).save(file)


@pytest.fixture(scope="module", params=DATA)
def trained(request, tensorflow, tmp_path_factory):
    """A run whose data are no longer where they were, and where they are now."""
    folder = tmp_path_factory.mktemp("moved")
    (folder / "old").mkdir()
    path = folder / "old" / DATA[request.param].partition(",")[0]
    write(path)
    (folder / "old" / "small.yaml").write_text(CONFIG.format(dataset=request.param, path=DATA[request.param]))
    config = experiments.load(folder / "old" / "small.yaml")
    run = Run(Path(trainer.fit(config, Reporter(quiet=True), folder / "old" / "runs")["run"]))
    shutil.move(folder / "old", folder / "new")
    return Run(folder / "new" / "runs" / run.name), folder / "new" / path.name


@pytest.fixture
def moved(trained, tmp_path):
    """A copy of the run, so that no test sees another's changes."""
    run, data = trained
    shutil.copytree(run.path, tmp_path / "runs" / run.name)
    return Run(tmp_path / "runs" / run.name), data


def dltrain(run, words, *more):
    places = {"RUN": str(run.path), "OUT": str(run.path.parent / "out"), "AGAIN": str(run.path.parent / "again")}
    return CliRunner().invoke(app, [*(places.get(word, word) for word in words), *more])


@pytest.mark.parametrize("command", WITH_DATA)
def test_a_command_takes_the_new_place_of_the_data(moved, reports, command):
    run, data = moved
    done = dltrain(run, WITH_DATA[command], f"dataset.path={data}")
    assert done.exit_code == 0, done.output
    assert "have changed" not in done.output
    if command == "resume":
        assert str(data) in run.config.read_text()


def test_resuming_on_other_data_at_the_new_place_is_refused(moved, tmp_path):
    run, data = moved
    if data.suffix != ".csv":
        pytest.skip("one kind of data will do")
    other = tmp_path / "rows.csv"
    other.write_text(data.read_text().replace(",r,", ",g,"))
    done = dltrain(run, WITH_DATA["resume"], f"dataset.path={other}")
    assert done.exit_code == 2
    assert "the training data have changed since" in done.output


def test_an_export_needs_no_data(moved):
    run, _ = moved
    done = dltrain(run, ("export", "RUN", "--format", "keras", "--format", "litert-int8", "-o", "OUT"))
    assert done.exit_code == 1, done.output
    assert "compared on values at the edges alone" in done.output
    assert "litert-int8: needs the run's data" in done.output
    out = run.path.parent / "out"
    assert (out / "model.keras").is_file()
    (noted,) = json.loads((out / "exports.json").read_text())["files"].values()
    assert noted["examples"] == 0 < noted["edge_cases"]
    card = (out / "MODEL_CARD.md").read_text()
    assert "The data were not at hand when the card was written" in card
    assert all(part in card for part in run.read_summary()["data"].values())


def test_a_report_without_data_says_what_is_missing_and_replaces_none_that_says_more(moved, reports):
    run, data = moved
    done = dltrain(run, ("report", "RUN", "--json"))
    assert done.exit_code == 0, done.output
    (missing,) = json.loads(done.stdout)["missing"]
    assert "lacks the results of network and data: " in missing
    assert str(data.name) in missing
    page = run.report.read_text()
    assert "dltrain report" in missing and "dataset.path=" in missing
    assert dltrain(run, ("report", "RUN"), f"dataset.path={data}").exit_code == 0
    fuller = run.report.read_text()
    assert len(fuller) > len(page)
    again = dltrain(run, ("report", "RUN"))
    assert again.exit_code == 2
    assert "dataset.path=" in again.output
    assert run.report.read_text() == fuller


@pytest.mark.parametrize("command", ["export", "report", "verify", "serve", "reproduce", "eval"])
def test_what_was_trained_is_not_overridden(moved, command):
    run, _ = moved
    words = ("--format", "keras") if command == "export" else ()
    done = dltrain(run, (command, "RUN", *words, "model.units=[3]"))
    assert done.exit_code == 2
    assert f"model.units=[3]: {command} overrides only dataset.KEY" in done.output
