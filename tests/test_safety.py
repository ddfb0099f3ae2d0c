"""What comes from strangers - a config, data, a run folder - runs no code, writes nowhere else, steers no terminal."""

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from dltrain.checkpoints import store
from dltrain.cli import app
from dltrain.errors import CheckpointError, printable
from dltrain.runs import folder

GOOD = """\
dataset: {name: digits}
model: {name: mlp, units: [4]}
optimizer: {name: sgd}
train: {epochs: 1, batch_size: 64}
"""
EVIL = "\x1b]0;owned\x07[red]\x1b[2J\u202e"


def refused(path):
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.stderr


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("!!python/object/apply:os.system ['touch owned']", "tags such as"),
        ("plugins: [./mine.py]\n" + GOOD, "mine.py cannot be read"),
        (GOOD + "name: ../../owned\n", "name must consist of letters"),
        (GOOD.replace("name: mlp", "name: os.system"), "no model 'os.system'"),
        (GOOD.replace("{name: digits}", "{name: dltrain.datasets.digits}"), "no dataset"),
        (GOOD.replace("name: mlp", f'name: "{EVIL.encode("unicode_escape").decode()}"'), "no model"),
        ("a: &a [x, x]\nb: &b [*a, *a]\n" + "".join(f"c{i}: &c{i} [{'*b, ' * 9}*b]\n" for i in range(999)), "values"),
        ("[" * 100_000, "deeper than"),
    ],
    ids=["tag", "plugins", "name", "class path", "module path", "escapes", "bomb", "depth"],
)
def test_a_strangers_config_runs_nothing_and_is_refused_in_words(tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stranger.yaml").write_text(text)
    message = refused("stranger.yaml")
    assert words in message
    assert "\x1b" not in message
    assert [path.name for path in tmp_path.iterdir()] == ["stranger.yaml"]


def test_a_run_writes_nothing_outside_its_folder(tmp_path):
    """With a home, a cache, a place for temporary files and a working directory of its own, looked at afterwards."""
    places = {"HOME": "home", "XDG_CACHE_HOME": "cache", "TMPDIR": "temporary", "KERAS_HOME": "keras"}
    for place in [*places.values(), "work"]:
        (tmp_path / place).mkdir()
    (tmp_path / "work/stranger.yaml").write_text(GOOD)
    environment = {**os.environ, **{name: str(tmp_path / place) for name, place in places.items()}}
    command = [sys.executable, "-B", "-m", "dltrain", "fit", "stranger.yaml", "-q"]
    subprocess.run(command, cwd=tmp_path / "work", env=environment, check=True, capture_output=True)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    outside = {name for name in written if not name.startswith("work/runs/stranger-001/")}
    # Keras notes its defaults where KERAS_HOME says, or in the home; Matplotlib in the cache which fonts there are.
    fonts = {name for name in outside if name.startswith("cache/matplotlib/fontlist-")}
    assert outside - fonts <= {"work/stranger.yaml", "keras/keras.json"}


def npy(array, **settings):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **settings)
    return file.getvalue()


def lying_header(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.getvalue() + b"\0" * 16


_HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"-" * 9000 + b"1,)}\n"
MINUSES = b"\x93NUMPY\x01\x00" + len(_HEADER).to_bytes(2, "little") + _HEADER


@pytest.mark.parametrize(
    ("content", "compression", "words"),
    [
        (npy(np.zeros(10**6, np.float32)), zipfile.ZIP_DEFLATED, "one is compressed"),
        (npy(np.array([print], object), allow_pickle=True), zipfile.ZIP_STORED, "holds Python objects"),
        (lying_header((10**12,)), zipfile.ZIP_STORED, "does not have the size that its header states"),
        (lying_header((10**30, 0)), zipfile.ZIP_STORED, "does not have the size that its header states"),
        (lying_header((-4,)), zipfile.ZIP_STORED, "is damaged"),
        (MINUSES, zipfile.ZIP_STORED, "is damaged"),
    ],
    ids=["compressed", "pickled", "too large", "overflowing", "negative", "minuses"],
)
def test_a_checkpoint_made_to_harm_is_refused_before_it_is_read(tmp_path, content, compression, words):
    run = folder.create(tmp_path, "a")
    state = json.dumps({"variables": ["model/0000"], "state": {"step": 1}}).encode()
    with zipfile.ZipFile(run.last_checkpoint, "w", compression) as archive:
        archive.writestr("model/0000.npy", content)
        archive.writestr("dltrain.json.npy", npy(np.frombuffer(state, np.uint8)))
    with pytest.raises(CheckpointError, match=words):
        store.load(run, "last")


def test_names_in_data_reach_the_terminal_and_the_log_as_text(tmp_path, monkeypatch, capsys):
    from dltrain.console import Reporter

    monkeypatch.chdir(tmp_path)
    np.savez("data.npz", x=np.zeros((4, 2)), y=np.array([EVIL, "b"] * 2), x_test=np.zeros((1, 2)), y_test=["\x1b[31m"])
    (tmp_path / "own.yaml").write_text(GOOD.replace("{name: digits}", "{name: npz, path: data.npz}"))
    assert "\x1b" not in refused("own.yaml")
    reporter = Reporter()
    reporter.log_to(tmp_path / "log.txt")
    reporter.say(f"a class is called {EVIL} and \udcff")
    log = (tmp_path / "log.txt").read_text()
    assert log == "a class is called \\x1b]0;owned\\x07[red]\\x1b[2J\\u202e and \\udcff\n"
    assert capsys.readouterr().err == log


def test_text_stays_text():
    assert printable("Größe 3\n\tok") == "Größe 3\n\tok"
