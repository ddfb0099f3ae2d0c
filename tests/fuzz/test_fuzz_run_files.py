"""Files of a run damaged at random: the commands that read them show the run, or say what is wrong; others stand."""

import contextlib
import json
import os
import shutil
import socket
import sys
from pathlib import Path

import fresh
import pytest
import yaml
from kinds import changed_member
from mutations import mutated
from typer.testing import CliRunner
from values import changed

CONFIG = """\
name: small
dataset: {name: iris}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.1}
train: {epochs: 2, batch_size: 64}
report: false
"""
READING = (
    ("runs",), ("runs", "--json"), ("runs", "--sort", "best"), ("runs", "--where", "model=mlp"), ("show", "bad-001"),
    ("show", "bad-001", "--json"), ("logs", "bad-001"), ("plot", "bad-001"), ("compare", "small-001", "bad-001"),
    ("show", "bad-001", "--explain"), ("compare", "small-001", "bad-001", "--no-png", "--json"), ("gc",),
)  # fmt: skip
"""Commands that start no TensorFlow."""
RUNNING = (
    ("report", "bad-001", "-q"), ("eval", "bad-001", "-q"), ("fit", "--resume", "bad-001", "-q", "train.epochs=2"),
    ("predict", "bad-001", "x.csv", "-q"), ("verify", "bad-001", "-q"),
    ("export", "bad-001", "--format", "keras", "-q"),
)  # fmt: skip
FILES = ("config.yaml", "summary.json", "metrics.csv", "environment.json", "log.txt", "checkpoints/last.npz")
FILES += ("checkpoints/best.npz", ".lock", "exports/exports.json")


def told(*words):
    """Returns how a command ended, which is never a traceback."""
    from dltrain.cli import app

    result = CliRunner().invoke(app, [*words], env={"COLUMNS": "200"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1, 2), result.output[-2000:]
    assert "Traceback" not in result.output, result.output[-2000:]
    return result


def other(rng, path):
    """Puts something else in the place of a file."""
    good = path.read_bytes()
    way = rng.random()
    if way < 0.1:
        path.unlink()
        instead = rng.choice((os.mkfifo, os.mkdir, bound, lambda path: path.symlink_to("/dev/zero"), endless, sparse))
        if instead is not None:
            instead(path)
        return
    if path.suffix == ".npz":
        path.write_bytes(changed_member(rng, good))
    elif path.suffix == ".json" and way < 0.7:
        path.write_text(json.dumps(changed(rng, json.loads(good))))
    elif path.suffix == ".yaml" and way < 0.7:
        path.write_bytes(yaml.safe_dump(changed(rng, yaml.safe_load(good)), sort_keys=False).encode())
    elif path.suffix == ".csv" and way < 0.7:
        rows = [line.split(",") for line in good.decode().splitlines()]
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = str(changed(rng, rng.choice((1, 0.5, "x"))))
        path.write_bytes(
            "\n".join(map(",".join, [*rows, []])).encode(errors="surrogateescape" if way < 0.2 else "replace")
        )
    else:
        path.write_bytes(mutated(rng, good))


def bound(path):
    """Makes a socket."""
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path.name)  # which must be short


def endless(path):
    """Makes a link to itself."""
    path.symlink_to(path.name)


def sparse(path):
    """Makes a file of 40 GB that takes no room."""
    with path.open("wb") as file:
        file.truncate(40 * 2**30)


def trained():
    """Trains the small run, and makes one of it that was interrupted after its first epoch."""
    Path("small.yaml").write_text(CONFIG)
    assert told("fit", "small.yaml", "-q").exit_code == 0
    assert told("export", "small-001", "--format", "keras", "-q").exit_code == 0
    Path("x.csv").write_text("sepal length,sepal width,petal length,petal width\n5,3,1,0.2\n")
    good, cut = Path("runs/small-001"), Path("good")
    shutil.copytree(good, cut)
    shutil.copyfile(cut / "checkpoints/step-00000001.npz", cut / "checkpoints/last.npz")
    for path in cut.glob("checkpoints/step-*.npz"):
        path.unlink()
    lines = (cut / "metrics.csv").read_text().splitlines(keepends=True)
    (cut / "metrics.csv").write_text("".join(lines[:2]))
    summary = json.loads((cut / "summary.json").read_text())
    (cut / "summary.json").write_text(json.dumps({**summary, "status": "interrupted", "epochs": 1}, indent=2))
    return cut


def main(commands):
    from dltrain.importing import import_tensorflow

    import_tensorflow()
    good = trained()
    bad = Path("runs/bad-001")

    def attempt(rng, noted):
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(good, bad)
        changes = [rng.choice(FILES) for _ in range(rng.choice((1, 1, 2)))]
        for name in dict.fromkeys(changes):
            other(rng, bad / name)
            path = bad / name
            noted += [name, path.read_bytes()[:1000] if path.is_file() and path.stat().st_size < 10**6 else "special"]
        words = rng.choice(commands)
        noted.append(words)
        went = told(*words).exit_code
        assert "small-001" in told("runs").output
        return f"{words[0]} {went}"

    fresh.hunt(attempt)


@pytest.mark.parametrize(("commands", "count"), [("reading", 100), ("running", 25)])
def test_damaged_files_of_a_run_are_shown_or_refused_in_words(tmp_path, commands, count):
    fresh.batch(__file__, tmp_path, 0, count, commands)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize(("commands", "count"), [("reading", 2_500), ("running", 300)])
def test_thousands_of_damaged_files_of_a_run_are_shown_or_refused_in_words(tmp_path, commands, count, seed):
    fresh.batch(__file__, tmp_path, seed, count, commands, seconds=3600)


if __name__ == "__main__" and len(sys.argv) == 4:
    main({"reading": READING, "running": RUNNING}[sys.argv[3]])
