"""How `launch` ends its workers: processes that stand for them here, some of which heed no signal."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dltrain.cli import launching
from dltrain.errors import TrainingError

HEEDS = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); print(flush=True); signal.pause()"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(3600)"
FAILS = "print(flush=True); raise SystemExit(1)"
ENDS = "print(flush=True)"
REFUSES = "print(flush=True); raise SystemExit(2)"


@pytest.fixture
def launched(monkeypatch):
    """Launches scripts in place of workers; returns the exit code and what was said."""
    monkeypatch.setattr(launching, "GRACE_SECONDS", 3.0)
    monkeypatch.setattr(launching, "LOST_SECONDS", 0.3)
    monkeypatch.setattr(launching, "REFUSED_SECONDS", 0.3)
    monkeypatch.setattr(launching, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(launching, "_require", lambda words: None)
    processes, said = [], []
    monkeypatch.setattr(launching, "echo", lambda words, err: said.append(words))

    def launched(*scripts, stopped=(), then=lambda: None, after=1):
        def start(rank, *_):
            process = subprocess.Popen(
                [sys.executable, "-c", scripts[rank]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                process_group=0,
            )  # fmt: skip
            processes.append(process)
            assert process.stdout.readline()
            if rank in stopped:
                process.send_signal(signal.SIGSTOP)
            if rank == after:
                then()
            return process

        said.clear()
        monkeypatch.setattr(launching, "_start", start)
        context = type("Context", (), {"args": []})()
        try:
            launching.launch(context, len(scripts))
        except (launching._Ended, TrainingError) as error:
            return error.exit_code, "\n".join([*said, str(error)])
        return 0, "\n".join(said)

    launched.count = lambda: len(processes)
    yield launched
    for process in processes:
        assert process.poll() is not None, "a worker was left behind"
        process.stdout.close()
        process.stderr.close()


def signals(*numbers):
    def send():
        for number in numbers:
            os.kill(os.getpid(), number)
            time.sleep(0)  # Python runs the handler

    return send


def test_workers_that_end_well_end_launch_well(launched):
    assert launched(ENDS, ENDS) == (0, "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_reaches_the_workers_and_those_that_do_not_end_are_killed(launched, number, code):
    deaf = DEAF.replace("SIGTERM", signal.Signals(number).name)
    heeds = HEEDS.replace("SIGTERM", signal.Signals(number).name).replace("143", str(code))
    assert launched(heeds, heeds, then=signals(number))[0] == code
    found, words = launched(heeds, deaf, then=signals(number))
    assert found == code and "worker 1 did not end when asked to, and was killed" in words
    found, words = launched(heeds, heeds, stopped=[0], then=signals(number))
    assert found == code and "the chief did not end when asked to, and was killed" in words


def test_after_a_second_signal_nobody_is_waited_for_long(launched, monkeypatch):
    monkeypatch.setattr(launching, "GRACE_SECONDS", 3600.0)
    monkeypatch.setattr(launching, "AGAIN_SECONDS", 0.1)
    code, words = launched(DEAF, DEAF, then=signals(signal.SIGTERM, signal.SIGTERM))
    assert code == 143 and "the chief and worker 1 did not end" in words


@pytest.mark.parametrize(("scripts", "stopped"), [((FAILS, HEEDS), [1]), ((HEEDS, FAILS), [0]), ((DEAF, FAILS), [])])
def test_after_one_failed_the_others_end_whatever_they_do(launched, scripts, stopped):
    code, words = launched(*scripts, stopped=stopped)
    assert code == 1 and "did not end when asked to, and was killed" in words


def test_a_refusal_is_the_exit_code_whoever_had_to_be_ended(launched):
    assert launched(HEEDS, REFUSES)[0] == 2
    assert launched(REFUSES, HEEDS)[0] == 2


def test_a_worker_that_another_killed_is_named(launched):
    code, words = launched("import os; print(flush=True); os.kill(os.getpid(), 9)", HEEDS)
    assert code == 1 and "the chief was killed by signal 9" in words


def test_a_signal_while_the_workers_are_started_starts_no_more(launched):
    assert launched(HEEDS, HEEDS, then=signals(signal.SIGTERM), after=0)[0] == 143
    assert launched.count() == 1


def test_what_a_worker_says_is_shown_whatever_its_bytes_and_no_longer_waited_for_than_for_the_worker(
    tmp_path, monkeypatch, capfd
):
    script = """if True:
        import os, subprocess, sys
        os.write(2, b"a \\xff\\n" * 5000)
        if '"index": 1' in os.environ["TF_CONFIG"]:
            open("left", "w").write(str(subprocess.Popen(["sleep", "3600"]).pid))
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launching, "LISTEN_SECONDS", 0.5)
    monkeypatch.setattr(launching, "_require", lambda words: None)
    monkeypatch.setattr(launching.programs, "dltrain", lambda *words: [sys.executable, "-c", script])
    try:
        launching.launch(type("Context", (), {"args": []})(), 2)
    finally:
        os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)
    assert capfd.readouterr().err.count("[worker 1] a \\xff\n") == 5000


def test_workers_that_are_interrupted_while_they_start_end_without_a_traceback(monkeypatch, capfd):
    start = launching._start

    def interrupted(rank, *rest):
        worker = start(rank, *rest)
        if rank == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return worker

    monkeypatch.setattr(launching, "_start", interrupted)
    monkeypatch.setattr(launching, "_require", lambda words: None)
    with pytest.raises(launching._Ended) as ended:
        launching.launch(type("Context", (), {"args": ["none.yaml"]})(), 2)
    assert ended.value.exit_code == 130
    assert "Traceback" not in capfd.readouterr().err
