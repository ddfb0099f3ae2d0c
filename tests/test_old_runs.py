"""Folders of runs that earlier versions left: what was said of them then is said of them now."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dltrain.cli import app

FOLDERS = sorted(path.parent for path in (Path(__file__).parent / "old_runs").glob("*/*/said.json"))


@pytest.fixture(params=FOLDERS, ids=lambda folder: "-".join(folder.parts[-2:]))
def old(request, tmp_path, monkeypatch):
    """Returns the name of a run in ./runs, and what its version said of it."""
    shutil.copytree(request.param, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return f"{request.param.name}-001", json.loads(Path("said.json").read_text())


def ask(*words):
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def alike(value, within=1e-6):
    """Returns JSON as something that JSON of the same words and of nearly the same numbers equals."""
    if isinstance(value, dict):  # what is right was called the truth
        return {"actual" if key == "truth" else key: alike(each, within) for key, each in value.items()}
    if isinstance(value, list):
        return [alike(each, within) for each in value]
    return pytest.approx(value, rel=within, abs=within) if isinstance(value, float) else value


WITHIN = {"folder": 0.02}
"""How far numbers may be beside what was said, 1e-6 otherwise: 0.1.0 shrank image files without antialiasing."""


def test_there_is_a_run_of_each_kind_of_data():
    assert {folder.name for folder in FOLDERS} == {"arrays", "folder", "images", "labels", "numbers", "table"}


def test_it_measures_and_answers_as_it_did(tensorflow, old):
    run, said = old
    said = alike(said, WITHIN.get(run.removesuffix("-001"), 1e-6))
    assert ask("eval", run, "--json") == said["eval"]
    asked = ask("predict", run, said["asked"], "--json")["predictions"]
    answers = ask("predict", run, "--split", "test", "--json")["predictions"][: len(said["test"])]
    for answer in (*asked, *answers):
        answer.pop("notices", None)  # which version 0.1.0 did not have
    assert asked == said["predict"]
    for answer in answers:
        answer["input"] = answer["input"].removeprefix(f"{Path.cwd()}/")
    assert answers == said["test"]


def test_it_goes_on_and_is_exported(tensorflow, old):
    run, _ = old
    done = CliRunner().invoke(app, ["fit", "--resume", run, "train.epochs=3", "--json", "--quiet"])
    if done.exit_code == 2:  # refused: the run stays, and what to do is said in one sentence, the last
        assert "start a new run: dltrain fit CONFIG" in done.stderr.strip().splitlines()[-1]
    else:
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["epochs"] == 3
    ask("export", run, "--format", "keras", "--json")
    assert (Path("runs") / run / "exports" / "model.keras").is_file()
