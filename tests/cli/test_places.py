"""Problems of `plugins` and `device` name file, line and column, as those of all other keys do."""

import os

import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.errors import ConfigError, KeyProblem

CONFIG = """\
dataset: {name: digits}
model: {name: mlp}
optimizer: {name: sgd, learning_rate: 0.1}
train: {epochs: 1}
"""


@pytest.mark.parametrize(
    ("plugins", "column", "words"),
    [
        ("[/dev/zero]", 11, "plugins[0]: /dev/zero must be a Python file whose name is a word"),
        ("[/dev/zero.d/a.py]", 11, "plugins[0]: /dev/zero.d/a.py cannot be read: No such file"),
        ("[pipe.py]", 11, "pipe.py cannot be read: must be a regular file, is a named pipe"),
        ("[large.py]", 11, "large.py cannot be read: has 1,099,511,627,776 bytes or more"),
        ("[wrong.py]", 11, "wrong.py:1: in <module>: ZeroDivisionError"),
        ("[good.py, wrong.py]", 20, "plugins[1]: "),
        ("[json.py]", 11, "has the name of the module json"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_told_with_its_line(tmp_path, monkeypatch, plugins, column, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    os.mkfifo("pipe.py")
    with (tmp_path / "large.py").open("wb") as file:
        file.truncate(2**40)
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    (tmp_path / "good.py").write_text("")
    (tmp_path / "json.py").write_text("")
    (tmp_path / "a.yaml").write_text(f"{CONFIG}plugins: {plugins}\n")
    told = CliRunner().invoke(app, ["check", "--trust", "a.yaml"])
    assert told.exit_code == 2
    assert f"a.yaml:5:{column}: plugins[" in told.stderr
    assert words in told.stderr


def test_the_question_for_trust_names_the_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.py").write_text("1 / 0\n")
    (tmp_path / "a.yaml").write_text(f"{CONFIG}plugins: [mine.py]\n")
    told = CliRunner().invoke(app, ["check", "a.yaml"])
    assert told.exit_code == 2
    assert "a.yaml:5:10: plugins: a.yaml runs code from" in told.stderr


def test_a_device_that_is_not_there_is_told_with_its_line(tmp_path, monkeypatch):
    from dltrain.assembly import data
    from dltrain.config import experiment
    from dltrain.console import Reporter
    from dltrain.engine import device

    def absent(*_):
        raise KeyProblem("device", ": gpu:7 was requested, but there is no GPU")

    monkeypatch.setattr(device, "start", absent)
    (tmp_path / "a.yaml").write_text(f"{CONFIG}device: gpu:7\n")
    for overrides, place in (([], "a.yaml:5:9: device: gpu:7"), (["device=gpu:7"], "'device=gpu:7': device: gpu:7")):
        config = experiment.load(tmp_path / "a.yaml", overrides)
        with pytest.raises(ConfigError, match=place):
            data.start(config, Reporter(quiet=True))
