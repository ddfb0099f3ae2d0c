"""Batches of mutants in a fresh process each, so that a crash, a hang or a full memory is a finding like any other."""

import faulthandler
import os
import random
import resource
import subprocess
import sys
import traceback
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1]
AT = "at"
"""The file with the number of the mutant that is tried: a crash tells nothing else."""
SECONDS = 120
"""After which one mutant hangs, and where it does is told."""


def batch(script, place, seed, count, *words, seconds=600, gigabytes=24):
    """Runs a batch of a script, and fails with what it found.

    Args:
        script: the file, which calls `hunt`.
        place: an empty folder to work in.
        seed: of the mutants.
        count: how many.
        words: further arguments of the script.
        seconds: after which it hangs.
        gigabytes: of address space that it may take; TensorFlow reserves most of these.
    """

    def bounded():
        resource.setrlimit(resource.RLIMIT_AS, (gigabytes * 2**30, gigabytes * 2**30))

    paths = [str(TESTS.parent), str(TESTS), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(script), str(seed), str(count), *words],
        cwd=place, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=seconds, preexec_fn=bounded,
    )  # fmt: skip
    at = (place / AT).read_text() if (place / AT).exists() else "none"
    words = f"exit code {done.returncode}, at mutant {at} of seed {seed}"
    assert done.returncode == 0, f"{words}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert f"{count} mutants" in done.stdout, done.stdout[-4000:]


def hunt(attempt):
    """Calls a function with the random numbers of each mutant; prints each kind of exception, with its first mutant.

    Args:
        attempt: makes a mutant, tries it, and returns in a word how that went; it notes the mutant in the list that it
            gets as its second argument.
    """
    seed, count = map(int, sys.argv[1:3])
    went, found = Counter(), set()
    for number in range(count):
        noted = []
        Path(AT).write_text(str(number))
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        try:
            went[attempt(random.Random(f"{seed} {number}"), noted)] += 1
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # a panic of Rust is no Exception
            frame = traceback.extract_tb(error.__traceback__)[-1]
            kind = (type(error).__name__, frame.filename, frame.lineno)
            if kind not in found:
                found.add(kind)
                print(f"mutant {number} of seed {seed}: {noted!r}"[:3000], flush=True)
                traceback.print_exc(file=sys.stdout)
    faulthandler.cancel_dump_traceback_later()
    print(f"{count} mutants: {dict(went)}")
    sys.exit(1 if found else 0)
