"""What --resume and reproduce refuse, they refuse at once, and say what to type instead."""

import contextlib
import json
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.console import Reporter
from dltrain.engine.compiled_loop import Engine
from dltrain.runs.folder import Run
from dltrain.runs.selection import change_lines

CONFIG = """\
dataset: {name: npz, path: a.npz, test_fraction: 0.25, validation_fraction: 0.25}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.05}
train: {epochs: 3, batch_size: 8}
report: false
"""


def write(folder, shift=0.0):
    inputs = np.random.RandomState(0).standard_normal((48, 3)).astype(np.float32) + np.float32(shift)
    np.savez(folder / "a.npz", x=inputs, y=np.arange(48) % 2)


@pytest.fixture
def here(tensorflow, tmp_path, monkeypatch):
    """A folder with a config, its data and a finished run."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path)
    (tmp_path / "small.yaml").write_text(CONFIG)
    assert dltrain("fit", "small.yaml", "-q").exit_code == 0
    return tmp_path


def dltrain(*words):
    return CliRunner().invoke(app, list(words))


def refused(*words):
    result = dltrain(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.stderr


@pytest.mark.parametrize("status", ["finished", "interrupted"])
def test_a_run_cannot_end_before_what_it_has_done(here, status):
    run = Run(here / "runs/small-001")
    run.summary.write_text(json.dumps(run.read_summary() | {"status": status}))
    before = run.read_metrics()
    message = refused("fit", "--resume", "small", "train.epochs=2")
    assert (
        "train.epochs must be at least 3 to resume runs/small-001, which has done 9 steps, 3 an epoch; got 2" in message
    )
    message = refused("fit", "--resume", "small", "train.epochs=none", "train.steps=8")
    assert "train.steps must be at least 9" in message
    assert run.read_metrics() == before
    assert dltrain("fit", "--resume", "small", "train.epochs=3").exit_code == 0


def test_another_batch_size_is_refused_with_what_to_type_instead(here):
    for words in ((), ("--force",)):
        message = refused("fit", "--resume", "small", "train.batch_size=4", "train.epochs=4", *words)
        assert "a step must see 8 examples as before, got 4: this cannot change" in message
        assert "dltrain fit CONFIG model.weights=runs/small-001" in message
    assert dltrain("fit", "--resume", "train.batch_size=4", "train.accumulate_steps=2", "train.epochs=4").exit_code == 0
    assert dltrain("fit", "small.yaml", "train.batch_size=4", "model.weights=runs/small-001", "-q").exit_code == 0


def test_changes_are_said_as_yaml(here):
    words = ("early_stopping={patience: 9}", "train.epochs=4")
    said = dltrain("fit", "--resume", *words)
    assert said.exit_code == 0, said.output
    assert "changed  early_stopping.patience: none -> 9" in said.stderr
    assert "changed" in (here / "runs/small-001/log.txt").read_text()
    shown = dltrain("show", "small-001").stdout
    assert "after step 9: train.epochs: 3 -> 4" in shown
    assert "{" not in "".join(line for line in shown.splitlines() if line.startswith("changed"))
    flip = [{"name": "flip", "axis": None}]
    assert change_lines({"augment": ([], flip)}) == ["augment: [] -> [{name: flip, axis: none}]"]
    assert change_lines({"a": (True, "x" * 99)}) == [f"a: true -> {'x' * 60}..."]


def test_auto_resumes_the_run_that_a_config_describes_not_the_newest_of_its_name(here):
    assert dltrain("fit", "small.yaml", "optimizer.learning_rate=0.5", "-q").exit_code == 0
    again = dltrain("fit", "small.yaml", "--resume", "auto")
    assert again.exit_code == 0, again.output
    assert "--resume auto: runs/small-001 has this config, runs/small-002 another" in again.stderr
    assert "runs/small-001 is finished" in again.stderr
    newest = dltrain("fit", "small.yaml", "--resume", "auto", "optimizer.learning_rate=0.5", "train.epochs=4")
    assert "resuming after step 9" in newest.stderr
    assert "runs/small-002" in newest.stderr


def test_what_cannot_be_reproduced_is_said_before_anything_is_trained(here, monkeypatch):
    def trained(*_):
        raise AssertionError("was trained")

    run = Run(here / "runs/small-001")
    summary = run.read_summary()
    with monkeypatch.context() as patch:
        patch.setattr(Engine, "train", trained)
        changes = [{"step": 6, "optimizer.learning_rate": [0.1, 0.05]}]
        run.summary.write_text(json.dumps(summary | {"changes": changes}))
        message = refused("reproduce", "small")
        assert "cannot be reproduced: optimizer.learning_rate changed when the run resumed after step 6" in message
        run.summary.write_text(json.dumps(summary))
        write(here, shift=1.0)
        assert "cannot be reproduced: its train and validation and test data have changed" in refused(
            "reproduce", "small"
        )
        write(here)
        last = run.last_checkpoint.read_bytes()
        run.last_checkpoint.write_bytes(b"PK")
        assert "is damaged" in refused("reproduce", "small")
        run.last_checkpoint.unlink()
        run.last_checkpoint.write_bytes(last)
    assert [path.name for path in (here / "runs").iterdir()] == ["small-001"]
    safe = [{"step": 6, "train.epochs": [2, 3]}]
    run.summary.write_text(json.dumps(summary | {"changes": safe}))
    assert dltrain("reproduce", "small", "-q").exit_code == 0


class Closed:
    """A pipe that nobody reads."""

    encoding = "utf-8"

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self):
        raise BrokenPipeError(32, "Broken pipe")

    def isatty(self):
        return False

    def fileno(self):
        return 2


def test_a_reader_that_goes_away_ends_no_run(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stderr", Closed())
    reporter = Reporter()
    reporter.log_to(tmp_path / "log.txt")
    with reporter:
        reporter.say("one")
        reporter.warn("two")
    assert (tmp_path / "log.txt").read_text() == "one\nwarning: two\n"


def test_a_full_disk_behind_standard_output_is_one_line(monkeypatch, capsys):
    full = open("/dev/full", "w")  # noqa: SIM115, PTH123  to close it fails
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            app(["list", "task"])
    with contextlib.suppress(OSError):
        full.close()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("standard output: cannot be written: No space left on device")
    assert "Traceback" not in said
