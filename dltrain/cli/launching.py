"""`dltrain launch`: several workers on this machine, each a `dltrain fit` of its own, for trying a cluster."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import IO, Annotated

import typer

from dltrain import programs
from dltrain.cli.arguments import echo, sort_words
from dltrain.cli.series import config_of
from dltrain.cli.trust import Trust
from dltrain.config import experiment as experiments
from dltrain.errors import ConfigError, DltrainError, TrainingError, UserError
from dltrain.plugins import loading as plugins

ENDED = {-signal.SIGINT: 130, -signal.SIGTERM: 143}

REFUSED_SECONDS = 5.0
"""How long the others may go on where one refused its command: the chief may have, whom they would wait for."""

LOST_SECONDS = 60.0
"""How long the others may go on where one failed: they find out by themselves, and say so."""

POLL_SECONDS = 0.1
"""How long it takes to see that a worker has ended."""


def launch(
    context: typer.Context,
    count: Annotated[int, typer.Option("-n", "--workers", min=1, max=64, help="The number of workers.")],
    trust: Trust = False,
) -> None:
    """Start N workers on this machine that train CONFIG together: `launch -n 2 CONFIG`, then as with `fit`.

    The workers stand for several machines but share the cores of this one: they try a cluster and are not faster. On a
    machine with GPUs each worker takes its own. The chief's output is shown as it is, that of others after their rank.
    """
    words = [*context.args, "cluster=none"]  # the config's workers are other machines
    _require(words)
    if trust or plugins.loaded:  # whom the terminal was asked about: the others have none
        words.append("--trust")
    places = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    workers: list[subprocess.Popen[str]] = []
    # Ctrl-C reaches the workers by itself; they would inherit SIG_IGN, and not hear of it.
    before = {signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None)}
    before[signal.SIGTERM] = signal.signal(signal.SIGTERM, lambda number, _: _pass_on(workers, number))
    try:
        for rank in range(count):
            workers.append(_start(rank, places, words))
        listening = [_forwarded(rank, worker) for rank, worker in enumerate(workers) if rank]
        codes = _codes(workers)
        for thread in listening:
            thread.join()
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
        for number, handler in before.items():
            signal.signal(number, handler)
    codes = [ENDED.get(code, code) for code in codes]
    if all(code == 0 for code in codes):
        return
    killed = [rank for rank, code in enumerate(codes) if code < 0]
    if killed:
        names = " and ".join(f"worker {rank}" if rank else "the chief" for rank in killed)
        raise TrainingError(f"{names} was killed by signal {-codes[killed[0]]}, so the others ended")
    raise _Ended(next(code for code in codes if code))


class _Ended(DltrainError):
    """The workers ended with an error and have printed why."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(f"the workers ended with exit code {exit_code}")


def _require(words: list[str]) -> None:
    """Makes sure, before all of them say so, that there is a config which can be read.

    Raises:
        ConfigError: if not, or if an option is for one process alone.
    """
    for word in words:
        option = word.partition("=")[0]
        if option == "--rank":
            raise ConfigError(["launch sets the --rank of each worker; leave it out"])
        if option in ("--dry-run", "--folds", "--seeds"):
            raise ConfigError([f"launch trains one run with several workers; use {option} with dltrain fit"])
    plain = [word for word, last in zip(words, ["", *words], strict=False) if word[:1] != "-" and last != "--runs"]
    given = sort_words(plain)
    if "--resume" not in words:
        config_of(given)
    if given.config is not None:
        experiments.load(given.config, given.overrides)


def _codes(workers: list[subprocess.Popen[str]]) -> list[int]:
    """Waits for all; where one has failed, the others get some time to end by themselves."""
    until = None
    while any(worker.poll() is None for worker in workers):
        failed = [worker.returncode for worker in workers if worker.returncode]
        if failed and until is None:
            patience = REFUSED_SECONDS if UserError.exit_code in failed else LOST_SECONDS
            until = time.monotonic() + patience
        if until is not None and time.monotonic() >= until:
            _pass_on(workers, signal.SIGTERM)
            until += LOST_SECONDS
        time.sleep(POLL_SECONDS)
    return [worker.returncode for worker in workers]


def _free_ports(count: int) -> list[int]:
    """Returns ports of 127.0.0.1 that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _start(rank: int, places: list[str], words: list[str]) -> subprocess.Popen[str]:
    from dltrain.training.environment import TYPED

    task = {"cluster": {"worker": places}, "task": {"type": "worker", "index": rank}}
    cores = max((os.cpu_count() or 1) // len(places), 1)
    return subprocess.Popen(
        programs.dltrain("fit", *words),
        env={
            "TF_NUM_INTRAOP_THREADS": str(cores),
            "TF_NUM_INTEROP_THREADS": str(max(cores, 2)),
            **os.environ,
            "TF_CONFIG": json.dumps(task),
            TYPED: json.dumps(sys.argv),
        },
        stdin=None if rank == 0 else subprocess.DEVNULL,
        stdout=None if rank == 0 else subprocess.DEVNULL,
        stderr=None if rank == 0 else subprocess.PIPE,
        text=True,
    )


def _forwarded(rank: int, worker: subprocess.Popen[str]) -> threading.Thread:
    """Shows what a worker says, behind its number."""

    def forward(stream: IO[str]) -> None:
        for line in stream:
            if line.strip():
                echo(f"[worker {rank}] {line.rstrip()}", err=True)

    assert worker.stderr is not None
    thread = threading.Thread(target=forward, args=(worker.stderr,), daemon=True)
    thread.start()
    return thread


def _pass_on(workers: list[subprocess.Popen[str]], number: int) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)
