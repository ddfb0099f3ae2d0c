"""`dltrain tune`: trials are runs, failures are noted, what was killed goes on, and the best is a config."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError, Interrupted
from dltrain.tuning import space, storage
from dltrain.tuning.monitor import monitored
from dltrain.tuning.outcome import conclude
from dltrain.tuning.search import Search, Worker
from dltrain.tuning.study import Study

CONFIG = """
dataset: {name: iris, validation_fraction: 0.2}
model: {name: mlp, units: [4]}
optimizer: {name: sgd, learning_rate: 0.01}
train: {epochs: 2, batch_size: 32}
tune:
  trials: 3
  sampler: random
  space:
    optimizer.name: {choices: [sgd, adam]}
    optimizer.learning_rate: {low: 1e-3, high: 1e-1, log: true}
    optimizer.momentum: {low: 0.8, high: 0.99, when: {optimizer.name: sgd}}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def searches():
    pytest.importorskip("optuna", reason="Optuna is not installed: pip install 'dltrain[tune]'")


@pytest.mark.parametrize(
    "line, message",
    [
        ("optimizer.learning_rat: {low: 0.1, high: 0.2}", "did you mean"),
        ("optimizer.l2: {low: 2, high: 1}", "low must be below high"),
        ("optimizer.l2: {low: 0, high: 1.0, log: true}", "low must be above 0 on a logarithmic scale"),
        ("model.units: {choices: [[4], [0]]}", "at least 1, got 0"),
        ("optimizer.l2: {low: 0.0, high: 1.0, when: {optimizer.nam: sgd}}", "did you mean"),
        ("optimizer.l2: {low: 0.0, high: 1.0, when: {optimizer.name: adm}}", "must be one of sgd, adam"),
        ("optimizer.learning_rat: {low: 0.1, high: 0.2}", r"tune.space: unknown key 'optimizer.learning_rat'"),
        ("dataset.name: {choices: [iris, wine]}", "the same in all trials"),
    ],
)
def test_a_wrong_space_is_told_with_its_line(here, line, message):
    path = here / "small.yaml"
    path.write_text(f"{CONFIG}    {line}\n")
    with pytest.raises(ConfigError, match=message) as caught:
        space.check(experiments.load(path))
    assert "small.yaml:13:" in str(caught.value)


def test_a_condition_on_a_key_that_is_not_looked_for_is_told(here):
    path = here / "small.yaml"
    path.write_text(CONFIG.split("    optimizer.name")[0] + f"    {CONFIG.splitlines()[-1].strip()}\n")
    with pytest.raises(ConfigError, match=r"yaml:10:.*got 'optimizer.name'; no key stands before optimizer.momentum"):
        space.check(experiments.load(path))


def test_a_config_without_a_search_is_told_what_it_lacks(here):
    path = here / "small.yaml"
    path.write_text(CONFIG.split("tune:")[0])
    with pytest.raises(ConfigError, match=r"small.yaml:2:1: the tune block is missing: .* tune.space"):
        space.check(experiments.load(path))


def test_conditional_keys_are_there_only_where_their_condition_holds(here):
    path = here / "small.yaml"
    tune = space.check(experiments.load(path))
    for name, has in (("sgd", True), ("adam", False)):
        values = space.draw(tune.space, lambda key, parameter, name=name: name if key.endswith("name") else 0.9)
        assert ("optimizer.momentum" in values) == has


def test_a_run_keeps_no_tune_block(here):
    config = experiments.load(here / "small.yaml")
    assert config.tune is not None
    assert "tune" not in experiments.dump(config.experiment)


