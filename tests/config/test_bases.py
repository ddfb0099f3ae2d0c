"""`base:` builds a config on another one."""

import pytest

from dltrain.config import experiment as experiments
from dltrain.config.changes import differences
from dltrain.config.provenance import origins
from dltrain.errors import ConfigError

BASE = """\
seed: 3
dataset: {name: csv, path: data.csv, target: price}
model: {name: resnet, depth: 20}
augment: [{name: flip}, {name: hue}]
optimizer:
  name: sgd
  learning_rate: 0.1
  momentum: 0.9
early_stopping: {patience: 3}
train: {epochs: 3, batch_size: 64}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Returns a function that writes files and loads the first one."""
    monkeypatch.chdir(tmp_path)

    def load(overrides=(), **files):
        (tmp_path / "deep").mkdir(exist_ok=True)
        (tmp_path / "deep" / "base.yaml").write_text(BASE)
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        first = tmp_path / f"{next(iter(files))}.yaml"
        return experiments.load(first.relative_to(tmp_path), list(overrides), reads_data=False)

    return load


def problems(load, **files):
    with pytest.raises(ConfigError) as caught:
        load(**files)
    return str(caught.value)


def test_blocks_are_merged_and_lists_replaced(load):
    config = load(mine="base: ./deep/base.yaml\noptimizer: {learning_rate: 0.5}\naugment: [{name: rotate}]\n")
    experiment = config.experiment
    assert (experiment.optimizer.learning_rate, experiment.optimizer.momentum) == (0.5, 0.9)
    assert [augmentation.registered_name for augmentation in experiment.augment] == ["rotate"]
    assert (experiment.seed, experiment.name) == (3, "mine")


def test_a_block_of_another_name_is_replaced_as_a_whole_and_none_removes_one(load):
    text = "base: deep/base.yaml\nmodel: {name: mlp, units: [8]}\nearly_stopping: none\n"
    experiment = load(mine=text).experiment
    assert (experiment.model.registered_name, experiment.model.units) == ("mlp", (8,))
    assert experiment.early_stopping is None


def test_a_choice_that_returns_to_the_name_of_a_base_further_up_takes_nothing_from_it(load):
    mid = "base: deep/base.yaml\nmodel: {name: mlp}\n"
    experiment = load(top="base: mid.yaml\nmodel: {name: resnet, depth: 32}\n", mid=mid).experiment
    assert (experiment.model.depth, experiment.optimizer.momentum) == (32, 0.9)


def test_paths_are_relative_to_the_file_that_says_them(load, tmp_path):
    assert load(mine="base: deep/base.yaml\n").experiment.dataset.path == tmp_path / "deep" / "data.csv"
    overridden = load(mine="base: deep/base.yaml\ndataset: {path: data.csv}\n").experiment
    assert overridden.dataset.path == tmp_path / "data.csv"
    assert overridden.dataset.target == "price"


def test_the_experiment_is_written_down_whole_and_each_value_knows_its_file(load, tmp_path):
    config = load(["train.epochs=9"], mine="base: deep/base.yaml\noptimizer: {learning_rate: 0.5}\n")
    text = experiments.dump(config.experiment)
    assert "base" not in text
    (tmp_path / "config.yaml").write_text(text)
    assert differences(experiments.load(tmp_path / "config.yaml", reads_data=False).experiment, config.experiment) == {}
    found = origins(config)
    assert found["optimizer.learning_rate"] == "mine.yaml:2"
    assert found["optimizer.momentum"] == "deep/base.yaml:8"
    assert found["train.epochs"] == "argument train.epochs=9"
    node = config.root.value["train"].value["epochs"]
    assert (str(node.over.mark), node.over.value) == ("deep/base.yaml:10", 3)


def test_a_mistake_in_a_base_names_the_base(load):
    message = problems(load, mine="base: other.yaml\nsed: 1\n", other="seed: x\ntrain: {epochs: 0}\n")
    first, second, *_ = message.split("\n\n")
    assert first.startswith("mine.yaml:2:1: unknown key 'sed'")
    assert "other.yaml:1:7: seed must be a whole number" in message
    assert "other.yaml:2:17: train.epochs must be" in message
    assert "dataset is missing" in message


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a": "base: none.yaml"}, "a.yaml:1:7: base must be an existing YAML file, got 'none.yaml'"),
        ({"a": "base: ba.yaml", "bas": ""}, 'did you mean "bas.yaml"?'),
        ({"a": "base: a.yaml"}, "a.yaml:1:7: base must not form a circle: a.yaml -> a.yaml"),
        (
            {"a": "base: b.yaml", "b": "seed: 1\nbase: c.yaml", "c": "base: b.yaml"},
            "c.yaml:1:7: base must not form a circle: b.yaml -> c.yaml -> b.yaml",
        ),
        ({"a": "base: [b.yaml, c.yaml]"}, "a.yaml:1:7: base must be the path of one YAML file, got a list"),
        ({"a": "base:"}, "base must be the path of one YAML file, got nothing"),
        ({"a": "base: 3"}, "base must be the path of one YAML file, got 3"),
        ({"a": "base: deep"}, "base must be an existing YAML file, got 'deep'"),
        ({"a": "base: b.yaml", "b": "seed: [1"}, "b.yaml:1:"),
        ({"a": "base: b.yaml", "b": ""}, "b.yaml: is empty"),
        (
            {f"f{n}": f"base: f{n + 1}.yaml" for n in range(20)},
            "f15.yaml:1:7: base must not lead through more than 16 files",
        ),
    ],
)
def test_a_base_that_cannot_be_is_refused_at_its_key(load, files, words):
    assert words in problems(load, **files)


def test_an_argument_cannot_name_a_base(load):
    with pytest.raises(ConfigError, match="argument 'base=b.yaml': base must be written in the file"):
        load(["base=b.yaml"], mine="base: deep/base.yaml")
