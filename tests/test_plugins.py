"""The user's own code: run only when the user said so, chosen like all else, blamed by file and line."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from at_home import forget_plugins
from typer.testing import CliRunner

from dltrain.assembly.pretrained import trained
from dltrain.checkpoints import store
from dltrain.cli import app
from dltrain.runs.folder import Run

README = (Path(__file__).parents[1] / "README.md").read_text()
NET = """
import keras

open({touched!r}, "a").close()


class Net(keras.Model):
    def __init__(self, units: int, num_classes: int = 2):
        super().__init__()
        self.flatten = keras.layers.Flatten()
        self.drop = keras.layers.Dropout(0.3)
        self.hidden = keras.layers.Dense(units, activation="relu")
        self.logits = keras.layers.Dense(num_classes)

    def call(self, x, training=False):
        return self.logits(self.drop(self.hidden(self.flatten(x)), training=training))
"""
TAKEN = """import keras
from dltrain.registry import MODELS


@MODELS.register("mlp")
class Other:
    pass"""
CONFIG = """
plugins: [net.py]
dataset: {name: digits}
model: {name: net.Net, units: 8}
optimizer: {name: adam, learning_rate: 0.001}
train: {epochs: 2, batch_size: 256}
"""


@pytest.fixture
def here(tensorflow, tmp_path, monkeypatch):
    """A folder with net.yaml and net.py in it."""
    monkeypatch.setenv("DLTRAIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET.format(touched=str(tmp_path / "touched")))
    (tmp_path / "net.yaml").write_text(CONFIG)
    return tmp_path


def dltrain(*words):
    result = CliRunner().invoke(app, list(words))
    assert "Traceback" not in result.output
    return result


def refused(*words):
    result = dltrain(*words)
    assert result.exit_code == 2, result.output
    return result.stderr


def test_nothing_runs_before_the_user_has_said_so(here):
    for command in ("check", "show", "fit", "inspect", "preview", "bench"):
        assert f"net.yaml runs code from {here / 'net.py'}: read it, then add --trust" in refused(command, "net.yaml")
    assert not (here / "touched").exists()
    assert not (here / "runs").exists()


def test_a_yes_is_remembered_until_the_file_changes(here):
    assert dltrain("check", "net.yaml", "--trust").exit_code == 0
    forget_plugins()
    assert dltrain("check", "net.yaml").exit_code == 0
    forget_plugins()
    with (here / "net.py").open("a") as file:
        file.write("# changed\n")
    assert "--trust" in refused("check", "net.yaml")


def test_a_person_at_a_terminal_is_asked(here, monkeypatch):
    questions = []
    monkeypatch.setattr("dltrain.cli.trust._ask", lambda question: not questions.append(question))
    assert dltrain("check", "net.yaml").exit_code == 0
    assert questions == [f"net.yaml runs code from {here / 'net.py'}"]


def test_a_model_without_get_config_trains_goes_on_and_is_evaluated(here):
    assert dltrain("fit", "net.yaml", "--trust", "train.epochs=3", "--runs", "straight").exit_code == 0
    result = dltrain("fit", "net.yaml", "--quiet")
    assert result.exit_code == 0
    assert "model.keras: not written, the network cannot be exported" in result.stderr
    run = Run(here / "runs" / "net-001")
    assert not run.model.exists()
    assert (run.plugins / "net.py").read_text() == (here / "net.py").read_text()
    forget_plugins()
    assert dltrain("fit", "--resume", "net", "train.epochs=3").exit_code == 0
    straight = Run(here / "straight" / "net-001").read_metrics()
    columns = [column for column in straight[0] if column != "seconds"]
    assert [[row[key] for key in columns] for row in run.read_metrics()] == [
        [row[key] for key in columns] for row in straight
    ]
    forget_plugins()
    assert dltrain("eval", "net", "--json").exit_code == 0


OWN = """        self.scale = self.add_weight(shape=(), name="scale", initializer="ones")
        self.more = [keras.layers.Identity(), keras.layers.Dense(4)]
