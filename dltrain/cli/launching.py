"""`dltrain launch`: several workers on this machine, each a `dltrain fit` of its own, for trying a cluster."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import IO, Annotated, Self

import typer

from dltrain import programs
from dltrain.cli.arguments import echo, sort_words
from dltrain.cli.series import config_of
from dltrain.cli.trust import Trust
from dltrain.config import experiment as experiments
from dltrain.distributed import key as keys
from dltrain.errors import ConfigError, DltrainError, TrainingError, UserError
from dltrain.plugins import loading as plugins
from dltrain.signals import EXIT_CODES, noted

ENDED = {-number: code for number, code in EXIT_CODES.items()}

REFUSED_SECONDS = 5.0
"""How long the others may go on where one refused its command: the chief may have, whom they would wait for."""

LOST_SECONDS = 60.0
"""How long the others may go on where one failed: they find out by themselves, and say so."""

GRACE_SECONDS = 30.0
"""How long the workers may take to save and end after a signal: a stopped one never would."""

AGAIN_SECONDS = 3.0
"""The same, after a second signal."""

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
    places, key = [f"127.0.0.1:{port}" for port in _free_ports(count)], keys.made()
    workers: list[subprocess.Popen[str]] = []
    with _Signals(workers) as signals:
        try:
            for rank in range(count):
                if signals.first is None:
                    workers.append(_start(rank, places, words, key))
            listening = [_forwarded(rank, worker) for rank, worker in enumerate(workers) if rank]
            codes = _codes(workers, signals)
            for thread in listening:
                thread.join()
        finally:
            _send(workers, signal.SIGKILL)
    codes = [ENDED.get(code, code) for code in codes]
    killed = [rank for rank, code in enumerate(codes) if code < 0]
    names = " and ".join(f"worker {rank}" if rank else "the chief" for rank in killed)
    if killed and not signals.has_killed:
        raise TrainingError(f"{names} was killed by signal {-codes[killed[0]]}, so the others ended")
    if killed:
        echo(f"{names} did not end when asked to, and was killed", err=True)
    if any(codes) or len(workers) < count:
        raise _Ended(_exit_code(codes, signals))


def _exit_code(codes: list[int], signals: "_Signals") -> int:
    """Returns the exit code of the signal that came, else that of the worker that failed by itself."""
    if signals.first is not None:
        return EXIT_CODES[signals.first]
    failed = sorted((code for code in codes if code > 0), key=lambda code: code in EXIT_CODES.values())
    return failed[0] if failed else TrainingError.exit_code


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


class _Signals:
    """A context in which signals to `launch` are passed on to its workers, and those that do not end are killed.

    The workers are process groups of their own: what is typed in the terminal reaches them in this way alone.

    Args:
        workers: the processes, as far as they are started.

    Attributes:
        first: the first signal that came; none while none has.
        until: when the workers that are left are killed, by time.monotonic().
        has_killed: whether some were.
    """

    def __init__(self, workers: list[subprocess.Popen[str]]) -> None:
        self.first: signal.Signals | None = None
        self.until = math.inf
        self.has_killed = False
        self._workers = workers
        self._came: list[int] = []

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in noted()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def end(self) -> None:
        """Asks the workers that are left to end."""
        self.until = min(self.until, time.monotonic() + GRACE_SECONDS)
        _send(self._workers, signal.SIGTERM)

    def pass_on(self) -> None:
        """Sends the workers what came, and kills those that are left where they had their time."""
        while self._came:
            _send(self._workers, self._came.pop(0))
        if time.monotonic() >= self.until:
            self.has_killed = True
            _send(self._workers, signal.SIGKILL)

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Only notes the signal: a worker may just be being started."""
        self.until = min(self.until, time.monotonic() + (GRACE_SECONDS if self.first is None else AGAIN_SECONDS))
        self.first = self.first or signal.Signals(number)
        self._came.append(number)


def _codes(workers: list[subprocess.Popen[str]], signals: _Signals) -> list[int]:
    """Waits for all; where one has failed, the others get some time to end by themselves."""
    patience = None
    while None in (codes := [worker.poll() for worker in workers]):
        now, failed = time.monotonic(), [code for code in codes if code]
        if failed and patience is None:
            patience = now + (REFUSED_SECONDS if UserError.exit_code in failed else LOST_SECONDS)
        if patience is not None and now >= patience and signals.until == math.inf:
            signals.end()
        signals.pass_on()
        time.sleep(POLL_SECONDS)
    return [code for code in codes if code is not None]


def _free_ports(count: int) -> list[int]:
    """Returns ports of 127.0.0.1 that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _start(rank: int, places: list[str], words: list[str], key: str) -> subprocess.Popen[str]:
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
            keys.VARIABLE: key,
            TYPED: json.dumps(sys.argv),
        },
        stdin=None if rank == 0 else subprocess.DEVNULL,
        stdout=None if rank == 0 else subprocess.DEVNULL,
        stderr=None if rank == 0 else subprocess.PIPE,
        text=True,
        process_group=0,
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


def _send(workers: list[subprocess.Popen[str]], number: int) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)
