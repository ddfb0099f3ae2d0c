"""Environment variables in a config."""

from pathlib import Path

import pytest

from dltrain.config import experiment as experiments
from dltrain.config.document import Source, dump, override, parse
from dltrain.config.provenance import explain, origins
from dltrain.errors import ConfigError

CONFIG = """\
dataset: {name: digits, validation_fraction: ${SHARE:0.1}}
model: {name: mlp, units: [16]}
optimizer: {name: sgd, learning_rate: 0.1}
train:
  epochs: 1
  batch_size: ${BATCH:64}
"""


def parsed(text):
    node = parse(Source("test.yaml", text, Path.cwd())).value["key"]
    assert not node.unknown
    return node.value


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name, value in {"BATCH": "16", "WORDS": "a: b # c", "YES": "true", "EMPTY": "", "NESTED": "${BATCH}"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${BATCH}", 16),
        ("${BATCH:64}", 16),
        ("'${BATCH}'", "16"),
        ("net-${BATCH}-${NOT_SET:x}", "net-16-x"),
        ("${NOT_SET:1e-3}", 0.001),
        ("${NOT_SET: -1}", -1),
        ("${NOT_SET:}", None),
        ("${NOT_SET:a #, [b]: c}", "a #, [b]: c"),
        ("${YES}", True),
        ("${EMPTY}", None),
        ("${WORDS}", "a: b # c"),
        ("${NESTED}", "${BATCH}"),
        ("$${BATCH}", "${BATCH}"),
        ("$$${BATCH}", "$${BATCH}"),
        ("$BATCH {}", "$BATCH {}"),
    ],
)
def test_a_variable_is_typed_as_if_its_value_were_written_there(text, value):
    found = parsed(f"key: {text}")
    assert (found, type(found)) == (value, type(value))


def test_a_variable_stands_in_a_line_of_values_too():
    found = parsed("key: {a: ${BATCH}, b: [${NOT_SET:1}, x]}")
    assert found["a"].value == 16
    assert [item.value for item in found["b"].value] == [1, "x"]


@pytest.mark.parametrize("text", ["${A}", "$${A}", "$$${", "a\nb", "{${A}}", "$"])
def test_text_that_was_dumped_reads_back_whatever_it_holds(text):
    assert parsed(dump({"key": text})) == text


def test_all_that_is_wrong_is_told_at_once_with_what_to_type():
    text = "key: ${NOT_SET}\nb: ${1}\nc: [${BATCH:-5}]\nd: ${BATCH"
    nodes = parse(Source("test.yaml", text, Path.cwd())).value
    not_set, unnamed, shell, open_ = (
        str(problem)
        for node in (nodes["key"], nodes["b"], nodes["c"].value[0], nodes["d"])
        for problem in node.unknowns
    )
    assert not_set.startswith("test.yaml:1:6: the environment variable NOT_SET is not set; type NOT_SET=... before")
    assert "${NOT_SET:...}" in not_set
    assert unnamed.startswith("test.yaml:2:4: must be ${NAME} or ${NAME:default}, got '${1}'")
    assert (
        "test.yaml:3:5: must not have :- as in a shell, got '${BATCH:-5}'; for the default '5' write ${BATCH:5}"
        in shell
    )
    assert open_.startswith("test.yaml:4:4: must be ${NAME} or ${NAME:default}")


def test_a_variable_that_is_not_set_is_told_beside_all_else_that_is_wrong(tmp_path):
    text = CONFIG.replace("${BATCH:64}", "${NO}\n  epochz: 3").replace("{name: sgd", "{name: '${NONE}'")
    (tmp_path / "mine.yaml").write_text(text.replace("units: [16]", "units: [16, ${NOT}], dropout: 7"))
    with pytest.raises(ConfigError) as caught:
        experiments.load(tmp_path / "mine.yaml", ["seed=${NOWHERE}"])
    words = ["variable NOT is", "model.dropout", "variable NONE", "variable NO is", "train.epochz", "variable NOWHERE"]
    assert len(caught.value.problems) == len(words)
    assert all(word in str(problem) for word, problem in zip(words, caught.value.problems, strict=True)), caught.value


def test_a_variable_is_needed_only_where_nothing_takes_its_place(tmp_path):
    (tmp_path / "below.yaml").write_text(CONFIG.replace("${BATCH:64}", "${NO}"))
    (tmp_path / "mine.yaml").write_text("base: below.yaml\ntrain: {batch_size: 8}\n")
    assert experiments.load(tmp_path / "mine.yaml").experiment.train.batch_size == 8
    config = experiments.load(tmp_path / "below.yaml", ["train.batch_size=4"])
    row = next(row for row in explain(config, origins(config)) if row.key == "train.batch_size")
    assert (row.value, row.over[0]["value"]) == (4, "${NO}")


def test_the_base_may_be_named_by_a_variable_that_is_set(tmp_path):
    (tmp_path / "mine.yaml").write_text("base: ${NO}.yaml\n")
    with pytest.raises(ConfigError, match=r"mine.yaml:1:7: the environment variable NO is not set"):
        experiments.load(tmp_path / "mine.yaml")


def test_a_value_knows_the_variable_that_it_came_from_and_the_run_keeps_the_value(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(CONFIG)
    config = experiments.load(Path("mine.yaml"), ["train.epochs=${BATCH}"])
    assert origins(config)["train.batch_size"] == "mine.yaml:6, from $BATCH"
    assert origins(config)["dataset.validation_fraction"] == "mine.yaml:1, $SHARE is not set"
    assert origins(config)["train.epochs"] == "argument train.epochs=${BATCH}, from $BATCH"
    assert "batch_size: 16\n" in experiments.dump(config.experiment)
    monkeypatch.setenv("BATCH", "many")
    with pytest.raises(ConfigError, match=r"mine.yaml:6:15: train.batch_size must be .* got 'many' \(from \$BATCH\)"):
        experiments.load(Path("mine.yaml"))


def test_a_number_within_quotation_marks_is_text_which_is_said(tmp_path):
    (tmp_path / "mine.yaml").write_text(CONFIG.replace("${BATCH:64}", '"${BATCH:64}"'))
    with pytest.raises(ConfigError, match="got '16'; remove the quotation marks"):
        experiments.load(tmp_path / "mine.yaml")


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY", "GITHUB_TOKEN", "db_password", "PASSWORD"])
def test_a_secret_comes_into_no_config(tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, "hush")
    (tmp_path / "mine.yaml").write_text(CONFIG + f"name: x${{{name}:y}}\n")
    with pytest.raises(
        ConfigError, match=f"{name} looks like the name of a secret, and config.yaml would store its value"
    ) as caught:
        experiments.load(tmp_path / "mine.yaml")
    assert "hush" not in str(caught.value)
    monkeypatch.setenv("KEYBOARD", "fr")
    assert parsed("key: ${KEYBOARD}") == "fr"


def test_the_name_of_an_argument_holds_no_variable():
    with pytest.raises(ConfigError, match="must have the form key=value"):
        override(parse(Source("test.yaml", "a: 1", Path.cwd())), ["${BATCH}=3"])