"""


def test_two_files_of_one_name_are_refused(here):
    (here / "other").mkdir()
    (here / "other" / "net.py").touch()
    (here / "net.yaml").write_text(CONFIG.replace("[net.py]", "[net.py, other/net.py]"))
    message = refused("check", "net.yaml", "--trust")
    assert f"{here / 'other' / 'net.py'} has the name of the module net, which is already loaded" in message


def test_a_train_step_that_would_not_hear_its_teacher_is_told(here):
    step = """
    def train_step(self, data):
        if {asks}:
            self.compute_loss(data[0], data[1], self(data[0]))
        return {{metric.name: metric.result() for metric in self.metrics}}
"""
    assert dltrain("fit", "net.yaml", "--trust", "train.epochs=1").exit_code == 0
    text = (here / "net.py").read_text()
    for asks in (True, False):
        forget_plugins()
        (here / "net.py").write_text(text + step.format(asks=asks))
        result = dltrain("fit", "net.yaml", "--trust", "teacher={run: net-001}", "train.epochs=1")
        assert result.exit_code == (0 if asks else 1)
    assert "teacher: the network's own train_step must take its loss from self.compute_loss" in result.stderr


@pytest.mark.parametrize("kind", ["run", "file"])
def test_a_class_begins_with_weights_of_its_layers_its_lists_and_its_own(here, kind):
    text = (here / "net.py").read_text().replace("self.hidden(self", "self.scale * self.more[1](self.hidden(self")
    text = text.replace("(x))", "(x)))").replace("        self.flatten =", f"{OWN}        self.flatten =")
    (here / "net.py").write_text(text)
    assert dltrain("fit", "net.yaml", "--trust", "train.epochs=1").exit_code == 0
    first = Run(here / "runs" / "net-001")
    trained(first)[0].save_weights(here / "net.weights.h5")
    source = {"run": "net-001", "file": "net.weights.h5"}[kind]
    still = ("optimizer={name: sgd, learning_rate: 1e-30}", "train={steps: 1, batch_size: 64}")
    assert dltrain("fit", "net.yaml", f"model.weights={source}", *still).exit_code == 0
    one, other = (store.load(run, "last").arrays for run in (first, Run(here / "runs" / "net-002")))
    names = [name for name in one if name.startswith("model/") and "state" not in name]
    assert len(names) == 7
    assert [name for name in names if not np.array_equal(one[name], other[name])] == []
    (here / "net.py").write_text(text.replace("shape=()", "shape=(1,)"))
    forget_plugins()
    # A run's own network is built from what the file is now.
    words = {
        "run": "scale must be of shape (1,)",
        "file": "the weights outside of layers are 1 in this network, one number in the source",
    }
    assert words[kind] in refused("fit", "net.yaml", "--trust", f"model.weights={source}")


def test_a_model_that_keras_can_save_is_exported(here):
    text = (here / "net.py").read_text()
    text = text.replace("class Net", "@keras.saving.register_keras_serializable()\nclass Net")
    text = text.replace(
        "= 2):\n        super().__init__()",
        "= 2, **more):\n        super().__init__(**more)\n        self.units = units",
    )
    text += (
        "\n    def get_config(self):\n        return {**super().get_config(), 'units': self.units, 'num_classes': 10}\n"
    )
    (here / "net.py").write_text(text)
    assert dltrain("fit", "net.yaml", "--trust", "train.epochs=1").exit_code == 0
    assert Run(here / "runs" / "net-001").model.is_file()


def test_changed_code_is_said_when_a_run_goes_on_or_is_measured(here):
    assert dltrain("fit", "net.yaml", "--trust", "train.epochs=1").exit_code == 0
    forget_plugins()
    (here / "net.py").write_text((here / "net.py").read_text() + "\n# another thought\n")
    for words in (("eval", "net"), ("fit", "--resume", "net", "train.epochs=2")):
        forget_plugins()
        result = dltrain(*words, "--trust")
        assert result.exit_code == 0
        assert "net.py differs from" in result.stderr


def test_of_a_file_that_is_gone_the_copy_that_the_run_kept_is_used(here, caplog):
    assert dltrain("fit", "net.yaml", "--trust", "train.epochs=1").exit_code == 0
    kept = "runs/net-001/plugins/net.py"
    (here / "net.py").unlink()
    (here / "elsewhere").mkdir()
    shutil.copy(kept, here / "elsewhere" / "net.py")
    np.save(here / "one.npy", np.zeros((1, 8, 8, 1), np.uint8))
    for words in (
        ("eval", "net"),
        ("predict", "net", "one.npy"),
        ("report", "net"),
        ("verify", "net", "--steps", "1"),
        ("fit", "--resume", "net", "train.epochs=2"),
    ):
        forget_plugins()
        caplog.clear()
        done = dltrain(*words)
        assert done.exit_code == 0, done.output
        assert f"net.py is gone: its copy as it was run is used, {kept}" in caplog.text + done.output
        forget_plugins()
        assert dltrain(*words[:2], *words[2:], f"plugins=[{kept}]").exit_code == 0
    forget_plugins()
    assert dltrain("fit", "--resume", "net", "train.epochs=3", "plugins=[elsewhere/net.py]").exit_code == 0
    assert "elsewhere/net.py" in (here / "runs" / "net-001" / "config.yaml").read_text()
    forget_plugins()
    (here / kept).write_text((here / kept).read_text() + "\n# a stranger's\n")
    (here / "elsewhere" / "net.py").unlink()
    assert f"runs code from {kept}" in refused("eval", "net")
    (here / kept).unlink()
    assert "net.py cannot be read: No such file or directory" in refused("eval", "net")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("import keras", "import kerass", "net.py:2: in <module>: ModuleNotFoundError: No module named 'kerass'"),
        ("class Net(", "class Net((", "net.py:7: SyntaxError"),
        ("self.hidden(self", "self.hiden(self", "net.py:16: in call: AttributeError: 'Net' object has no"),
        ("super().__init__()", "super().__init__(units / 0)", "net.py:9: in __init__: ZeroDivisionError"),
        ("Dense(num_classes)", "Dense(3)", "model.name net.Net returns [3] numbers for an example, the data need"),
        ("import keras", TAKEN, "model 'mlp' is registered twice"),
        ("import keras", "import sys, keras\n\nsys.exit(3)", "net.py:4: in <module>: SystemExit: 3"),
        ("units: int,", "units: int, freeze: bool = False,", "net.py: Net must rename its key `freeze`"),
        ("units: int,", "units: int, weights=1.0,", "net.py: Net must rename its key `weights`"),
        ("return self", "return self if tf.executing_eagerly() else self", "call: NameError: name 'tf' is not defined"),
        ("self.hidden(self.flatten(x))", "self.hidden(keras.ops.reshape(x, (-1, 7)))", "Error: Input to reshape is"),
        ("        super().__init__()\n", "", "net.py:7: Net: RuntimeError: In layer 'Net', you forgot to call"),
        ("return self", "return keras.layers.Dense(10)(self.flatten(x))\n        self", "Net has no weights to train"),
        ("return self", "self", "model.name net.Net returns no numbers for an example, the data need 10"),
    ],
    ids=["import", "syntax", "call", "init", "width", "name", "exit", "freeze", "weights", "traced", "shape", "super",
         "weightless", "nothing"],
)  # fmt: skip
def test_an_error_in_the_users_code_has_the_users_line(here, old, new, words):
    (here / "net.py").write_text((here / "net.py").read_text().replace(old, new, 1))
    assert words in refused("fit", "net.yaml", "--trust")
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("model.unit=3", "unknown key 'model.unit', did you mean \"units\"?"),
        ("model.units=wide", "model.units must be a whole number, got 'wide'"),
        ("model.name=net.Nett", "no model 'net.Nett', did you mean \"net.Net\"?"),
        ("plugins=[other.py]", "other.py cannot be read: No such file or directory"),
        ("plugins=[json.py]", "json.py has the name of the module json"),
        ("plugins=[my-net.py]", "must be a Python file whose name is a word"),
        ("plugins=3", "plugins must be a list, each a path, got 3"),
    ],
)
def test_keys_are_checked_by_the_arguments_of_init(here, override, words):
    (here / "json.py").touch()
    (here / "my-net.py").touch()
    assert words in refused("fit", "net.yaml", "--trust", override)


def test_what_fails_while_training_has_the_users_line(here):
    text = (here / "net.py").read_text() + (
        "\n\nclass Late(keras.callbacks.Callback):\n"
        "    def on_epoch_end(self, epoch, logs=None):\n        logs['nothing']\n"
    )
    (here / "net.py").write_text(text)
    result = dltrain("fit", "net.yaml", "--trust", "callbacks=[{name: net.Late}]")
    assert result.exit_code == 1  # 2 would say that nothing was written
    assert re.search(r"net.py:\d+: in on_epoch_end: KeyError: 'nothing'", result.stderr)
    assert Run(here / "runs" / "net-001").read_summary()["status"] == "failed"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return None", "the network's train_step must return its metrics, {name: value}, got None"),
        ("return {}", "the network's train_step must return its metrics, {name: value}, got {}"),
        (
            "return data.nothing",
            r"net.py:\d+: in train_step: AttributeError: 'tuple' object has no attribute 'nothing'",
        ),
        (
            "tf.debugging.assert_less(tf.reduce_max(data[0]), 15.0)",
            r"net.py:\d+: in train_step: InvalidArgumentError: assertion failed: \[Condition x < y did not hold",
        ),
    ],
    ids=["none", "empty", "trace", "graph"],
)
def test_a_train_step_that_fails_says_where_and_why(here, body, words):
    step = f"\n    def train_step(self, data):\n        {body}\n        return super().train_step(data)\n"
    (here / "net.py").write_text("import tensorflow as tf\n" + (here / "net.py").read_text() + step)
    result = dltrain("fit", "net.yaml", "--trust")
    assert result.exit_code == 1
    assert re.search(words, result.stderr.splitlines()[-1])


PARTS = """

