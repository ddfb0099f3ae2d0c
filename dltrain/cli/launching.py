"""`dltrain launch`: several workers on this machine, each a `dltrain fit` of its own, for trying a cluster."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import IO, Annotated

import typer

from dltrain.cli.arguments import echo
from dltrain.errors import ConfigError, DltrainError, TrainingError

ENDED = {-signal.SIGINT: 130, -signal.SIGTERM: 143}


def launch(
    context: typer.Context,
    count: Annotated[int, typer.Option("-n", "--workers", min=1, max=64, help="How many workers.")],
) -> None:
    """Start N workers on this machine that train CONFIG together: `launch -n 2 CONFIG`, then as with `fit`.

    They are what several machines would be, but share this one's cores: it is for trying, not for speed. On a machine
    with GPUs each takes one of its own. What the chief prints is shown as it is, what others print behind their number.
    """
    words = context.args
    for word in words:
        if word == "--rank" or word.startswith("--rank="):
            raise ConfigError(["launch gives each worker its --rank by itself"])
    places = [f"127.0.0.1:{port}" for port in _free_ports(count)]
    workers: list[subprocess.Popen[str]] = []
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT,)}  # they have it themselves
    before[signal.SIGTERM] = signal.signal(signal.SIGTERM, lambda number, _: _pass_on(workers, number))
    try:
        for rank in range(count):
            workers.append(_start(rank, places, words))
        listening = [_forwarded(rank, worker) for rank, worker in enumerate(workers) if rank]
        codes = [worker.wait() for worker in workers]
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
        raise TrainingError(f"{names} was killed by signal {-codes[killed[0]]}: the others ended with it")
    raise _Ended(next(code for code in codes if code))


class _Ended(DltrainError):
    """The workers have said themselves why they ended."""

    def __init__(self, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(f"the workers ended with exit code {exit_code}")


def _free_ports(count: int) -> list[int]:
    """Returns ports of 127.0.0.1 that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _start(rank: int, places: list[str], words: list[str]) -> subprocess.Popen[str]:
    task = {"cluster": {"worker": places}, "task": {"type": "worker", "index": rank}}
    cores = max((os.cpu_count() or 1) // len(places), 1)
    return subprocess.Popen(
        [sys.executable, "-m", "dltrain", "fit", *words],
        env={
            "TF_NUM_INTRAOP_THREADS": str(cores),
            "TF_NUM_INTEROP_THREADS": str(max(cores, 2)),
            **os.environ,
            "TF_CONFIG": json.dumps(task),
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
