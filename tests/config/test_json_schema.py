"""The JSON Schema that editors read: as strict as the loader, and no stricter."""

import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from dltrain.config import document
from dltrain.config import experiment as experiments
from dltrain.config.json_schema import json_schema
from dltrain.errors import ConfigError
from dltrain.registry import REGISTRIES

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
GOOD = """\
dataset: {name: digits, validation_fraction: 0.1}
augment: [{name: flip}]
model: {name: mlp, units: [16]}
optimizer: {name: sgd, learning_rate: 0.1}
schedule: {name: cosine}
train: {epochs: 1, batch_size: 64}
stages: []
early_stopping: {patience: 3}
"""


@pytest.fixture(scope="module")
def schema():
    return json_schema()


@pytest.fixture(scope="module")
def validator(schema):
    return Draft7Validator(schema)


def plain(node):
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return {key: plain(item) for key, item in node.value.items()} if isinstance(node.value, dict) else node.value


def written(text):
    """Returns a config as an editor sees it."""
    return plain(document.parse(document.Source("mine.yaml", text, Path.cwd())))


def problems(validator, value):
    return [error.message for error in validator.iter_errors(value)]


def test_it_is_a_schema(schema):
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_is_accepted_as_written_and_as_a_run_keeps_it(validator, path):
    assert problems(validator, plain(document.read(path))) == []
    config = experiments.load(path, reads_data=False)
    assert problems(validator, written(experiments.dump(config.experiment))) == []


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_every_choice_is_offered_with_help_for_every_key(schema, kind):
    registry = REGISTRIES[kind]
    definitions = schema["definitions"]
    names = definitions[kind]["properties"]["name"]["anyOf"][0]["enum"]
    assert names == registry.names()
    for name in names:
        chosen = definitions[f"{kind}_{name}"]
        assert chosen["description"]
        assert all(about["description"] for key, about in chosen["properties"].items() if key != "name"), name
    for key, about in schema["properties"].items():
        assert about["description"], key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("train: {epochs: 1, batch_size: 64}", "train:\n  epochs: 1\n  batch_size: auto"),
        ("learning_rate: 0.1", "learning_rate: 1"),
        ("early_stopping: {patience: 3}", "early_stopping: none"),
        ("early_stopping: {patience: 3}", "early_stopping:"),
        ("0.1}\naug", "fold 2 of 5}\naug"),
        ("stages: []", "device: [gpu:0, gpu:1]"),
        ("units: [16]", "units: []"),
        ("model: {name: mlp, units: [16]}", "model: {name: cnn, stages: [{filters: 8}]}"),
        ("schedule: {name: cosine}", "schedule: {name: step, drop_at_epochs: [1, 2.5]}"),
        (
            "{name: mlp, units: [16]}",
            "{name: graph, layers: [{layer: Flatten}, {layer: Dense, units: 8, bias_regularizer: {name: L2}}]}",
        ),
        ("stages: []", "task: {name: classification, class_weights: {'1': 2}, metrics: [accuracy, f1]}"),
    ],
)
def test_what_the_loader_takes_is_accepted(tmp_path, validator, old, new):
    text = GOOD.replace(old, new)
    assert text != GOOD
    (tmp_path / "mine.yaml").write_text(text)
    experiments.load(tmp_path / "mine.yaml")
    assert problems(validator, written(text)) == []


def test_a_variable_may_stand_for_any_scalar(validator):
    value = written(GOOD)
    value["train"]["batch_size"] = "${BATCH:64}"
    value["optimizer"]["learning_rate"] = "${RATE}"
    value["model"] = {"name": "${NET}", "units": ["${UNITS}"]}
    value["report"] = "${REPORT:true}"
    assert problems(validator, value) == []
    value["train"]["batch_size"] = "many"
    assert problems(validator, value)


