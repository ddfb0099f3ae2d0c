import logging
import threading

import pytest

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