def test_without_optuna_the_extra_is_named(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = CliRunner().invoke(app, ["tune", "small.yaml"])
    assert result.exit_code == 2
    assert "pip install 'dltrain[tune]'" in result.stderr


def test_fit_on_the_best_keeps_the_weights_of_the_epoch_that_the_search_found(here):
    config = experiments.load(here / "small.yaml", ["tune.monitor=val_loss"])
    after, column = monitored(config, config.tune)
    assert after.experiment.checkpoint.monitor == column == "val_loss"


@pytest.mark.parametrize("others", [["checkpoint.monitor=loss"], ["checkpoint.monitor=val_accuracy"]])
def test_weights_are_not_kept_by_another_column_than_trials_are_compared_by(here, others):
    config = experiments.load(here / "small.yaml", [*others, "tune.monitor=val_loss"])
    with pytest.raises(ConfigError, match=r"checkpoint.monitor must be that of tune.monitor, val_loss, "):
        monitored(config, config.tune)


def test_trials_are_not_compared_on_the_training_part(here):
    config = experiments.load(here / "small.yaml", ["checkpoint.monitor=loss"])
    with pytest.raises(ConfigError, match=r"checkpoint.monitor must be measured on the validation part"):
        monitored(config, config.tune)


def opened(place, *overrides, config="small.yaml"):
    config = experiments.load(place / config, list(overrides))
    return Study(place, config.experiment, storage.located(config, config.tune), "val_accuracy")


def test_a_path_in_a_database_url_is_relative_to_the_config(here, monkeypatch):
    (here / "small.yaml").write_text(CONFIG.replace("sampler: random", "storage: sqlite:///all.db"))
    monkeypatch.chdir("/")
    config = experiments.load(here / "small.yaml")
    assert storage.located(config, config.tune).storage == f"sqlite:///{here.resolve()}/all.db"


def test_a_database_that_cannot_be_used_is_told_with_its_line_and_leaves_no_search(searches, here):
    (here / "small.yaml").write_text(CONFIG.replace("sampler: random", "storage: nosuch://all"))
    result = CliRunner().invoke(app, ["tune", "small.yaml"])
    assert result.exit_code == 2
    assert "small.yaml:8:12: tune.storage cannot be used" in result.stderr
    assert not [*(here / "runs").iterdir()]


@pytest.mark.parametrize("override", ["train.epochs=3", "tune.monitor=val_loss", "dataset.split_seed=1"])
def test_trials_that_cannot_be_compared_do_not_share_a_study(searches, here, override):
    (here / "small.yaml").write_text(CONFIG.replace("sampler: random", "storage: sqlite:///all.db"))
    opened(here).ask()
    assert opened(here, "device=cpu").known == 1
    config = experiments.load(here / "small.yaml", [override])
    monitor = config.tune.monitor or "val_accuracy"
    with pytest.raises(ValueError, match=f"differs in {override.split('=')[0]};"):
        Study(here, config.experiment, storage.located(config, config.tune), monitor)


def test_what_cannot_change_when_a_search_goes_on_is_named(searches, here):
    config = experiments.load(here / "small.yaml")
    place = here / "runs" / "small-tune-001"
    place.mkdir(parents=True)
    (place / "search.yaml").write_text(experiments.dump(config.experiment, config.tune))
    words = ["tune", "small.yaml", "--resume", "auto", "train.epochs=3", "tune.pruner=none"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert "argument 'train.epochs=3': train.epochs cannot change" in result.stderr
    assert "argument 'tune.pruner=none': tune.pruner cannot change" in result.stderr


@pytest.mark.parametrize("pruner, earliest", [("median", 2), ("hyperband", 1)])
def test_a_trial_that_is_worse_than_the_others_is_cut_short(searches, here, pruner, earliest):
    study = opened(here, f"tune.pruner={pruner}", "tune.trials=30", "train.epochs=27")
    ends = []
    for quality in [*[0.9] * 8, *[0.1] * 8]:
        trial, _ = study.ask()
        why = next((why for epoch in range(1, 27) if (why := study.report(trial, epoch, quality))), "")
        ends.append(study.tell(trial, "pruned" if why else "finished", why))
    assert set(ends[:8]) == {"finished"} and "pruned" in ends[8:]
    assert min(row["epochs"] for row in study.rows() if row["status"] == "pruned") == earliest


def command(*words):
    return [sys.executable, "-m", "dltrain", "tune", *words]


def test_a_search_that_was_killed_goes_on_to_exactly_as_many_trials(searches, here):
    with subprocess.Popen(command("small.yaml"), stderr=subprocess.PIPE, text=True) as search:
        while "trial 1/3" not in search.stderr.readline():
            assert search.poll() is None
        os.kill(search.pid, signal.SIGKILL)
    time.sleep(0.5)
    assert opened(here / "runs" / "small-tune-001", config=here / "small.yaml").study.user_attrs["seconds"] > 0
    done = subprocess.run(command("--resume", "--json"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["trial"] for row in found["trials"]] == [1, 2, 3]
    assert all(row["status"] in ("finished", "pruned") for row in found["trials"])
    best = experiments.load(here / found["config"]).experiment
    assert best.optimizer.learning_rate == found["best"]["values"]["optimizer.learning_rate"]
    summary = json.loads(next((here / found["study"]).glob("trial001-*/summary.json")).read_text())
    assert summary["validation"] and summary["test"] is None
    assert (here / found["report"]).read_text().count("<svg") >= 1


def test_a_trial_that_fails_is_noted_and_the_search_goes_on(searches, here):
    config = CONFIG.replace("trials: 3", "trials: 2\n  pruner: hyperband").replace(
        "  space:", "  space:\n    train.batch_size: {choices: [32, 100000]}"
    )
    (here / "small.yaml").write_text(
        config.replace("optimizer.name: {choices: [sgd, adam]}", "").split("    optimizer.mom")[0]
    )
    words = ("small.yaml", "seed=1", "tune.trials=4", "--workers=2", "--json")
    done = subprocess.run(command(*words), capture_output=True, text=True)
    found = json.loads(done.stdout)
    failed = [row for row in found["trials"] if row["status"] == "failed"]
    assert failed and len(failed) < 4
    assert "batch_size must be at most" in failed[0]["error"]


@pytest.mark.parametrize(
    "change, message",
    [
        ("tune.monitor=val_f1", "tune.monitor must be one of loss, accuracy, val_loss, val_accuracy, got 'val_f1'"),
        ("dataset.validation_fraction=0", "tune.monitor needs a validation part, and there is none"),
    ],
)
def test_trials_that_have_no_value_to_be_compared_by_end_the_search(searches, here, change, message):
    done = subprocess.run(command("small.yaml", change), capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr
    assert "argument 'tune.monitor=val_f1'" in done.stderr or "small.yaml:7:3: tune.monitor" in done.stderr


def test_a_search_without_one_good_trial_says_why(searches, here):
    line = "optimizer.learning_rate: {low: 1e29, high: 1e30, log: true}"
    (here / "small.yaml").write_text(CONFIG.split("    optimizer.name")[0] + f"    {line}\n")
    done = subprocess.run(command("small.yaml", "train.epochs=5"), capture_output=True, text=True)
    assert done.returncode == 1
    assert "trial 3/3  no value (failed: the loss is not finite" in done.stderr
    assert "none of 3 trials finished; the first error: the loss is not finite" in done.stderr


def test_the_page_has_the_best_first_then_what_was_cut_short_and_what_failed_with_its_reason(searches, here):
    study = opened(here, "tune.trials=4")
    for value, how in ((0.5, "finished"), (0.9, "pruned"), (0.7, "finished"), (None, "failed")):
        trial, _ = study.ask()
        if value is not None:
            study.report(trial, 1, value)
        study.tell(trial, how, "no memory\nTry less" if how == "failed" else "")
    config = experiments.load(here / "small.yaml")
    (here / "search.yaml").write_text(experiments.dump(config.experiment, config.tune))
    found = conclude(here, study, "val_accuracy")
    assert found["best"]["trial"] == 3
    page = (here / "report.html").read_text()
    rows = re.findall(r'<tr><td class="word short">(\d)</td><td class="word short">(\w+)', page)
    assert rows == [("3", "finished"), ("1", "finished"), ("2", "pruned"), ("4", "failed"), ("4", "no")]
    assert "4 trials: 2 finished, 1 pruned, 1 failed" in page and "Try less" not in page


@pytest.mark.parametrize("seconds", [0, 0.05, 0.2])
def test_a_worker_that_is_stopped_while_it_starts_ends_without_a_word(tmp_path, monkeypatch, capfd, seconds):
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    search = Search(tmp_path, None, None, "loss", print, False)
    worker = search._started()
    time.sleep(seconds)
    os.kill(worker.process.pid, signal.SIGINT)
    worker.process.join(60)
    worker.connection.close()
    assert (worker.process.exitcode, capfd.readouterr().err) == (0, "")


@pytest.mark.parametrize("is_cut", [False, True], ids=["a new trial", "a trial that was cut"])
def test_a_signal_while_a_trial_is_chosen_gives_no_more(tmp_path, monkeypatch, is_cut):
    trial = SimpleNamespace(number=0)

    def ask(*_):
        os.kill(os.getpid(), signal.SIGTERM)
        return trial, {}

    ours, theirs = multiprocessing.Pipe()
    theirs.send(("end", "interrupted", ""))  # nobody waits for ever
    process = SimpleNamespace(pid=0, join=lambda timeout: None, is_alive=lambda: False)
    monkeypatch.setattr(Search, "_started", lambda self: Worker(process, ours))
    kept = SimpleNamespace(user_attrs={}, set_user_attr=lambda *_: None)
    study = SimpleNamespace(study=kept, cut=lambda: [(trial, {})] if is_cut else [], ask=ask)
    search = Search(tmp_path, study, SimpleNamespace(workers=1, minutes=None), "loss", ask if is_cut else print, False)
    with pytest.raises(Interrupted) as ended:
        search.run("again")
    assert ended.value.exit_code == 143
    assert theirs.recv() is None, "it is sent home, and gets no trial"
    theirs.close()
