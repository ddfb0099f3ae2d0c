"""The search: hands trials to worker processes, follows each epoch, and ends in time."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType
from typing import Any

from dltrain import programs
from dltrain.config.tuning import Tune
from dltrain.errors import Interrupted
from dltrain.plugins import loading as plugins
from dltrain.signals import interrupts_held_back
from dltrain.tuning.space import arguments
from dltrain.tuning.study import Study
from dltrain.tuning.worker import Job, Unusable, work
from dltrain.wording import metric


@dataclass
class Worker:
    """A worker process and its trial.

    Args:
        process: the process.
        connection: to it.
        trial: its trial; none where it waits for one.
        values: of the trial.
    """

    process: Any
    connection: Any
    trial: Any = None
    values: dict[str, Any] = field(default_factory=dict)


class Search:
    """Trials, one after the other or several at a time, until there are enough.

    Args:
        place: the search's folder.
        study: what remembers them.
        tune: how long, and how many at a time.
        monitor: the column that a trial is worth.
        say: tells the user of each trial.
        verbose: let the runs say all that they say.
    """

    def __init__(
        self, place: Path, study: Study, tune: Tune, monitor: str, say: Callable[[str], None], verbose: bool
    ) -> None:
        self._place, self._study, self._tune, self._monitor = place, study, tune, monitor
        self._say, self._verbose = say, verbose
        self._workers: list[Worker] = []
        self._exit_code: int | None = None
        self._unusable: str | None = None

    def run(self, command: str) -> None:
        """Searches until there are enough trials, or no time is left.

        Args:
            command: what to type to resume the search.

        Raises:
            Unusable: if no trial can be compared with others.
            Interrupted: a signal asked to stop; trials under way are saved.
        """
        self._spent, self._began = float(self._study.study.user_attrs.get("seconds", 0)), time.monotonic()
        self._cut = self._study.cut()
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self._workers = [self._started() for _ in range(self._tune.workers)]
            while True:
                for worker in self._workers:
                    if worker.trial is None:
                        self._give(worker)
                busy = {worker.connection: worker for worker in self._workers if worker.trial is not None}
                if not busy:
                    break
                for connection in wait(list(busy)):
                    self._hear(busy[connection])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            with suppress(Exception):  # a database that went away is reported elsewhere
                self._note_time()
            self._dismiss()
        if self._unusable is not None:
            raise Unusable(self._unusable)
        if self._exit_code is not None:
            raise Interrupted(
                "the search was stopped; its trials are saved", self._exit_code, f"to resume, type: {command}"
            )

    def _stop(self, number: int, frame: FrameType | None) -> None:
        """Passes the first signal on, so that trials save their state; the second ends them."""
        is_first = self._exit_code is None
        self._exit_code = 128 + number
        for worker in self._workers:
            if not is_first:
                worker.process.kill()
            elif worker.trial is not None and worker.process.pid:
                with suppress(ProcessLookupError):
                    os.kill(worker.process.pid, signal.SIGINT)

    def _seconds(self) -> float:
        """Returns how long it has searched, over all resumes."""
        return self._spent + time.monotonic() - self._began

    def _note_time(self) -> None:
        self._study.study.set_user_attr("seconds", self._seconds())

    def _started(self) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work, args=(theirs, self._place, plugins.trusts_all, self._verbose), daemon=True
        )
        os.environ[programs.SAFE_PATH] = "1"  # of the worker, and of Python's own helper processes
        resource_tracker.ensure_running()  # which `start` would, and unblock all signals
        with interrupts_held_back():
            process.start()
        theirs.close()
        return Worker(process, ours)

    def _give(self, worker: Worker) -> None:
        """Gives a worker its next trial, where there is one."""
        if self._exit_code is not None or self._unusable is not None:
            return
        if self._cut:
            worker.trial, worker.values = self._cut.pop(0)
            self._say(f"resuming trial {worker.trial.number + 1}")
        else:
            minutes = self._tune.minutes
            if minutes is not None and self._seconds() >= 60 * minutes:
                return
            asked = self._study.ask()
            if asked is None:
                return
            worker.trial, worker.values = asked
        if self._exit_code is not None:  # a signal came while it was asked for, which takes a second
            worker.trial = None
            return
        with suppress(BrokenPipeError):  # it died: which is heard at once
            worker.connection.send(Job(worker.trial.number, tuple(arguments(worker.values)), self._monitor))

    def _hear(self, worker: Worker) -> None:
        """Takes in what a worker says."""
        try:
            kind, *values = worker.connection.recv()
            if kind == "epoch":
                epoch, value = values
                worker.connection.send(self._study.report(worker.trial, epoch, float(value)))
                return
            how, words = values
        except (EOFError, ConnectionError):
            worker.process.join()
            if self._exit_code is not None:
                worker.trial = None
                return
            code = worker.process.exitcode
            how, words = "failed", f"its process ended ({f'signal {-code}' if code < 0 else f'exit code {code}'})"
            if code == -signal.SIGKILL:
                words += "; the system kills a process when memory runs out"
            fresh = self._started()
            worker.process, worker.connection = fresh.process, fresh.connection
        if how == "unusable":
            self._unusable = words
            self._study.tell(worker.trial, "failed", words)
        elif how != "interrupted":
            self._finish(worker, how, words)
        worker.trial = None

    def _finish(self, worker: Worker, how: str, words: str) -> None:
        """Notes how a trial ended, and says so in a line."""
        how = self._study.tell(worker.trial, how, words)
        self._note_time()  # a search that is killed later has spent it all the same
        rows = self._study.rows()
        row = next(row for row in rows if row["trial"] == worker.trial.number + 1)
        of = f"/{self._tune.trials}" if self._tune.trials else ""
        value = "no value" if row["value"] is None else f"{self._monitor} {metric(row['value'])}"
        top = best(rows, self._study.larger_is_better)
        so_far = f"; best {metric(top['value'])}, trial {top['trial']}" if top else ""
        ended = "" if how == "finished" else f" ({how}{': ' + words.splitlines()[0] if how == 'failed' else ''})"
        self._say(f"trial {row['trial']}{of}  {value}{ended}{so_far}  {' '.join(map(_short, worker.values.items()))}")

    def _dismiss(self) -> None:
        """Ends all workers."""
        for worker in self._workers:
            with suppress(OSError):
                worker.connection.send(None)
            worker.process.join(timeout=10 if worker.trial is None else 0.1)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()


def ranked(rows: list[dict[str, Any]], larger_is_better: bool) -> list[dict[str, Any]]:
    """Returns the trials that were trained to their end, the best first, of equal ones the earlier."""
    sign = -1 if larger_is_better else 1
    done = [row for row in rows if row["status"] == "finished"]
    return sorted(done, key=lambda row: (sign * row["value"], row["trial"]))


def best(rows: list[dict[str, Any]], larger_is_better: bool) -> dict[str, Any] | None:
    """Returns the best of the trials that were trained to their end; none where there is none."""
    return next(iter(ranked(rows, larger_is_better)), None)


def _short(item: tuple[str, Any]) -> str:
    key, value = item
    return arguments({key: float(f"{value:.4g}") if isinstance(value, float) else value})[0]