class Odd(keras.metrics.Metric):
    def update_state(self, labels, logits, sample_weight=None):
        pass

    def result(self):
        return {result}


class Rateless(keras.optimizers.SGD):
    def __init__(self, rate=0.1):
        super().__init__(rate)
"""


@pytest.mark.parametrize(
    ("result", "override", "words"),
    [
        ("{'a': 1.0}", "task.metrics=[{name: net.Odd}]", "metric Odd must give one number, got {'a': 1.0}"),
        (
            "keras.ops.ones(3)",
            "task.metrics=[accuracy, {name: net.Odd}]",
            r"metric Odd must give one number, got \[1. 1. 1.\]",
        ),
        ("1", "task.metrics=[net.Odd]", "got 'net.Odd'; write it as a block: {name: net.Odd}"),
        (
            "1",
            "optimizer={name: net.Rateless, learning_rate: 0.1}",
            r"net.py:\d+: Rateless: TypeError: .*unexpected keyword argument 'learning",
        ),
    ],
    ids=["dict", "list", "word", "rate"],
)
def test_a_part_that_cannot_be_used_is_named_before_training(here, result, override, words):
    (here / "net.py").write_text((here / "net.py").read_text() + PARTS.replace("{result}", result))
    message = refused("fit", "net.yaml", "--trust", "task={name: classification}", override)
    assert re.search(words, message)
    assert not (here / "runs").exists()


def test_what_a_plugin_prints_stays_out_of_the_json(here):
    (here / "net.py").write_text((here / "net.py").read_text() + "\nprint('loaded')\n")
    result = dltrain("fit", "net.yaml", "--trust", "train.epochs=1", "--json")
    assert json.loads(result.stdout)["epochs"] == 1
    assert "loaded" in result.stderr


def test_what_the_users_code_does_to_its_arguments_leaves_the_config_alone(here):
    text = (here / "net.py").read_text().replace("units: int,", "units: int, sizes={'more': 3},")
    text = text.replace("Dense(units,", "Dense(units + sizes.pop('more'),")
    (here / "net.py").write_text(text)
    assert dltrain("fit", "net.yaml", "--trust", "train.epochs=1").exit_code == 0
    assert "sizes:\n    more: 3" in Run(here / "runs" / "net-001").config.read_text()


def test_a_callback_may_stop_the_run(here):
    text = (here / "net.py").read_text() + (
        "\n\nclass Stop(keras.callbacks.Callback):\n    def __init__(self, after: int):\n        super().__init__()\n"
        "        self.after = after\n\n    def on_epoch_end(self, epoch, logs=None):\n"
        "        self.model.stop_training = epoch + 1 == self.after and 'val_accuracy' in logs\n"
    )
    (here / "net.py").write_text(text)
    result = dltrain("fit", "net.yaml", "--trust", "train.epochs=9", "callbacks=[{name: net.Stop, after: 2}]")
    assert result.exit_code == 0
    assert "stopped early, after epoch 2: a callback asked to stop" in result.stderr
    forget_plugins()
    result = dltrain("fit", "--resume", "net", "train.epochs=20")
    assert "nothing left to do; to train further, add callbacks=[] --force: a callback stopped the run" in result.stderr
    forget_plugins()
    assert dltrain("fit", "--resume", "net", "train.epochs=3", "callbacks=[]", "--force").exit_code == 0
    assert len(Run(here / "runs" / "net-001").read_metrics()) == 3


def test_a_train_step_of_its_own_must_report_what_is_monitored(here):
    text = (here / "net.py").read_text() + ("\n    @property\n    def metrics(self):\n        return self.mine\n")
    text = text.replace("self.flatten =", "self.mine = [keras.metrics.Mean(name='own')]\n        self.flatten =")
    (here / "net.py").write_text(text)
    assert "checkpoint.monitor must be one of own, val_own, which is what net.Net reports" in refused(
        "fit", "net.yaml", "--trust"
    )


def test_what_readme_shows_works(here):
    for name, text in re.findall(r"^```\w+ (mine\.\w+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        (here / name).write_text(text)
    result = dltrain("fit", "mine.yaml", "--trust", "--json")
    assert result.exit_code == 0, result.stderr
    run = Run(here / "runs" / "mine-001")
    assert len((run.path / "diary.txt").read_text().splitlines()) == 20
    assert {"accuracy", "Doubt", "val_Doubt"} <= {*run.read_metrics()[0]}
    assert run.read_summary()["test"]["accuracy"] > 0.6
    assert dltrain("eval").exit_code == 0
    graph = "model={name: graph, layers: [{layer: mine.Sine}, {layer: Dense, units: 8}]}"
    assert dltrain("fit", "mine.yaml", graph, "train.epochs=1").exit_code == 0


DECLARED = '''
from dltrain.fields import Fraction, PositiveInt
from dltrain.lazy import keras
from dltrain.registry import MODELS

import helper


@MODELS.register("{name}")
class Own:
    """A network.

    Args:
        units: of the hidden layer.
        dropout: before it.
        deep: whether there is another one.
        width: of that one.
    """

    units: PositiveInt = 8
    dropout: Fraction = 0.0
    deep: bool = False
    width: PositiveInt = 4

    def __post_init__(self):
        if self.dropout > 0.9:
            raise ValueError("dropout must be less")

    def build(self, data):
        inputs = data.inputs()
        x = keras.layers.Flatten()(inputs)
        x = keras.layers.Dense(self.units)(x)
        if self.deep:
            x = keras.layers.Dense(self.width)(x)
        {body}
        return keras.Model(inputs, data.head(x))
'''


@pytest.mark.parametrize(
    ("number", "body", "keys", "words"),
    [
        (1, "pass", "dropout: 0.5", "net.yaml:4:21: model.dropout has no effect: Own never reads it"),
        (2, "pass", "dropout: 0.0", None),
        (3, "pass", "width: 5", None),
        (4, "x = keras.layers.Dropout(self.dropout)(x)", "dropout: 0.5", None),
        (5, "x = keras.layers.Dropout(getattr(self, 'dropout'))(x)", "dropout: 0.5", None),
        (6, "x = helper.more(self, x)", "dropout: 0.5", None),
        (7, "x = keras.layers.Dropout(vars(self)['drop' + 'out'])(x)", "dropout: 0.5", None),
        (8, "self = self.dropout", "dropout: 0.5", None),
    ],
)
def test_a_key_that_nothing_reads_fails_the_run(here, number, body, keys, words):
    (here / "helper.py").write_text("def more(block, x):\n    return x\n")
    (here / "net.py").write_text(DECLARED.format(name=f"own{number}", body=body))
    config = CONFIG.replace("{name: net.Net, units: 8}", f"{{name: own{number}, {keys}}}")
    (here / "net.yaml").write_text(config.replace("[net.py]", "[helper.py, net.py]"))
    for command in ("check", "fit") if words else ():
        message = refused(command, "net.yaml", "--trust")
        assert words in message
        assert not (here / "runs").exists()
    if not words:
        assert dltrain("check", "net.yaml", "--trust").exit_code == 0
    changed = refused("check", "net.yaml", "--trust") if words else ""
    assert changed.count("has no effect") == (words is not None)


def test_a_run_whose_plugin_no_longer_reads_a_key_is_used_as_ever(here):
    text = DECLARED.format(name="own", body="x = keras.layers.Dropout(self.dropout)(x)").replace("import helper\n", "")
    (here / "net.py").write_text(text)
    (here / "net.yaml").write_text(CONFIG.replace("{name: net.Net, units: 8}", "{name: own, dropout: 0.5}"))
    assert dltrain("fit", "net.yaml", "--trust", "train.epochs=1", "report=false").exit_code == 0
    forget_plugins()
    (here / "net.py").write_text(text.replace("self.dropout)(x)", "0.5)(x)"))
    assert "model.dropout has no effect" in refused("check", "net.yaml", "--trust")
    assert dltrain("eval", "net", "--trust").exit_code == 0
    assert dltrain("predict", "net", "--split", "test", "--trust").exit_code == 0


def test_an_argument_of_a_keras_class_that_its_init_leaves_out_is_told(here):
    text = NET.format(touched=str(here / "touched")).replace("units: int,", "units: int, rate: float = 0.3,")
    (here / "net.py").write_text(text)
    (here / "net.yaml").write_text(CONFIG.replace("units: 8", "units: 8, rate: 0.5"))
    assert "model.rate has no effect: Net never reads it" in refused("check", "net.yaml", "--trust")
    forget_plugins()
    (here / "net.py").write_text(text.replace("Dropout(0.3)", "Dropout(rate)"))
    assert dltrain("check", "net.yaml", "--trust").exit_code == 0


def test_a_run_keeps_the_plugins_of_its_own_config_alone(here):
    """Also where another config was trained in the same process before, as `tune` does."""
    assert dltrain("fit", "net.yaml", "--trust", "train.epochs=1").exit_code == 0
    (here / "plain.yaml").write_text(
        CONFIG.replace("plugins: [net.py]\n", "").replace("{name: net.Net, units: 8}", "{name: mlp, units: [4]}")
    )
    assert dltrain("fit", "plain.yaml", "train.epochs=1").exit_code == 0
    assert not Run(here / "runs" / "plain-001").plugins.exists()
