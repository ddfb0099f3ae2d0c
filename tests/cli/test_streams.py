"""Standard streams that are closed or full, a working directory that is gone, and names that no file can have."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import dltrain
from dltrain.cli import app
from dltrain.config.schema import field_types
from dltrain.registry import DATASETS
from dltrain.runs.folder import replacing

COMMANDS = {
    "runs": 0,
    "check a.yaml": 0,
    "check --json a.yaml": 0,
    "check wrong.yaml": 2,
    "show a.yaml --no-layers": 0,
    "show nothing": 2,
    "logs a-001": 0,
    "list model": 0,
    "gc --yes": 0,
    "--version": 0,
    "serve --help": 0,
    "nosuch": 2,
}
"""Each with its exit code."""

CLOSED = (">&-", "2>&-", "<&-", "2>/dev/full", ">&- 2>&-", ">&- 2>&- <&-")
TAIL = """\
optimizer: {name: sgd, learning_rate: 0.1}
train: {epochs: 1}
"""
CONFIG = "dataset: {name: digits}\nmodel: {name: mlp}\n" + TAIL


@pytest.fixture
def here(make_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run("a-001")
    (tmp_path / "a.yaml").write_text(CONFIG)
    (tmp_path / "wrong.yaml").write_text("dataset: 1\n")
    return tmp_path


def typed(here, words, streams=""):
    """Returns the exit code, and what stood on streams that are open."""
    line = f"{sys.executable} -m dltrain {words} {streams}"
    done = subprocess.run(["sh", "-c", line], cwd=here, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stdout + done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_does_the_same_whatever_became_of_its_streams(here, words):
    assert {streams: typed(here, words, streams)[0] for streams in CLOSED} == dict.fromkeys(CLOSED, COMMANDS[words])


@pytest.mark.parametrize("words", [words for words in COMMANDS if COMMANDS[words] == 0 and words != "gc --yes"])
def test_results_that_cannot_be_written_are_a_failure_that_is_said(here, words):
    code, said = typed(here, words, ">/dev/full")
    assert code == 1
    assert "standard output: cannot be written: No space left on device; the command ended there" in said


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns a folder with a config, its run and an input."""
    place = tmp_path_factory.mktemp("trained")
    (place / "b.yaml").write_text("dataset: {name: iris}\nmodel: {name: mlp, units: [4]}\n" + TAIL)
    (place / "x.csv").write_text("sepal length,sepal width,petal length,petal width\n5,3,1,0.2\n")
    assert typed(place, "fit b.yaml -q")[0] == 0
    return place


