"""A run whose files are no files, no text, or of the wrong kind is shown as damaged, and breaks nothing for others."""

import json
import os
import subprocess

import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.runs.folder import Run

DEEP = "[" * 100_000


def changed(**keys):
    """Returns a summary in which some values are others."""
    return json.dumps({"status": "finished", "epochs": 3, "seconds": 1.5, **keys})


def nested(levels):
    value = "x"
    for _ in range(levels):
        value = {"a": value}
    return json.dumps({"status": "finished", "undefined": value})


DAMAGES = {
    "empty config": ("config.yaml", ""),
    "config of brackets": ("config.yaml", DEEP),
    "config that is text": ("config.yaml", "hello"),
    "config of bytes": ("config.yaml", b"\xff\xfe\0"),
    "config with a number as key": ("config.yaml", "? [a]\n: b"),
    "summary of brackets": ("summary.json", DEEP),
    "summary of objects": ("summary.json", '{"a":' * 100_000),
    "summary that is nothing": ("summary.json", "null"),
    "summary of many levels": ("summary.json", nested(900)),
    "summary of bytes": ("summary.json", b"\xff\xfe\0"),
    "summary with a long number": ("summary.json", changed(epochs=10**4000)),
    "seconds that are a list": ("summary.json", changed(seconds=[1])),
    "a column that is a list": ("summary.json", changed(monitor={"column": ["a"], "larger_is_better": True})),
    "a best that is no number": ("summary.json", changed(best={"monitor": "loss", "value": "x", "epoch": 1})),
    "changes of nothing": ("summary.json", changed(changes=[1])),
    "a change without a step": ("summary.json", changed(changes=[{"a": [1, 2]}])),
    "a change of three values": ("summary.json", changed(changes=[{"a": [1, 2, 3], "step": 1}])),
    "reasons that are a list": ("summary.json", changed(undefined={"test": ["x"]})),
    "data that are a list": ("summary.json", changed(data={"test": ["x"]})),
    "metrics of a long cell": ("metrics.csv", "epoch,step\n1," + "1" * 200_000 + "\n2,2\n"),
    "metrics of bytes": ("metrics.csv", b"\xff\xfe\0"),
    "metrics with a broken number": ("metrics.csv", "epoch,step,loss\n1,1,0.5\n2,2,0.4x\n"),
    "metrics without steps": ("metrics.csv", "a,b\n1,2\n"),
}


@pytest.fixture(params=[*DAMAGES, *(f"a pipe as {name}" for name in ("config.yaml", "summary.json", "metrics.csv"))])
def damaged(request, make_run, tmp_path, monkeypatch):
    """Returns a damaged run beside two good ones."""
    monkeypatch.chdir(tmp_path)
    make_run("good-001")
    make_run("good-002", accuracies=(0.4, 0.8), rate=0.02)
    run = make_run("bad-001", saved=False)
    if request.param in DAMAGES:
        name, content = DAMAGES[request.param]
        path = run.path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    else:
        path = run.path / request.param.rpartition(" ")[2]
        path.unlink()
        os.mkfifo(path)
    return run, path.name


def asked(*words, code=0):
    """Returns what a command says."""
    result = CliRunner().invoke(app, [*words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert result.exit_code == code, result.output
    return result


def test_a_damaged_run_is_told_with_its_file_and_the_others_stand(damaged):
    run, file = damaged
    told = asked("runs")
    assert f"bad-001: damaged: runs/bad-001/{file}:" in told.stderr
    assert "good-001" in told.stdout
    listed = {each["name"]: each["status"] for each in json.loads(asked("runs", "--json").stdout)["runs"]}
    assert listed == {"good-001": "finished", "good-002": "finished", "bad-001": "damaged"}
    for order in ("best", "name", "model", "time", "epochs", "status", "test.accuracy", "optimizer.learning_rate"):
        assert "good-001" in asked("runs", "--sort", order).stdout
    assert "good-001" in asked("runs", "--where", "model=mlp").stdout
    assert "finished" in asked("show", "good-001").stdout
    assert "epoch 1/3" in asked("logs").stdout
    assert "optimizer.learning_rate" in asked("compare", "good-001", "good-002", "--no-png").stdout


def test_a_damaged_run_is_refused_by_name_where_it_is_asked_for(damaged):
    run, file = damaged
    for command in (["show", "bad-001"], ["plot", "bad-001"], ["compare", "good-001", "bad-001", "--no-png"]):
        assert f"runs/bad-001/{file}" in asked(*command, code=2).stderr
    if file != "config.yaml":  # which says what to evaluate
        assert "epoch 1/3" in asked("logs", "bad-001").stdout


@pytest.mark.parametrize("command", [("gc", "--yes"), ("rm", "bad-001", "--yes")])
def test_a_damaged_run_is_removed(damaged, command):
    asked(*command)
    assert not damaged[0].path.exists()
    assert Run(damaged[0].path.parent / "good-001").config.is_file()


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a link"])
def test_a_lock_that_is_no_file_keeps_nobody_from_removing_the_run(make_run, tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    lock = make_run("bad-001", saved=False).lock
    {"a pipe": os.mkfifo, "a folder": os.mkdir, "a link": lambda path: path.symlink_to("/dev/zero")}[kind](lock)
    assert "bad-001" in asked("runs").stdout
    asked("rm", "bad-001", "--yes")
    assert not lock.parent.exists()


def test_a_log_that_is_no_file_is_refused(make_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make_run("bad-001")
    run.log.unlink()
    os.mkfifo(run.log)
    assert "log.txt: cannot be read: must be a regular file, is a named pipe" in asked("logs", "bad-001", code=2).stderr


@pytest.mark.parametrize("name", ["log.txt", "metrics.csv", "checkpoints/last.npz", "figures/a.png"])
def test_a_run_is_not_resumed_into_what_is_no_file(make_run, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = make_run("bad-001").path / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert f"{name}: is neither a file nor a folder" in asked("fit", "--resume", "bad-001", code=2).stderr


def test_folders_within_each_other_are_counted_and_listed_however_deep_they_are(
    make_run, tmp_path, monkeypatch, request
):
    monkeypatch.chdir(tmp_path)
    run = make_run("deep-001", saved=False, status="failed")
    request.addfinalizer(lambda: subprocess.run(["rm", "-rf", str(run.path)], check=True))  # Python's own cannot
    here = os.open(run.path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert "deep-001" in asked("runs").stdout
    assert "config.yaml" in asked("show", "deep-001").stdout
    told = CliRunner().invoke(app, ["rm", "deep-001", "--yes"])
    assert told.exit_code in (0, 2), told.exc_info
    assert isinstance(told.exception, SystemExit | None)
    assert asked("runs").exit_code == 0