def test_with_a_base_all_may_be_left_out_but_nothing_may_be_wrong(validator):
    for text in (
        "base: a.yaml",
        "base: a.yaml\nmodel: {depth: 20}\ntrain: {epochs: 3}",
        "base: a.yaml\nteacher: {weight: 1}",
    ):
        assert problems(validator, written(text)) == []
    wrong = (
        "optimizer: {learnin_rate: 1}",
        "model: {name: resnet, units: [1]}",
        "augment: [{}]",
        "stages: [{epoch: 1}]",
    )
    for text in wrong:
        assert problems(validator, written(f"base: a.yaml\n{text}")), text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("stages:", "stage:"),
        ("units:", "unit:"),
        ("patience:", "patiense:"),
        ("epochs: 1", "epoch: 1"),
        ("units: [16]", "units: 16"),
        ("units: [16]", "units: [1.5]"),
        ("units: [16]", "units: [0]"),
        ("learning_rate: 0.1", "learning_rate: 0"),
        ("learning_rate: 0.1", "learning_rate: fast"),
        ("learning_rate: 0.1", "learning_rate: '0.1'"),
        ("learning_rate: 0.1", "learning_rate: true"),
        ("learning_rate: 0.1", "learning_rate: none"),
        ("batch_size: 64", "batch_size: 0"),
        ("batch_size: 64", "batch_size: many"),
        ("validation_fraction: 0.1", "validation_fraction: 1"),
        ("validation_fraction: 0.1", "validation_fraction: fold two"),
        ("name: mlp", "name: mlpp"),
        ("name: sgd, ", ""),
        ("name: flip", "name: flop"),
        ("[{name: flip}]", "{name: flip}"),
        ("[{name: flip}]", "[flip]"),
        ("{name: cosine}", "cosine"),
        ("{name: cosine}", "none"),
        ("dataset: {name: digits, validation_fraction: 0.1}\n", ""),
        ("dataset: {name: digits, validation_fraction: 0.1}", "dataset: {name: csv, path: a.csv}"),
        ("model: {name: mlp, units: [16]}", "model:"),
        ("model: {name: mlp, units: [16]}", "model: {name: mlp, depth: 20}"),
        ("model: {name: mlp, units: [16]}", "model: {name: vgg, depth: 12}"),
        ("model: {name: mlp, units: [16]}", "model: {name: cnn, stages: [{filter: 8}]}"),
        ("{name: mlp, units: [16]}", "{name: graph, layers: [{layer: Dens, units: 8}]}"),
        ("{name: mlp, units: [16]}", "{name: graph, layers: [{layer: Dense, unit: 8}]}"),
        ("{name: mlp, units: [16]}", "{name: graph, layers: [{layer: Dense}]}"),
        ("{name: mlp, units: [16]}", "{name: graph, layers: [{layer: Dense, units: 8, activation: rel}]}"),
        ("{name: mlp, units: [16]}", "{name: graph, layers: [{units: 8}]}"),
        ("stages: []", "stages: [{image_size: [8]}]"),
        ("stages: []", "seed: -1"),
        ("stages: []", "seed: 2147483648"),
        ("stages: []", "deterministic: 'yes'"),
        ("stages: []", "teacher: {weight: 0.5}"),
        ("stages: []", "task: {name: classification, metrics: [acuracy]}"),
        ("stages: []", "checkpoint: {keep: 1}"),
        ("stages: []", "trackers: [{}]"),
    ],
)
def test_what_is_wrong_is_refused_by_schema_and_loader(tmp_path, validator, old, new):
    text = GOOD.replace(old, new)
    assert text != GOOD
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError):
        experiments.load(tmp_path / "mine.yaml", reads_data=False)
    assert problems(validator, written(text))


def test_two_blocks_of_a_class_name_do_not_share_their_keys(schema):
    assert "train_from" in str(schema["properties"]["stages"]) + str(schema["definitions"]["blocks_Stage"])
    assert "filters" in schema["definitions"]["cnn_Stage"]["properties"]


def test_no_keyword_is_newer_than_draft_7(schema):
    newer = {"$defs", "dependentRequired", "dependentSchemas", "unevaluatedProperties", "prefixItems", "$anchor"}

    def keywords(value):
        if isinstance(value, dict):
            yield from value
            yield from (word for each in value.values() for word in keywords(each))
        elif isinstance(value, list):
            yield from (word for each in value for word in keywords(each))

    assert not newer & set(keywords(schema))


def test_a_default_is_what_its_schema_accepts(schema):
    def properties(value):
        if isinstance(value, dict):
            for key, each in value.get("properties", {}).items() if isinstance(value.get("properties"), dict) else ():
                yield key, each
            for each in value.values():
                yield from properties(each)
        elif isinstance(value, list):
            for each in value:
                yield from properties(each)

    seen = 0
    for key, each in properties(schema):
        if "default" in each and key != "task":
            whole = {**each, "definitions": schema["definitions"]}
            assert problems(Draft7Validator(whole), each["default"]) == [], key
            seen += 1
    assert seen > 300


def test_the_words_of_a_range_are_in_the_description(schema):
    rate = schema["definitions"]["optimizer_sgd"]["properties"]["learning_rate"]
    assert re.search(r"peak learning rate.*Must be a number above 0\.", rate["description"])
