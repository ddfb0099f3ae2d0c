"""The command line as a user meets it: messages, exit codes, JSON."""

import inspect
import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment
from dltrain.registry import REGISTRIES

CONFIGS = Path(__file__).parents[2] / "configs"
GOOD = """\
dataset: {name: digits}
model: {name: mlp, units: [16]}
optimizer: {name: sgd, learning_rate: 0.05}
train: {epochs: 1, batch_size: 64}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(GOOD)
    return tmp_path


def dltrain(*words):
    return CliRunner().invoke(app, list(words))


def refused(*words):
    """Runs a command that must be refused; returns its message."""
    result = dltrain(*words)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert result.stdout == ""
    return result.stderr


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_config_is_good(tmp_path, path):
    letters = tmp_path / "glyphs-001"  # the run that finetune.yaml begins with
    (letters / "checkpoints").mkdir(parents=True)
    (letters / "config.yaml").touch()
    (letters / "checkpoints" / "last.npz").touch()
    assert dltrain("check", str(path), "--runs", str(tmp_path)).exit_code == 0


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_config_is_good_where_nothing_was_trained(tmp_path, path):
    assert dltrain("check", str(path), "--runs", str(tmp_path)).exit_code == 0


@pytest.mark.parametrize("name", ["letters", "elsewhere/letters-003", "letters.keras"])
@pytest.mark.parametrize(("key", "block"), [("model.weights", "weights: {}"), ("teacher.run", "teacher: {{run: {}}}")])
def test_a_config_is_good_without_the_run_it_builds_on_which_is_said(here, name, key, block):
    block = block.format(name)
    text = GOOD.replace("name: mlp", f"name: mlp, {block}") if key == "model.weights" else GOOD + block
    (here / "good.yaml").write_text(text)
    result = dltrain("check", "good.yaml")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"good.yaml: good; {key} was not checked: it must be a run")
    (found,) = json.loads(dltrain("check", "good.yaml", "--json").stdout)["configs"]
    assert found["good"]
    assert key in found["absent"]
    assert f"{key} must be a run" in refused("fit", "good.yaml")
    (here / "letters").mkdir()
    (here / "elsewhere" / "letters-003").mkdir(parents=True)
    if not name.endswith(".keras"):
        assert "is not a run" in refused("check", "good.yaml")


def test_check_refuses_what_fit_refuses_once_it_has_the_data(here):
    (here / "bad.yaml").write_text(GOOD.replace("batch_size: 64", "batch_size: 2000"))
    for command in ("check", "fit"):
        assert re.search(r"bad\.yaml:\d+:\d+: train\.batch_size must be at most the 1295", refused(command, "bad.yaml"))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("imagenet_*.yaml")), ids=lambda path: path.name)
def test_the_recipes_fit_data_that_are_there(tmp_path, path):
    for part in ("train", "val"):
        for number in range(6):
            (tmp_path / part / f"n{number}").mkdir(parents=True)
    config = experiment.load(path, [f"dataset.path={tmp_path}"])
    assert config.absent is None
    assert len(config.experiment.dataset.spec().target.class_names) == 6


@pytest.mark.parametrize("data", ["image_folder, path: photos", "image_folder, path: photos.csv", "npz, path: a.npz"])
def test_a_config_is_good_without_its_data_which_is_said(here, data):
    (here / "good.yaml").write_text(GOOD.replace("digits", data))
    result = dltrain("check", "good.yaml")
    assert result.exit_code == 0
    assert re.match(r"good\.yaml: good; its data were not checked: dataset\.path .*(photos|a\.npz)", result.stdout)
    assert re.search(r"good\.yaml:1:\d+: dataset\.path ", refused("fit", "good.yaml"))
    (here / "photos").mkdir()
    if "path: photos}" in (here / "good.yaml").read_text():
        assert "found none in" in refused("check", "good.yaml")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("batch_size: 64", "batch_size: 0", "train.batch_size must be a whole number of at least 1 or auto, got 0"),
        ("learning_rate: 0.05", "learning_rate: .nan", "optimizer.learning_rate must be a number above 0, got .nan"),
        ("learning_rate: 0.05", "learning_rate: -1", "optimizer.learning_rate must be a number above 0, got -1"),
        ("learning_rate", "learnin_rate", "unknown key 'optimizer.learnin_rate', did you mean \"learning_rate\"?"),
        ("name: mlp", "name: mlpp", "model.name: no model 'mlpp', did you mean \"mlp\"?"),
        ("epochs: 1", "epochs: 1, steps: 2", "train.steps must not be given together with epochs"),
        ("epochs: 1, ", "", "train.epochs is missing"),
        ("train:", "trian:", "unknown key 'trian', did you mean \"train\"?"),
        ("units: [16]", "units: 16", "model.units must be a list"),
        ("dataset: {name: digits}\n", "", "dataset is missing"),
    ],
)
def test_a_wrong_config_is_refused_with_its_line(here, old, new, words):
    (here / "bad.yaml").write_text(GOOD.replace(old, new))
    for command in ("check", "fit", "show"):
        message = refused(command, "bad.yaml")
        assert words in message
        assert re.search(r"bad\.yaml:\d+:\d+: ", message)
    assert not (here / "runs").exists()


def test_an_override_is_checked_like_the_file_and_named(here):
    message = refused("fit", "good.yaml", "train.batch_size=0", "optimizer.momentun=0.5")
    assert "argument 'train.batch_size=0': train.batch_size must be" in message
    assert "argument 'optimizer.momentun=0.5': unknown key" in message
    assert 'did you mean "momentum"' in message


def test_a_place_that_a_message_names_can_be_typed_as_it_stands(here):
    (here / "good.yaml").write_text(GOOD + "augment: [{name: pad_and_crop}]\n")
    message = refused("fit", "good.yaml", "augment[0].padding=0")
    assert "argument 'augment[0].padding=0': augment[0].padding must be" in message


def test_check_reports_every_file_and_every_problem(here):
    (here / "bad.yaml").write_text("model: {name: mlp, unit: [1]}\ntrain: {epochs: 0}\n")
    result = dltrain("check", "bad.yaml", "good.yaml", "none.yaml")
    assert result.exit_code == 2
    assert result.stdout == "good.yaml: good\n"
    for words in ("'model.unit'", "train.epochs must be", "dataset is missing", "optimizer is missing", "no such file"):
        assert words in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit"], "fit needs a CONFIG"),
        (["fit", "resnet-001"], "fit needs a CONFIG"),
        (["fit", "good.yaml", "good.yaml"], "one CONFIG at a time"),
        (["fit", "good.yaml", "train"], "neither a CONFIG"),
        (["fit", "--resume"], "no run with a checkpoint"),
        (["fit", "--resume", "nothing-001"], "no run 'nothing-001'"),
        (["eval"], "no run with a checkpoint"),
        (["eval", "nothing"], "no run 'nothing'"),
        (["list", "modle"], 'did you mean "model"?'),
        (["list", "model", "resnt"], 'did you mean "resnet"?'),
        (["show"], ""),
        (["fit", "good.yaml", "--nonsense"], "--nonsense"),
        (["fit", "good.yaml", "--dry-run", "--profile"], "--dry-run starts anew and keeps nothing"),
        (["fit", "--resume", "nothing-001", "--dry-run"], "it cannot be combined with --resume"),
    ],
)
def test_a_wrong_command_says_what_to_type(here, words, message):
    assert message in refused(*words)


def test_show_prints_the_defaults_and_the_layers(here, tensorflow):
    result = dltrain("show", "good.yaml", "--json")
    shown = json.loads(result.stdout)
    assert shown["config"]["schedule"]["name"] == "constant"
    assert shown["trainable_weights"] == 64 * 16 + 16 + 16 * 10 + 10
    assert shown["layers"][0]["output_shape"] == [8, 8, 1]
    assert "trainable weights" in dltrain("show", "good.yaml").stdout


def test_shown_config_loads_again(here):
    (here / "again.yaml").write_text(dltrain("show", "good.yaml", "--no-layers").stdout)
    assert dltrain("check", "again.yaml").exit_code == 0


def test_list_shows_every_choice_with_help_for_every_key():
    listed = json.loads(dltrain("list", "--json").stdout)
    assert listed.keys() == REGISTRIES.keys()
    for kind, choices in listed.items():
        assert [choice["name"] for choice in choices] == REGISTRIES[kind].names()
        for choice in choices:
            assert choice["summary"], choice["name"]
            for key, about in choice["keys"].items():
                assert about["help"], f"{kind} {choice['name']} does not document {key}"
    assert "depth" in dltrain("list", "models", "resnet").stdout
    assert "pool_strides  (" in dltrain("list", "model", "cnn").stdout


def test_list_names_no_key_that_does_not_exist():
    from dltrain.config.schema import field_types
    from dltrain.registry import field_help

    for registry in REGISTRIES.values():
        for name in registry.names():
            assert field_help(registry[name]).keys() <= field_types(registry[name]).keys(), name


def test_devices_tells_of_the_cpu(tensorflow):
    found = json.loads(dltrain("devices", "--json").stdout)
    assert found["cpu"]["cores"] >= 1
    assert found["tensorflow"] == tensorflow.__version__
    assert "faster precisions" in dltrain("devices").stdout


def test_a_gpu_that_is_not_there_is_refused_before_a_folder_is_made(here, tensorflow):
    if tensorflow.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    for device in ("gpu", "gpu:1", "all", "[gpu:0, gpu:1]"):
        assert "was requested, but there is no GPU" in refused("fit", "good.yaml", f"device={device}", "-q")
    assert not (here / "runs").exists()


def test_fit_and_eval_print_results_on_standard_output_and_the_rest_beside_it(here, tensorflow):
    result = dltrain("fit", "good.yaml")
    assert result.exit_code == 0, result.output
    assert re.search(r"^test \(best weights\)  loss \d\.\d+  accuracy 0\.\d+$", result.stdout, re.MULTILINE)
    assert "epoch 1/1" in result.stderr
    assert "\x1b" not in result.stderr
    summary = json.loads(dltrain("fit", "good.yaml", "--json").stdout)
    assert summary["run"].endswith("good-002")
    measured = json.loads(dltrain("eval", "--json").stdout)
    assert measured == {
        "run": "good-002",
        "checkpoint": "best",
        "split": "test",
        "examples": 359,
        "metrics": summary["test"],
    }
    assert json.loads(dltrain("eval", "good-001", "--split", "validation", "--json").stdout)["examples"] == 143


def test_resume_compares_what_is_given_with_the_run(here, tensorflow):
    assert dltrain("fit", "good.yaml", "-q").exit_code == 0
    message = refused("fit", "--resume", "good", "optimizer.learning_rate=0.1")
    assert "changed  optimizer.learning_rate: 0.05 -> 0.1" in message
    assert "add --force" in message
    assert "cannot change" in refused("fit", "--resume", "good", "model.units=[8]", "--force")
    for change in ("optimizer.momentum=0.9", "train.batch_size=32", "train.precision=mixed_float16"):
        assert "cannot change" in refused("fit", "--resume", "good", change, "--force")
    assert "--force needs --resume" in refused("fit", "good.yaml", "--force")
    more = dltrain("fit", "good.yaml", "--resume", "train.epochs=2")
    assert more.exit_code == 0, more.output
    assert "changed  train.epochs: 1 -> 2" in more.stderr
    assert "recomputed for the new length" in more.stderr
    again = dltrain("fit", "--resume")
    assert again.exit_code == 0
    assert "nothing left to do" in again.stderr
    assert yaml.safe_load((here / "runs/good-001/config.yaml").read_text())["train"]["epochs"] == 2


def test_resume_finds_the_run_that_the_config_means(here, tensorflow):
    (here / "my net.yaml").write_text(GOOD)
    (here / "good.yaml").write_text(GOOD + "name: other\n")
    for config in ("my net.yaml", "good.yaml", "good.yaml"):
        assert dltrain("fit", config, "-q").exit_code == 0
    for given, run in (
        ("my net.yaml", "my-net-001"),
        ("good.yaml", "other-002"),
        ("runs/other-001/config.yaml", "other-001"),
    ):
        assert f"{run} is finished" in dltrain("fit", "--resume", given).stderr


def test_resume_auto_starts_goes_on_and_says_when_it_is_done(here, tensorflow):
    first = dltrain("fit", "good.yaml", "--resume", "auto")
    assert first.exit_code == 0
    assert "there is no checkpoint to resume from, so a new run starts" in first.stderr
    again = dltrain("fit", "good.yaml", "--resume", "auto")
    assert "runs/good-001 is finished: nothing left to do" in again.stderr
    more = dltrain("fit", "good.yaml", "--resume", "auto", "train.epochs=2")
    assert "resuming after step 20" in more.stderr
    (here / "runs/good-002").mkdir()  # one that ended before its first checkpoint
    (here / "runs/good-002/config.yaml").write_text((here / "runs/good-001/config.yaml").read_text())
    assert "a new run starts" in dltrain("fit", "good.yaml", "--resume", "auto").stderr
    assert "runs/good-003 is finished" in dltrain("fit", "good.yaml", "--resume", "auto").stderr


def test_resume_with_the_size_that_auto_chose_changes_nothing(here, tensorflow):
    assert dltrain("fit", "good.yaml", "-q", "train.batch_size=auto").exit_code == 0
    (here / "auto.yaml").write_text(GOOD.replace("batch_size: 64", "batch_size: auto") + "name: good\n")
    again = dltrain("fit", "auto.yaml", "--resume")
    assert again.exit_code == 0, again.output
    assert "changed" not in again.stderr
    anew = dltrain("fit", "--resume", "train.batch_size=auto", "train.epochs=2")
    assert anew.exit_code == 0, anew.output
    assert "256 examples per optimizer step" in anew.stderr
    message = refused("fit", "--resume", "train.batch_size=auto", "train.effective_batch_size=64")
    assert "effective_batch_size must stay 256" in message
    split = dltrain("fit", "--resume", "train.batch_size=64", "train.accumulate_steps=4", "train.epochs=3")
    assert split.exit_code == 0, split.output
    config = here / "runs/good-001/config.yaml"
    config.write_text(config.read_text().replace("batch_size: 64", "batch_size: auto").replace("steps: 4", "steps: 1"))
    assert "batch_size must be a number here" in refused("eval", "good-001")
    assert "batch_size must be a number here" in refused("fit", "--resume", "good-001")


def test_verify_and_reproduce_say_what_they_found(here, tensorflow):
    assert dltrain("fit", "good.yaml", "-q", "train.epochs=2").exit_code == 0
    good = dltrain("verify")
    assert good.exit_code == 0, good.output
    assert "from config, 20 steps: identical to a second replay and metrics.csv, bit for bit" in good.stdout
    assert "good-001 on cpu: repeatable" in good.stdout
    result = json.loads(dltrain("reproduce", "good-001", "--json").stdout)
    assert result["exact"]
    table = here / "runs/good-001/metrics.csv"
    table.write_text(table.read_text().replace("\n1,20,", "\n1,20,9"))
    differs = dltrain("reproduce", "good-001", "-q")
    assert differs.exit_code == 0  # times differ always
    row = table.read_text().splitlines()[1].split(",")
    table.write_text(table.read_text().replace(row[4], "0.123"))
    differs = dltrain("reproduce", "good-001", "-q")
    assert differs.exit_code == 1
    assert f"metrics.csv first differs in epoch 1, loss: 0.123 -> {row[4]}" in differs.stdout
    assert "NOT reproduced" in differs.stdout
    failed = dltrain("verify", "good-001", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["replays"][0]["difference"]["tensor"] == "loss"


def test_a_dry_run_leaves_nothing(here, tensorflow):
    result = dltrain("fit", "good.yaml", "--dry-run")
    assert "everything works" in result.stdout
    assert [path.name for path in here.iterdir()] == ["good.yaml"]


@pytest.mark.parametrize(("command", "extras"), [("serve", ["serve"]), ("export", ["onnx", "litert"])])
def test_help_shows_the_extras_that_it_names(command, extras):
    shown = " ".join(CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout.split())
    for extra in extras:
        assert f"'dltrain[{extra}]'" in shown


def test_all_help_that_is_written_is_shown():
    """Words in brackets could be taken for markup, and disappear."""
    from typer.main import get_command

    root = get_command(app)
    for name, command in {**root.commands, **root.commands["datasets"].commands}.items():
        words = ["datasets", name] if name in root.commands["datasets"].commands else [name]
        shown = re.sub(r"[\s│]+", "", CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200"}).stdout)
        for each in [inspect.getdoc(command.callback), *(parameter.help for parameter in command.params)]:
            for bracket in re.findall(r"\[[^\]]*\]", each or ""):
                assert re.sub(r"\s+", "", bracket) in shown, (name, bracket)