TRAINED = (
    "fit b.yaml", "fit b.yaml --json", "eval b-001", "predict b-001 x.csv", "predict b-001 x.csv --format csv",
    "predict b-001 x.csv --json", "export b-001 --format keras", "report b-001", "lr-find b.yaml", "preview b.yaml",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("words", TRAINED)
def test_a_command_of_a_network_does_the_same_whatever_became_of_its_streams(trained, words):
    assert typed(trained, words, ">&- 2>&- <&-")[0] == 0
    assert typed(trained, words, "2>/dev/full >/dev/null")[0] == 0
    code, said = typed(trained, words, ">/dev/full")
    assert code == 1
    assert "standard output: cannot be written: No space left on device; the command ended there" in said


def test_no_file_takes_the_place_of_a_stream(here):
    """The first file that is opened would get the number of a stream that is closed, and the words that go there."""
    script = (
        "import os\nfrom dltrain.streams import settle\nsettle()\n"
        "file = os.open('a.bin', os.O_WRONLY | os.O_CREAT)\nos.write(1, b'words')\nprint('words')\nassert file > 2\n"
    )
    (here / "script.py").write_text(script)
    line = f"exec {sys.executable} script.py >&- 2>&- <&-"
    environment = {**os.environ, "PYTHONPATH": str(Path(dltrain.__file__).parents[1])}
    assert subprocess.run(["sh", "-c", line], cwd=here, timeout=60, env=environment).returncode == 0
    assert (here / "a.bin").read_bytes() == b""


@pytest.mark.parametrize("words", ["runs", "check a.yaml", "init cnn", "show a", "schema --plugins a.py"])
def test_a_working_directory_that_is_gone_is_a_message_at_most(tmp_path, words):
    gone = tmp_path / "gone"
    gone.mkdir()
    line = f"rmdir {gone}; exec {sys.executable} -m dltrain {words}"
    done = subprocess.run(["sh", "-c", line], cwd=gone, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
    if words in ("init cnn", "schema --plugins a.py"):
        assert "the working directory was removed: change to another one" in done.stderr


LONG = "x" * 300
FORMS = [
    *([command, f"{LONG}.yaml"] for command in ("check", "fit", "inspect", "lr-find", "bench", "tune", "preview")),
    *([command, LONG] for command in ("show", "logs", "plot", "report", "eval", "verify", "reproduce", "serve")),
    *(["fit", "--resume", LONG], ["fit", "a.yaml", "--runs", LONG], ["rm", LONG], ["rm", f"{LONG}/a-001"]),
    *(["predict", LONG, "a.png"], ["export", LONG, "--format", "keras"], ["compare", LONG, "a-001"]),
    *(["runs", "--runs", LONG], ["gc", "--runs", LONG], ["show", "a-001", "--runs", LONG]),
    *(["plot", "a-001", "--out", f"{LONG}.png"], ["compare", "a-001", "a-001", "--out", f"{LONG}.html"]),
    *(["init", LONG], ["init", "cnn", "-o", f"{LONG}.yaml"], ["schema", f"{LONG}.yaml"]),
    *(["schema", "--plugins", f"{LONG}.py", "--trust"], ["datasets", "make", "glyphs", LONG]),
    *(["show", "--explain", f"{LONG}.yaml"], ["launch", "-n", "2", f"{LONG}.yaml"]),
    ["plan", f"{LONG}.yaml", "--workers", "2"],
    *(["show", "a.yaml", "--no-layers", each] for each in (f"plugins=[{LONG}.py]", f"name={LONG}")),
    ["show", "a.yaml", "--no-layers", f"dataset={{name: csv, path: {LONG}.csv, target: a}}"],
    ["show", "a.yaml", "--no-layers", f"model.weights={LONG}.npz"],
]


@pytest.mark.parametrize("words", FORMS, ids=lambda words: " ".join(words).replace(LONG, "LONG"))
def test_a_name_that_no_file_can_have_is_told(here, words):
    told = CliRunner().invoke(app, words)
    assert isinstance(told.exception, SystemExit), told.exc_info
    assert told.exit_code == 2, told.output
    assert LONG in told.stderr
    assert "Traceback" not in told.output


def paths_of_datasets():
    """Yields the blocks of a dataset that name a file, each by every key that does."""
    for name in DATASETS.names():
        cls = DATASETS[name]
        needed = [field.name for field in dataclasses.fields(cls) if field.default is field.default_factory]
        for key, kind in field_types(cls).items():
            if "Path" in str(kind):
                keys = dict.fromkeys([*needed, key], LONG)
                yield f"{{name: {name}, {', '.join(f'{each}: {value}' for each, value in keys.items())}}}"


KEYS = [
    *(f"dataset={block}" for block in paths_of_datasets()),
    *(f"model.weights={LONG}{suffix}" for suffix in ("", ".npz", ".keras", ".weights.h5")),
    *(f"teacher={{run: {LONG}}}", f"dataset={{name: text_table, path: a.yaml, tokenizer: {LONG}}}"),
    *(f"plugins=[{LONG}.py]", f"name={LONG}", f"name={'x' * 251}"),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.replace(LONG, "LONG")[:70])
@pytest.mark.parametrize("command", ["show", "fit"])
def test_a_key_with_a_name_that_no_file_can_have_is_told(here, command, key):
    if LONG not in key and command == "show":
        pytest.skip("what it shows is no file")
    told = CliRunner().invoke(app, [command, "a.yaml", key, *(["--no-layers"] if command == "show" else ["-q"])])
    assert isinstance(told.exception, SystemExit), told.exc_info
    assert told.exit_code == 2, told.output
    assert "x" * 200 in told.stderr
    assert "Traceback" not in told.output


@pytest.mark.parametrize("variable", ["DLTRAIN_CACHE", "XDG_CACHE_HOME", "HOME", "KERAS_HOME"])
def test_a_variable_with_a_name_that_no_file_can_have_ends_no_command(here, variable, monkeypatch):
    monkeypatch.setenv(variable, f"/{LONG}")
    assert CliRunner().invoke(app, ["check", "a.yaml"]).exit_code == 0
    assert CliRunner().invoke(app, ["runs"]).exit_code == 0


def test_a_base_with_a_name_that_no_file_can_have_is_told(here):
    (here / "b.yaml").write_text(f"base: {LONG}.yaml\n")
    told = CliRunner().invoke(app, ["check", "b.yaml"])
    assert told.exit_code == 2
    assert "b.yaml:1:7: base must be an existing YAML file, got 'xxx" in told.stderr


@pytest.mark.parametrize("stem", ["x" * 251, "\u00e9" * 125 + "x"])
def test_a_file_of_the_longest_name_is_written(here, stem):
    with replacing(here / f"{stem}.npz") as aside:
        aside.write_text("good")
    assert (here / f"{stem}.npz").read_text() == "good"
