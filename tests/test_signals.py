"""Signals that the main thread does not come by to heed."""

import subprocess
import sys
import textwrap

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
