"""No command runs code that lies in the working directory beside a config: modules, settings of programs, caches."""

import hashlib
import json
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

CONFIG = """\
dataset: {name: iris}
model: {name: mlp, units: [4]}
optimizer: {name: sgd}
train: {epochs: 1, batch_size: 64}
tune: {trials: 1, space: {optimizer.learning_rate: {low: 0.01, high: 0.1}}}
"""
MODULES = sorted({*sys.stdlib_module_names, *packages_distributions(), "dltrain", "sitecustomize", "usercustomize"})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A stranger's folder, with a module of every name that is imported here, and settings that run a program."""
    place, owned = tmp_path / "stranger", tmp_path / "owned"
    place.mkdir()
    for name in MODULES:
        if name.isidentifier():
            (place / f"{name}.py").write_text(f"with open({str(owned)!r}, 'a') as file: file.write('{name} ')\n")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho program >> {owned}\n")
    program.chmod(0o755)
    for name in ("git", "nvidia-smi", "uname", "ptxas", "fc-list"):
        os.link(program, place / name)
    (place / ".git/refs/heads").mkdir(parents=True)
    (place / ".git/objects").mkdir()
    (place / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (place / ".git/refs/heads/main").write_text("0" * 40 + "\n")
    (place / ".git/config").write_text(f"[core]\n\trepositoryformatversion = 0\n\tfsmonitor = {program}\n")
    os.mkfifo(place / "matplotlibrc")  # to read it would take for ever
    (place / "net.yaml").write_text(CONFIG)
    monkeypatch.chdir(place)
    # The tests' own may be found by a variable that names the working directory of the tests.
    paths = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if Path(each).is_absolute()]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return place


def dltrain(*words):
    command = [str(Path(sys.executable).with_name("dltrain")), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_training_runs_nothing_of_the_folder(folder):
    dltrain("fit", "net.yaml")
    assert not (folder.parent / "owned").exists()
    environment = json.loads((folder / "runs/net-001/environment.json").read_text())
    assert environment["git"] == {"commit": "0" * 40, "dirty": None}


def test_neither_do_the_workers_of_launch_and_of_tune(folder):
    dltrain("launch", "-n", "2", "net.yaml", "report=false", "tune=none")
    dltrain("tune", "net.yaml")
    assert not (folder.parent / "owned").exists()


@pytest.mark.slow
def test_no_command_runs_anything_of_the_folder(folder):
    dltrain("fit", "net.yaml")
    for line in (
        "check net.yaml",
        "show net.yaml",
        "inspect net.yaml",
        "preview net.yaml",
        "plan net.yaml --workers 2",
        "devices",
        "list",
        "lr-find net.yaml",
        "bench net.yaml",
        "runs",
        "eval net-001",
        "report net-001",
        "verify net-001",
        "predict net-001 --split test",
        "fit net.yaml report=false",
        "compare net-001 net-002 --out c.html",
        "plot net-001",
        "logs net-001",
        "reproduce net-001",
        "export net-001 --format keras",
        "export net-001 --format onnx",
        "export net-001 --format litert",
        "fit --resume net-001 train.epochs=2",
        "schema",
        "datasets make wine_csv data",
        "init data/wine.csv --out own.yaml",
        "gc --yes",
    ):
        dltrain(*line.split())
        assert not (folder.parent / "owned").exists(), line


def test_a_strangers_folder_is_no_store_of_trust(folder, monkeypatch):
    """An environment variable that is relative would make it one: the specification says to ignore it."""
    (folder / "own.py").write_text("raise SystemExit('owned')\n")
    (folder / "net.yaml").write_text(f"plugins: [own.py]\n{CONFIG}")
    command = [str(Path(sys.executable).with_name("dltrain")), "check", "net.yaml"]
    digest = hashlib.sha256((folder / "own.py").read_bytes()).hexdigest()
    for variable in ("XDG_CACHE_HOME", "DLTRAIN_CACHE"):
        for place in ("dltrain/trusted", "trusted"):
            (folder / place).mkdir(parents=True, exist_ok=True)
            (folder / place / digest).touch()
        with monkeypatch.context() as patch:
            patch.setenv(variable, ".")
            done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 2
        assert "read it, then add --trust" in done.stderr and "owned" not in done.stderr
        assert done.stderr.count(f"{variable} must be an absolute path, got '.': it is ignored") == 1


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_store_of_trust_that_others_may_write_to_is_not_believed(folder, tmp_path, monkeypatch, mode):
    (folder / "own.py").write_text("")
    (folder / "net.yaml").write_text(f"plugins: [own.py]\n{CONFIG}")
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    dltrain("check", "net.yaml", "--trust")
    dltrain("check", "net.yaml")
    (tmp_path / "cache/trusted").chmod(mode)
    command = [str(Path(sys.executable).with_name("dltrain")), "check", "net.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and f"others may write into {tmp_path}/cache/trusted" in done.stderr
    dltrain("check", "net.yaml", "--trust")  # which is not remembered
    assert subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 2
