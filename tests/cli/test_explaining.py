"""`dltrain show --explain`: where each value comes from."""

import json

import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.config.document import read

BASE = """\
dataset: {name: digits}
model: {name: resnet, depth: 20}
optimizer: {name: sgd, learning_rate: 0.1, momentum: 0.9}
task: {name: classification, class_weights: {a.b: 1, "2": 2.0}}
train: {epochs: 3}
"""
MINE = """\
base: base.yaml
model: {name: mlp, units: [8]}
optimizer:
  learning_rate: 0.05
augment: [{name: flip}]
train: {batch_size: ${BATCH:32}}
"""


def dltrain(*words):
    return CliRunner().invoke(app, list(words))


def explained(*words):
    result = dltrain("show", *words, "--explain", "--json")
    assert result.exit_code == 0, result.output
    return {row["key"]: row for row in json.loads(result.stdout)["explained"]}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCH", "16")
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "mine.yaml").write_text(MINE)
    return tmp_path


@pytest.mark.parametrize(
    ("key", "value", "origin"),
    [
        ("optimizer.learning_rate", 0.05, "mine.yaml:4"),
        ("optimizer.momentum", 0.9, "base.yaml:3"),
        ("model.name", "mlp", "mine.yaml:2"),
        ("augment[0].name", "flip", "mine.yaml:5"),
        ("train.epochs", 5, "argument train.epochs=5"),
        ("train.batch_size", 16, "mine.yaml:6, from $BATCH"),
        ("seed", 0, "default"),
        ("task.class_weights.a.b", 1.0, "base.yaml:4"),
    ],
)
def test_each_value_is_told_with_its_place(here, key, value, origin):
    row = explained("mine.yaml", "train.epochs=5")[key]
    assert (row["value"], row["origin"]) == (value, origin)


def test_a_key_is_told_with_what_it_replaced_and_what_it_means(here):
    result = dltrain("show", "mine.yaml", "--explain", "optimizer.learning_rate", "optimizer.learning_rate=1")
    assert result.stdout.splitlines() == [
        "optimizer.learning_rate: 1.0",
        "  from argument optimizer.learning_rate=1",
        "  instead of 0.05, mine.yaml:4",
        "  instead of 0.1, base.yaml:3",
        "  the peak learning rate r; `schedule` shapes it over time.",
        "  must be a number above 0",
    ]
    assert "instead of resnet, base.yaml:2" in dltrain("show", "--explain", "mine.yaml", "model.name").stdout


def test_a_block_and_a_place_in_a_list_are_told_too(here):
    rows = explained("mine.yaml", "train", "augment.0.direction")
    assert {"train.epochs", "train.batch_size", "augment[0].direction"} <= rows.keys()
    assert "model.units" not in rows


def test_the_annotated_config_loads_again(here):
    (here / "again.yaml").write_text(dltrain("show", "mine.yaml", "--explain", "name=net").stdout)
    loaded = experiments.load(here / "again.yaml", reads_data=False).experiment
    assert loaded == experiments.load(here / "mine.yaml", ["name=net"], reads_data=False).experiment
    columns = {line.index("  # ") for line in (here / "again.yaml").read_text().splitlines() if "  # " in line}
    assert len(columns) == 1


def test_text_with_line_breaks_and_dollars_keeps_its_line(here):
    (here / "config.py").write_text("def f(**k):\n    return [[0.0], [1.0]], [0, 1]\n")
    dataset = 'dataset: {name: python, function: config.f, arguments: {text: "a\\nb # c", other: "$${x}"}}\n'
    (here / "mine.yaml").write_text("plugins: [config.py]\n" + BASE.replace("dataset: {name: digits}\n", dataset))
    (here / "again.yaml").write_text(dltrain("show", "mine.yaml", "--explain", "--trust").stdout)
    arguments = read(here / "again.yaml").value["dataset"].value["arguments"].value
    assert arguments["text"].value == "a\nb # c"
    assert arguments["other"].value == "${x}"


def test_a_run_tells_where_its_values_came_from(here, make_run):
    run = make_run("net-001")
    run.environment.write_text(json.dumps({"origins": {"optimizer.learning_rate": "net.yaml:7"}}))
    rows = explained("net", "optimizer", "optimizer.clipnorm=1")
    assert rows["optimizer.learning_rate"]["origin"] == "net.yaml:7"
    assert rows["optimizer.clipnorm"]["origin"] == "argument optimizer.clipnorm=1"
    assert "seed" not in rows


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mine.yaml", "--explain", "optimizer.learning_rte"], 'did you mean "learning_rate"?'),
        (["mine.yaml", "--explain", "optimzer"], "no key 'optimzer', did you mean \"optimizer\"?"),
        (["mine.yaml", "--explain", "train.foo"], "no key 'train.foo'; train has epochs, steps, "),
        (["mine.yaml", "--explain", "base"], "no key 'base'"),
        (["--explain", "train.epochs"], "no run 'train.epochs'"),
        (["mine.yaml", "--explain", "--layers"], "choose one of them"),
        (["mine.yaml", "train.epochs"], "to see where the value of train.epochs comes from, add --explain"),
        (["mine.yaml", "--explain", "train.epochs", "train.epochs=0"], "train.epochs must be"),
    ],
)
def test_what_cannot_be_explained_is_refused(here, words, message):
    result = dltrain("show", *words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
