"""Signals that the main thread does not come by to heed."""

import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

SCRIPT = """
    import os, signal, sys, time
    from dltrain.signals import StopRequest

    def too_late():
        {too_late}

    with StopRequest(too_late) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        {then}
    sys.exit(stop.exit_code)
"""


@pytest.mark.parametrize(
    ("too_late", "then", "code", "words"),
    [
        ("print('saved', flush=True)", "time.sleep(1000)", 143, "saved"),
        ("raise OSError('no room')", "time.sleep(1000)", 1, "not saved: no room"),
        ("print('saved', flush=True)", "stop.acknowledge(); time.sleep(7)", 143, ""),
    ],
    ids=["noticed and not heeded", "cannot be saved", "heeded"],
)
def test_a_signal_that_is_not_heeded_ends_the_process_after_a_while(too_late, then, code, words):
    script = textwrap.dedent(SCRIPT).format(too_late=too_late, then=then)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert (done.stdout + done.stderr).strip() == words


ENDING = """
    import os, signal, sys, time
    from pathlib import Path
    from dltrain.signals import Stoppable

    signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run in the background
    {before}
    with Stoppable():
        {then}
"""


def ended(tmp_path, before, then):
    script = textwrap.dedent(ENDING).format(before=before, then=then)
    return subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(("name", "code", "words"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "terminated")])
@pytest.mark.parametrize(
    ("before", "then"),
    [
        ("sys.path.insert(0, os.getcwd())", "import swallowing"),
        ("lost = 'try: signal.raise_signal(NUMBER)\\nexcept BaseException: time.sleep(60)'", "exec(lost)"),
        ("Lost = type('Lost', (), {'__del__': lambda self: signal.raise_signal(NUMBER)})", "Lost(); time.sleep(60)"),
        (
            "sys.path.insert(0, os.getcwd())",
            "os.dup2(os.open('kept', os.O_CREAT | os.O_RDWR), 2); import swallowing",
        ),
    ],
    ids=["in an import", "exception lost", "in a finalizer", "standard error kept meanwhile"],
)
def test_a_signal_ends_a_command_whatever_becomes_of_the_exception(tmp_path, before, then, name, code, words):
    swallowing = f"import signal, time\ntry: signal.raise_signal(signal.{name})\nexcept BaseException: time.sleep(60)\n"
    (tmp_path / "swallowing.py").write_text(swallowing)
    before = before.replace("NUMBER", f"signal.{name}")
    done = ended(tmp_path, before, then)
    assert (done.returncode, done.stderr) == (code, f"{words}\n")


def test_a_command_tidies_up_before_it_ends(tmp_path):
    tidying = "try: signal.raise_signal(signal.SIGTERM)\\nfinally: Path('tidied').touch()"
    done = ended(tmp_path, f'tidying = "{tidying}"', "exec(tidying)")
    assert (tmp_path / "tidied").exists()
    assert "dltrain.signals.Stopped: terminated" in done.stderr


def test_a_signal_that_another_handles_ends_nothing(tmp_path):
    then = "signal.signal(signal.SIGINT, lambda *_: None); signal.raise_signal(signal.SIGINT); time.sleep(2.5)"
    done = ended(tmp_path, "", then)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_signal_that_is_to_be_ignored_stays_ignored(tmp_path):
    before = "signal.signal(signal.SIGINT, signal.SIG_IGN)"
    done = ended(tmp_path, before, "signal.raise_signal(signal.SIGINT)")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_signals_at_any_moment_end_any_command(tmp_path):
    """Each within the time that it has to end by itself, of which the machine is allowed many times as much."""
    (tmp_path / "net.yaml").write_text(
        "dataset: {name: iris}\nmodel: {name: mlp, units: [4]}\noptimizer: {name: sgd}\n"
        "train: {epochs: 300, batch_size: 64}\n"
    )
    run = [str(Path(sys.executable).with_name("dltrain"))]
    subprocess.run([*run, "fit", "net.yaml", "train.epochs=1", "-q"], cwd=tmp_path, check=True, capture_output=True)
    commands = ["fit net.yaml", "eval net", "report net", "check net.yaml", "predict net --split test", "runs"]
    commands += ["inspect net.yaml", "devices", "export net --format keras", "compare net net", "preview net.yaml"]
    draw = random.Random(0)
    for index in range(150):
        command, number = commands[index % len(commands)], draw.choice([signal.SIGINT, signal.SIGTERM])
        with subprocess.Popen(
            [*run, *command.split()],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        ) as process:
            time.sleep(0.15 + 4 * draw.random())
            if process.poll() is not None:
                continue
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        # While Python itself ends it no longer listens: a shell sees the same code.
        assert process.returncode in (128 + number, -number, 0), (command, said)
        assert "Traceback" not in said, (command, said)
