"""A log is printed as it is written, and following it ends with the run."""

import threading
import time

import pytest

from dltrain.errors import RunError
from dltrain.runs import following
from dltrain.runs.following import log_lines
from dltrain.runs.lock import owning


def test_a_log_is_printed_whole_whatever_is_in_it(make_run):
    run = make_run("a-001")
    run.log.write_bytes("Größe\n\n".encode() + b"\xff torn")
    assert list(log_lines(run, follows=False)) == ["Größe", "", "\ufffd torn"]
    assert list(log_lines(run, follows=True)) == ["Größe", "", "\ufffd torn"]  # nobody works on it: it ends


def test_following_misses_nothing_and_ends_with_the_run(make_run, monkeypatch):
    monkeypatch.setattr(following, "PAUSE", 0.001)
    run = make_run("a-001", status="running")
    run.log.unlink()
    found = []
    with owning(run):
        reader = threading.Thread(target=lambda: found.extend(log_lines(run, follows=True)))
        reader.start()
        with run.log.open("ab", buffering=0) as file:
            for text in ("one\ntw", "o\n", "thr€e\n"):
                for byte in text.encode():
                    file.write(bytes([byte]))
                    time.sleep(0.001)
            assert reader.is_alive()
            file.write(b"the last")
    reader.join(10)
    assert not reader.is_alive()
    assert found == ["one", "two", "thr€e", "the last"]


def test_a_run_without_a_log_is_refused(make_run):
    run = make_run("a-001")
    run.log.unlink()
    with pytest.raises(RunError, match=r"log\.txt: does not exist yet"):
        list(log_lines(run, follows=True))
