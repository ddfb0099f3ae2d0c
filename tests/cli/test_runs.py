"""What is seen of runs afterwards: tables, stories, comparisons, plots, logs, and their removal."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from dltrain.cli import app
from dltrain.cli import runs as cli_runs
from dltrain.cli.arguments import run_names
from dltrain.figures.sheet import is_ours
from dltrain.runs.lock import owning

EVIL = "a[red]<script>\x1b[31m\n-001"


@pytest.fixture
def here(tmp_path, monkeypatch, make_run):
    monkeypatch.chdir(tmp_path)
    for variable in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"):
        monkeypatch.delenv(variable, raising=False)
    for seed, test in enumerate((0.80, 0.82, 0.81)):
        make_run(f"low-seed{seed}-001", seed=seed, test=test, rate=0.1)
        make_run(f"high-seed{seed}-001", seed=seed, test=test + 0.1 + seed / 1000, rate=0.2)
    return tmp_path


def dltrain(*words, **settings):
    return CliRunner().invoke(app, list(words), **settings)


def said(*words, **settings):
    """Runs a command that must do well; returns what it prints as a result."""
    result = dltrain(*words, **settings)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_runs_are_a_table_in_a_pipe_whole_and_without_colours(here, make_run):
    make_run("n" * 200 + "-001", [0.5], status="interrupted")
    lines = said("runs", "--sort", "name").splitlines()
    assert lines[0].split() == ["name", "model", "data", "best", "epochs", "time", "status"]
    assert lines[1].split() == [
        "high-seed0-001",
        "mlp",
        "digits",
        "val_accuracy",
        "0.9000",
        "3",
        "4.5",
        "s",
        "finished",
    ]
    assert lines[-1].split() == [
        "n" * 200 + "-001",
        "mlp",
        "digits",
        "val_accuracy",
        "0.5000",
        "1/3",
        "1.5",
        "s",
        "interrupted",
    ]
    assert "\x1b" not in "".join(lines)


def test_runs_are_chosen_and_sorted_and_a_key_that_sorts_is_shown(here):
    found = json.loads(said("runs", "seed1", "--where", "optimizer.learning_rate=0.2", "--json"))["runs"]
    assert [run["name"] for run in found] == ["high-seed1-001"]
    assert found[0]["test"] == {"loss": 0.4, "accuracy": pytest.approx(0.921)}
    lines = said("runs", "low", "--sort", "test.accuracy").splitlines()
    assert "test.accuracy" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["low-seed1-001", "low-seed2-001", "low-seed0-001"]
    assert "no run matches" in dltrain("runs", "nothing").stderr


@pytest.mark.parametrize("columns", [120, 70, 45, 20])
def test_runs_fit_into_the_terminal(here, make_run, monkeypatch, columns):
    make_run("n" * 200 + "-001")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    result = dltrain("runs")
    assert "\x1b[32mfinished" in result.stdout
    lines = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout).splitlines()
    assert len(lines) == 8
    assert max(map(len, lines)) <= columns
    assert all(line.endswith(("status", "finished")) for line in lines)
    assert ("hidden: the terminal is too narrow for time" in result.stderr) == (columns < 80)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in said("runs")


def test_names_in_folders_of_strangers_steer_no_terminal(here, make_run):
    run = make_run(EVIL, stem="x", model="'<b>[blue]x'")
    run.log.write_text("\x1b]0;owned\x07 said\n")
    (run.path / "\x1b[2J").touch()
    run.summary.write_text(json.dumps({**run.read_summary(), "status": "failed", "error": "\x1b[31mred\nline"}))
    for words in (["runs"], ["show", EVIL], ["logs", EVIL], ["plot", EVIL], ["compare", EVIL, "low-seed0-001"]):
        result = dltrain(*words)
        assert result.exit_code == 0, result.output
        assert "\x1b" not in result.output
        assert ("a[red]<script>\\x1b[31m\\n-001" in result.output) or words[0] == "logs"
    asked = dltrain("rm", EVIL)
    assert "\\x1b[2J" in asked.stderr
    assert "\x1b" not in asked.stderr


def test_a_damaged_a_dead_and_an_empty_run_are_shown_and_stop_nobody(here, make_run):
    make_run("bad-001").summary.write_text("{")
    make_run("dead-001", status="running")
    (here / "runs/none-001/checkpoints").mkdir(parents=True)
    result = dltrain("runs")
    assert result.exit_code == 0
    assert result.stdout.count("finished") == 6
    assert {"damaged", "dead", "empty"} <= set(result.stdout.split())
    assert "bad-001: damaged: runs/bad-001/summary.json: cannot be read" in result.stderr
    assert "dead-001: dead: its process ended without a message; resume it with: dltrain fit --resume" in result.stderr


def test_show_tells_what_a_run_was_and_how_it_went(here, make_run):
    words = said("show", "low-seed1-001")
    for part in (
        "low-seed1-001 finished: 3 epochs in 4.5 s",
        "best          val_accuracy 0.9000 in epoch 2",
        "test          loss 0.4000  accuracy 0.8200  (best weights)",
        "optimizer     adam  learning_rate 0.1",
        "runs/low-seed1-001/: checkpoints",
    ):
        assert part in words
    shown = json.loads(said("show", "low-seed1", "--json"))
    assert (shown["status"], shown["seed"], shown["config"]["model"]["units"]) == ("finished", 1, [8])
    going = make_run("going-001", [0.5], status="running")
    with owning(going):
        words = said("show", "going")
    assert "going-001     running: 1 epochs in 1.5 s, 3 epochs planned" in words
    assert "val_accuracy 0.5000 in epoch 1, so far" in words


def test_a_run_that_measured_nothing_finite_is_shown(here, make_run):
    run = make_run("lost-001")
    summary = run.read_summary() | {"test": {"loss": None, "accuracy": 1e308}, "device": "cpu"}
    run.summary.write_text(json.dumps(summary))
    run.environment.write_text(json.dumps({"command": 5, "dltrain": "1"}))
    assert "test          loss not finite  accuracy 1e+308" in said("show", "lost")


def test_metrics_of_other_examples_are_not_subtracted(here, make_run):
    for name, data in (("one-001", "a"), ("two-001", "b")):
        run = make_run(name, rate=0.3 if name == "one-001" else 0.4)
        run.summary.write_text(json.dumps(run.read_summary() | {"data": {"test": data, "validation": "same"}}))
    result = dltrain("compare", "one", "two", "--no-png")
    assert "the runs have different test data" in result.stderr
    assert re.search(r"test accuracy +0\.8500 +0\.8500$", result.stdout, re.MULTILINE)
    assert re.search(r"validation accuracy +0\.9000 +0\.9000 +\+0\.0000", result.stdout)


def test_five_seeds_of_two_configs_are_compared_with_a_verdict_and_a_picture(here):
    result = dltrain("compare", "low-seed*", "high-seed*")
    assert result.exit_code == 0, result.output
    assert re.search(r"optimizer\.learning_rate +0\.1 +0\.2", result.stdout)
    assert re.search(r"test accuracy +0\.8100 \(0\.0100\) +0\.9110 \(0\.0105\) +\+0\.1010 +3\.3e-05", result.stdout)
    assert (
        "test accuracy: high-seed* is higher than low-seed* by 0.1010: more than seed noise (paired t-test, n = 3, "
        "p = 3.3e-05; 95 % confidence interval 0.0985 to 0.1035)"
    ) in result.stdout
    assert is_ours((here / "compare-low-seed-high-seed.png").read_bytes())
    found = json.loads(said("compare", "low-seed*", "high-seed1-001", "--json", "--no-png"))
    verdict = next(each for each in found["metrics"] if each["metric"] == "accuracy")["verdicts"][0]
    assert (verdict["n"], verdict["is_larger"], found["path"]) == ([3, 1], None, None)


def test_a_comparison_is_a_page_too_with_all_that_is_said_and_the_curves(here):
    assert said("compare", "low-seed*", "high-seed*", "--out", "beside.html").endswith("curves  beside.html\n")
    page = (here / "beside.html").read_text(encoding="utf-8")
    for part in ("more than seed noise", "optimizer.learning_rate", "0.8100 (0.0100)", "figure-curve-1", "(3 seeds)"):
        assert part in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    said("compare", "low-seed*", "high-seed*", "--out", "beside.html")
    (here / "mine.html").write_text("<!DOCTYPE html>\nmine")
    result = dltrain("compare", "low-seed*", "high-seed*", "--out", "mine.html")
    assert (result.exit_code, (here / "mine.html").read_text()) == (2, "<!DOCTYPE html>\nmine")
    assert "mine.html: exists and was not written by dltrain" in result.stderr


def test_runs_of_different_tasks_are_compared_by_their_configs_alone(here, make_run):
    make_run("other-001", task="regression")
    result = dltrain("compare", "low-seed0-001", "other-001")
    assert result.exit_code == 0
    assert "task.name" in result.stdout
    assert "accuracy" not in result.stdout.replace("[accuracy]", "")
    assert "runs of different tasks (classification, regression)" in result.stderr
    assert not list(here.glob("*.png"))


def test_a_plot_is_drawn_in_the_terminal_and_as_a_picture(here, monkeypatch):
    text = said("plot", "low-seed0-001")
    assert "accuracy   * train   o validation" in text
    assert is_ours((here / "plot-low-seed0-001.png").read_bytes())
    (here / "mine.png").write_bytes(b"a photo")
    refused = dltrain("plot", "low-seed0-001", "--out", "mine.png")
    assert (refused.exit_code, refused.stdout, (here / "mine.png").read_bytes()) == (2, "", b"a photo")
    found = json.loads(said("plot", "low-seed0-001", "high-seed0-001", "--json", "--no-png"))
    assert found["curves"]["low-seed0-001"]["val_accuracy"] == {"epochs": [1, 2, 3], "values": [0.5, 0.9, 0.8]}
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = said("plot", "low-seed0-001", "high-seed0-001", "--metric", "loss", "--no-png")
    assert re.search("[\u2801-\u28ff]", coloured)
    assert "accuracy" not in coloured


def test_a_log_is_printed_and_of_none_named_the_one_that_spoke_last(here):
    os.utime(here / "runs/low-seed0-001/log.txt", (2e9, 2e9))
    (here / "runs/low-seed0-001/log.txt").write_text("mine\n")
    os.utime(here / "runs/low-seed0-001/log.txt", (2e9, 2e9))
    assert said("logs") == "mine\n"
    followed = dltrain("logs", "-f")
    assert (followed.stdout, followed.stderr) == ("mine\n", "runs/low-seed0-001: finished\n")


def test_ctrl_c_ends_the_following_of_a_log_cleanly(here):
    command = [sys.executable, "-m", "dltrain", "logs", "-f", "low-seed0-001"]
    with owning(cli_runs.selection.resolve(["low-seed0-001"], here / "runs")[0].run):
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert process.stdout.readline() == "epoch 1/3\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "interrupted\n")


def test_removal_asks_and_says_what_goes(here, monkeypatch):
    refused = dltrain("rm", "low-seed0-001", "high-*")
    assert refused.exit_code == 2
    assert "there is no terminal to answer; add --yes" in refused.stderr
    monkeypatch.setattr(cli_runs, "_may_ask", lambda: True)
    declined = dltrain("rm", "low-seed0-001", input="n\n")
    assert "runs/low-seed0-001  finished  2.8 kB" in declined.stderr
    assert "nothing was removed" in declined.stderr
    assert len(list((here / "runs").iterdir())) == 6
    assert "removed  runs/low-seed0-001" in dltrain("rm", "low-seed0-001", input="y\n").stdout
    found = json.loads(said("rm", "high-*", "--yes", "--json"))
    assert [each["run"] for each in found["removed"]] == [f"runs/high-seed{seed}-001" for seed in range(3)]
    assert sorted(path.name for path in (here / "runs").iterdir()) == ["low-seed1-001", "low-seed2-001"]


def test_gc_removes_what_is_of_no_use_and_nothing_else(here, make_run):
    make_run("cut-001", [], status="interrupted", saved=False)
    assert said("gc", "--yes") == "removed  runs/cut-001  interrupted  0.4 kB\n"
    assert "nothing to remove" in dltrain("gc").stderr
    assert len(list((here / "runs").iterdir())) == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "low-sed0-001"], "no run 'low-sed0-001' in runs/, did you mean \"low-seed0-001\"?"),
        (["plot", "lwo-seed0"], 'did you mean "low-seed0"?'),
        (["logs", "nothing"], "no run 'nothing' in runs/; there are"),
        (["compare", "low-seed0-001"], "compare needs two runs or more"),
        (["compare", "x*", "low-seed0-001"], "no run in runs/ matches 'x*'"),
        (["plot", "bare-001"], "bare-001: has no metrics: it is failed and has finished no epoch"),
        (["plot", "bad-001"], "is damaged: runs/bad-001/summary.json"),
        (["show", "bad-001"], "is damaged: runs/bad-001/summary.json"),
        (["compare", "bad-001", "low-seed0-001"], "is damaged: runs/bad-001/summary.json"),
        (["plot", "low-seed0-001", "--metric", "los"], 'did you mean "loss"?'),
        (
            ["compare", "low-seed0-001", "low-seed1-001", "--out", "a.pdf"],
            "must be a file that ends in .png or .html",
        ),
        (["runs", "--sort", "statsu"], 'did you mean "status"?'),
        (["runs", "--where", "model"], "--where must be KEY=VALUE"),
        (["runs", "--runs", "nowhere"], "no such folder; --runs must name the folder of the runs"),
        (["rm", "low-seed0", "--yes"], "rm needs the full name of a run: low-seed0-001 is the newest of low-seed0"),
    ],
)
def test_what_cannot_be_done_is_one_line(here, make_run, words, message):
    make_run("bad-001").summary.write_text("{")
    make_run("bare-001", [], status="failed")
    result = dltrain(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_the_shell_completes_names_of_runs(here):
    class Context:
        params = {"runs": here / "runs"}

    assert run_names(Context(), "low") == [f"low-seed{seed}-001" for seed in range(3)]


def test_a_run_that_was_really_trained_is_shown_compared_and_plotted(here, tensorflow):
    (here / "real.yaml").write_text(
        "dataset: {name: iris, validation_fraction: 0.2}\nmodel: {name: mlp, units: [4]}\n"
        "optimizer: {name: adam}\ntrain: {epochs: 2}\n"
    )
    assert dltrain("fit", "real.yaml", "-q").exit_code == 0
    assert "real-001" in said("runs", "iris", "--where", "status=finished")
    assert re.search(r"test +loss \d\.\d{4}  accuracy", said("show", "real"))
    assert "epoch 2/2" in said("logs", "real")
    assert "val" in said("plot", "real", "--no-png")
    assert "dataset.name" in said("compare", "real", "low-seed0-001", "--no-png")
    assert said("gc", "--yes") == ""
