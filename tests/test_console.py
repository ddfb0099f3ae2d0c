import io
import logging
import threading
from functools import partial

import pytest
from rich.console import Console
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


@pytest.mark.parametrize("width", [40, 60, 75, 89, 90, 120, 200])
def test_the_progress_line_keeps_epoch_steps_and_time_whatever_the_width(monkeypatch, width):
    shown = io.StringIO()
    monkeypatch.setattr(console, "Console", partial(Console, file=shown, force_terminal=True, width=width))
    with Reporter() as reporter:
        metrics = "loss 0.1234  accuracy 0.9876  top_5_accuracy 0.9999"
        reporter.step("epoch 12/30", 123, 456, metrics, "1,234 ex/s  3m left")
        reporter._bar.refresh()
    line = Text.from_ansi(shown.getvalue()).plain.replace("\r", "\n")
    wanted = ["epoch 12/30", "123/456", "3m left"] if width > 40 else ["epoch 12/30"]
    for words in [*wanted, *(["loss 0.1234"] if width >= 75 else []), *(metrics.split("  ") if width == 200 else [])]:
        assert words in line
    assert max(map(len, line.splitlines())) <= width
