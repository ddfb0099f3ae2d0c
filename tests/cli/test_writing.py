"""`dltrain schema` and `dltrain init`: what helps to write a config."""

import json
import sys

import pytest
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from dltrain import plugins
from dltrain.cli import app
from dltrain.registry import KINDS

PLUGIN = '''\
from dltrain.registry import MODELS

print("a plugin speaks")


@MODELS.register("{name}")
class Tiny:
    """A tiny network.

    Args:
        width: of it.
    """

    width: int = 3

    def build(self, data):
        ...
'''


def dltrain(*words):
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    before = {registry: registry.known() for registry in KINDS if registry.names() is not None}
    yield tmp_path
    for registry, known in before.items():
        registry.forget_all_but(known)
    for path in list(plugins.loaded):
        del plugins.loaded[path], sys.modules[path.stem]
    plugins.trusts_all = False


def test_the_schema_is_json_alone_on_standard_output(here):
    result = dltrain("schema")
    assert result.exit_code == 0, result.output
    Draft7Validator.check_schema(json.loads(result.stdout))


@pytest.mark.parametrize(
    ("name", "words"), [("tiny_a", ["mine.yaml"]), ("tiny_b", ["--plugins", "tiny.py"]), ("tiny_c", ["derived.yaml"])]
)
def test_the_schema_knows_plugins(here, name, words):
    (here / "tiny.py").write_text(PLUGIN.format(name=name))
    (here / "mine.yaml").write_text("plugins: [tiny.py]\n")
    (here / "derived.yaml").write_text("base: mine.yaml\n")
    refused = dltrain("schema", *words)
    assert refused.exit_code == 2
    assert "read it, then say --trust" in refused.stderr
    result = dltrain("schema", *words, "--trust")
    assert result.exit_code == 0, result.output
    assert "a plugin speaks" in result.stderr
    validator = Draft7Validator(json.loads(result.stdout))
    config = {"base": "a.yaml", "model": {"name": name, "width": 4}}
    assert validator.is_valid(config)
    assert not validator.is_valid({**config, "model": {"name": name, "width": "four"}})
    assert not validator.is_valid({**config, "model": {"name": "other.Net"}})


def test_without_plugins_a_class_of_the_users_is_taken_as_it_is():
    validator = Draft7Validator(json.loads(dltrain("schema").stdout))
    assert validator.is_valid({"base": "a.yaml", "model": {"name": "mine.Net", "width": 4}})
    assert not validator.is_valid({"base": "a.yaml", "model": {"name": "net", "width": 4}})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["none.yaml"], "none.yaml: no such file"),
        (["--plugins", "none.py", "--trust"], "none.py cannot be read"),
        (["--plugins", "a b.txt", "--trust"], "must be a Python file whose name is a word"),
    ],
)
def test_a_schema_of_what_is_not_there_is_refused(here, words, message):
    (here / "a b.txt").write_text("")
    result = dltrain("schema", *words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stdout == ""
