"""What README and messages tell people to type can be typed: commands are parsed, overrides loaded."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

import dltrain
from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError

ROOT = Path(dltrain.__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = typer.main.get_command(app)
REST = "model: {name: mlp}\noptimizer: {name: sgd, learning_rate: 0.1}\ntrain: {epochs: 30}\nseed: 0\n"
FITTING = {
    "digits": "dataset: {name: digits}\n" + REST,
    "images": "dataset: {name: image_folder, path: photos, size: 8}\n" + REST,
    "table": "dataset: {name: csv, path: houses.csv, target: price}\n" + REST,
    "steps": "dataset: {name: digits}\n" + REST.replace("epochs: 30", "steps: 30"),
    "automatic": "dataset: {name: digits}\n" + REST.replace("{epochs: 30}", "{epochs: 30, batch_size: auto}"),
}
"""Of these at least one takes an override; none has a block of a task or a schedule."""


def texts(path):
    """Yields the text of each string of a file, with 1 in place of what is inserted into it."""
    tree = ast.parse(path.read_text())
    inside = {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(each.value if isinstance(each, ast.Constant) else "1" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


SAID = {
    text
    for path in sorted((ROOT / "dltrain").rglob("*.py"))
    for text in texts(path)
    if "dltrain " in text or "=" in text
}


def typed_in_readme():
    for block in re.findall(r"^```sh.*?\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            for part in re.split(r"&&|;", line.partition("  #")[0].partition(" >")[0]):
                if part.strip().startswith("dltrain "):
                    yield part.strip()
    for shown in re.findall(r"`(dltrain [a-z][^`\n]*)`", README):
        yield from re.split(r" && ", shown)


def typed_in_messages():
    for text in SAID:
        yield from re.findall(r"(?:`|: )(dltrain [a-z][a-z-]*(?: [^`\n,;()\"']*)?)", text)


def sorted_words(command):
    """Splits a command of the documentation into the command and its words, with a number for each N."""
    command = re.sub(r"\bN\b|\.\.\.", "1", command.partition(" >")[0])
    name, *words = shlex.split(command)[1:]
    return name, words


@pytest.mark.parametrize("command", sorted({*typed_in_readme(), *typed_in_messages()}))
def test_every_command_that_is_shown_is_one(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    name, words = sorted_words(command)
    found = COMMANDS.commands[name]
    if hasattr(found, "commands") and words:
        found, words = found.commands[words[0]], words[1:]
    try:
        context = found.make_context(name, [*words])
    except Exception as error:
        if type(error).__name__ in ("MissingParameter", "BadOptionUsage"):  # it is named, not shown
            return
        raise
    overrides = [word for word in words if re.match(r"[\w.\[\]]+=", word)]
    named = [word for word in words if word.endswith(".yaml") and Path(word).is_file()]
    runs = [f"configs/{word}.yaml" for word in words if Path(f"configs/{word}.yaml").is_file()]
    context.close()
    for path in [*named, *runs]:
        experiments.load(Path(path), overrides, data_may_be_absent=True)


def advised():
    keys = "|".join(experiments.Experiment.__dataclass_fields__)
    pattern = rf"(?<![\w.\-/])((?:{keys})(?:\.[a-z_]\w*)+=(?:\[[^\]]*\]|[^\s,;:)`\"']+))"
    for text in [*SAID, *re.findall(r"`[^`\n]+`", README)]:
        yield from re.findall(pattern, text)


def completed(override):
    """Returns an override with a value in place of N, and of a name that is inserted."""
    names = {
        "schedule.name=1": "schedule.name=cosine",
        "train.precision=1": "train.precision=mixed_bfloat16",
        "model.weights=1": "model.weights=runs/net-001",
    }
    return names.get(override, re.sub(r"=N\b", "=2", override))


@pytest.mark.parametrize("override", sorted({completed(each) for each in advised()}))
def test_every_override_that_is_advised_is_taken(tmp_path, override):
    refusals = {}
    for name, text in FITTING.items():
        (tmp_path / f"{name}.yaml").write_text(text)
        try:
            experiments.load(tmp_path / f"{name}.yaml", [override], reads_data=False)
        except ConfigError as error:
            refusals[name] = str(error)
    assert len(refusals) < len(FITTING), "\n".join(refusals.values())


@pytest.mark.parametrize(
    ("override", "block"),
    [
        ("task.class_weights=balanced", "task"),
        ("task.label_smoothing=0.1", "task"),
        ("schedule.warmup_epochs=2", "schedule"),
        ("checkpoint.keep=3", "checkpoint"),
        ("early_stopping.patience=3", "early_stopping"),
        ("early_stopping={patience: 3}", "early_stopping"),
    ],
)
def test_a_key_of_a_block_with_defaults_can_be_set_without_the_block(tmp_path, override, block):
    path = tmp_path / "small.yaml"
    for absent in ("", f"{block}: none\n" if block == "early_stopping" else ""):
        path.write_text(FITTING["digits"] + absent)
        config = experiments.load(path, [override])
        again = tmp_path / "again.yaml"
        again.write_text(experiments.dump(config.experiment))
        assert experiments.load(again).experiment == config.experiment != experiments.load(path).experiment


def test_the_block_of_the_default_task_is_that_of_the_dataset(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text("dataset: {name: diabetes}\n" + REST)
    assert experiments.load(path, ["task.loss_function=huber"]).experiment.task.registered_name == "regression"
    with pytest.raises(ConfigError, match=r"argument 'task.class_weights=balanced': unknown key 'task.class_weights'"):
        experiments.load(path, ["task.class_weights=balanced"])
    with pytest.raises(ConfigError, match=r"argument 'schedule.warmup=2': unknown key 'schedule.warmup'"):
        experiments.load(path, ["schedule.warmup=2"])


def test_a_block_in_a_file_still_needs_its_name(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(FITTING["digits"] + "task: {class_weights: balanced}\n")
    with pytest.raises(ConfigError, match=r"task.name must be a task .* but it is missing"):
        experiments.load(path)
