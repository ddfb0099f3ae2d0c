"""`dltrain tune`: trials are runs, failures are noted, what was killed goes on, and the best is a config."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError
from dltrain.tuning import space

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
        ("dataset.name: {choices: [iris, wine]}", "the same in all trials"),
    ],
)
def test_a_wrong_space_is_told_with_its_line(here, line, message):
    path = here / "small.yaml"
    path.write_text(f"{CONFIG}    {line}\n")
    with pytest.raises(ConfigError, match=message) as caught:
        space.check(path, [], experiments.load(path))
    assert "small.yaml:13:" in str(caught.value)


def test_conditional_keys_are_there_only_where_their_condition_holds(here):
    path = here / "small.yaml"
    tune = space.check(path, [], experiments.load(path))
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


def command(*words):
    return [sys.executable, "-m", "dltrain", "tune", *words]


def test_a_search_that_was_killed_goes_on_to_exactly_as_many_trials(searches, here):
    with subprocess.Popen(command("small.yaml"), stderr=subprocess.PIPE, text=True) as search:
        while "trial 1/3" not in search.stderr.readline():
            assert search.poll() is None
        os.kill(search.pid, signal.SIGKILL)
    time.sleep(0.5)
    done = subprocess.run(command("--resume", "--json"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["trial"] for row in found["trials"]] == [1, 2, 3]
    assert all(row["status"] in ("finished", "pruned") for row in found["trials"])
    best = experiments.load(here / found["config"]).experiment
    assert best.optimizer.learning_rate == found["best"]["values"]["optimizer.learning_rate"]
    summary = json.loads(next((here / found["study"]).glob("trial000-*/summary.json")).read_text())
    assert summary["validation"] and summary["test"] is None
    assert (here / found["report"]).read_text().count("<svg") >= 1


def test_a_trial_that_fails_is_noted_and_the_search_goes_on(searches, here):
    config = CONFIG.replace("trials: 3", "trials: 2\n  pruner: hyperband").replace(
        "  space:", "  space:\n    train.batch_size: {choices: [32, 100000]}"
    )
    (here / "small.yaml").write_text(
        config.replace("optimizer.name: {choices: [sgd, adam]}", "").split("    optimizer.mom")[0]
    )
    done = subprocess.run(command("small.yaml", "seed=1", "tune.trials=4", "--json"), capture_output=True, text=True)
    found = json.loads(done.stdout)
    failed = [row for row in found["trials"] if row["status"] == "failed"]
    assert failed and len(failed) < 4
    assert "batch_size must be at most" in failed[0]["error"]
