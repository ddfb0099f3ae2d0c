import io
import json
import logging
import sys
import threading
from functools import partial

import pytest
from rich.text import Text

from dltrain import console
from dltrain.console import PLAIN_SECONDS, Reporter
from dltrain.lazy import starting


@pytest.mark.parametrize("quiet", [False, True])
def test_without_a_terminal_steps_are_told_of_once_in_a_while(monkeypatch, tmp_path, quiet):
    now = 0.0
    monkeypatch.setattr(console.time, "monotonic", lambda: now)
    reporter = Reporter(quiet)
    reporter.log_to(tmp_path / "log.txt")
    for second in range(3 * PLAIN_SECONDS):
        now = float(second)
        if reporter.shows_steps:
            reporter.step("epoch 1/1", second, 100, "")
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 2


@pytest.mark.parametrize("quiet", [False, True])
def test_what_datasets_log_is_said_once_by_the_newest(capsys, tmp_path, quiet):
    old, reporter = Reporter(), Reporter(quiet)
    old.log_to(tmp_path / "old.txt")
    reporter.log_to(tmp_path / "log.txt")
    logging.getLogger("dltrain").info("unpacking %s", "[photos]")
    assert (tmp_path / "log.txt").read_text() == "unpacking [photos]\n"
    assert not (tmp_path / "old.txt").exists()
    assert capsys.readouterr().err == ("" if quiet else "unpacking [photos]\n")


def test_what_is_logged_while_tensorflow_starts_is_said_when_it_has(capfd):
    Reporter()
    with starting:
        loading = threading.Thread(target=logging.getLogger("dltrain").info, args=["unpacking"])
        loading.start()
        loading.join(0.1)
        assert capfd.readouterr().err == ""
    loading.join()
    assert capfd.readouterr().err == "unpacking\n"


def test_what_tensorflow_says_for_information_is_not_kept_but_its_errors_are():
    from dltrain.importing import without_information

    noise = [
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n",
        "I0000 00:00:1796008898.532175   24594 port.cc:153] oneDNN custom operations are on.\n",
        "2026-11-30 03:11:12.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] optimized to use\n",
        "To enable the following instructions: AVX2, rebuild TensorFlow.\n",
        "E0000 00:00:1796008898.532175   24594 cuda_dnn.cc:1] Unable to register\n",
        "a further line\n",
        "I0000 00:00:1796008898.533814   24594 cudart_stub.cc:31] Could not find cuda drivers on your machine.\n",
        "2026-11-30 03:11:12.123456: W tensorflow/core/x.cc:2] a warning\n",
    ]
    assert without_information("".join(noise)) == "".join([noise[4], noise[5], noise[7]])
    assert (
        without_information("Traceback (most recent call last):\n  x\n") == "Traceback (most recent call last):\n  x\n"
    )


def test_the_command_of_a_run_is_what_was_typed(tensorflow, monkeypatch):
    from dltrain.engine.device import start
    from dltrain.training.environment import TYPED, describe

    typed = ["dltrain", "launch", "2", "one.yaml"]
    monkeypatch.setenv(TYPED, json.dumps(typed))
    devices = start("cpu", "float32", False)
    assert "cudart_stub" not in devices.noise
    assert describe(devices)["command"] == typed
    for strange in ("", "[", "[" * 100_000, "null", "1", '{"a": 1}', "[1]", "[[]]", "9" * 5000):
        monkeypatch.setenv(TYPED, strange)
        assert describe(devices)["command"] == sys.argv
    monkeypatch.delenv(TYPED)
    assert describe(devices)["command"] == sys.argv


@pytest.mark.parametrize("width", [40, 60, 75, 89, 90, 120, 200])
def test_the_progress_line_keeps_epoch_steps_and_time_whatever_the_width(monkeypatch, width):
    shown = io.StringIO()
    terminal = partial(console._Terminal, file=shown, force_terminal=True, width=width)
    monkeypatch.setattr(console, "_Terminal", terminal)
    with Reporter() as reporter:
        metrics = "loss 0.1234  accuracy 0.9876  top_5_accuracy 0.9999"
        reporter.step("epoch 12/30", 123, 456, metrics, "1,234 ex/s  3m left")
        reporter._bar.refresh()
    line = Text.from_ansi(shown.getvalue()).plain.replace("\r", "\n")
    wanted = ["epoch 12/30", "123/456", "3m left"] if width > 40 else ["epoch 12/30"]
    for words in [*wanted, *(["loss 0.1234"] if width >= 75 else []), *(metrics.split("  ") if width == 200 else [])]:
        assert words in line
    assert max(map(len, line.splitlines())) <= width


def test_brackets_in_names_are_shown_wherever_messages_go(monkeypatch, tmp_path):
    shown = io.StringIO()
    terminal = partial(console._Terminal, file=shown, force_terminal=True, width=200)
    monkeypatch.setattr(console, "_Terminal", terminal)
    names = "[serve] [red]x[/red] [/b] a[0]"
    with Reporter(verbose=True) as reporter:
        reporter.log_to(tmp_path / "log.txt")
        reporter.step(f"epoch {names}", 1, 2, f"loss {names}", f"pace {names}")
        reporter._bar.refresh()
        for say in (reporter.say, reporter.warn, reporter.detail):
            say(f"message {names}")
    plain = " ".join(Text.from_ansi(shown.getvalue()).plain.split())
    assert plain.count(names) >= 6
    assert (tmp_path / "log.txt").read_text().count(names) == 3
