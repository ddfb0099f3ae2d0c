"""A process that trains one trial after the other, so that a crash loses one trial only."""

import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.errors import ConfigError, DltrainError, Interrupted, Pruned, said
from dltrain.lazy import keras
from dltrain.plugins import loading as plugins
from dltrain.runs import folder
from dltrain.runs.listing import as_float
from dltrain.signals import Stoppable, let_interrupts_through
from dltrain.training import trainer
from dltrain.training.resume import Resume, resumed_config

RUN = "trial{:03d}"
"""The name of a trial's run, by its number as the user reads it, counted from 1."""


@dataclass(frozen=True)
class Job:
    """A trial to train.

    Args:
        number: of the trial, counted from 0.
        overrides: its values, as arguments.
        monitor: the column that it is worth.
    """

    number: int
    overrides: tuple[str, ...]
    monitor: str


class Unusable(DltrainError):
    """Nothing that a trial could choose would mend it: the search ends. The message begins with a key of `tune`."""


def work(connection: Connection, place: Path, trusts: bool, verbose: bool) -> None:
    """Trains what comes until there is no more; sends ("epoch", row), and waits for an answer, and ("end", how, words).

    Args:
        connection: to the search.
        place: its folder.
        trusts: whether the user said --trust.
        verbose: say all that a run says.
    """
    os.setsid()  # Ctrl-C in a terminal is for the search alone, which passes it on once
    threading.Thread(target=_die_with_parent, daemon=True).start()
    plugins.trusts_all = trusts
    try:
        with Stoppable():
            let_interrupts_through()
            while (job := connection.recv()) is not None:
                connection.send(("end", *_done(job, connection, place, verbose)))
                keras.backend.clear_session()  # else each network stays in memory
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)  # what is saved stands


def _done(job: Job, connection: Connection, place: Path, verbose: bool) -> tuple[str, str]:
    """Trains a trial; returns how it ended and what it said."""

    def prune_reason(row: dict[str, Any]) -> str | None:
        if job.monitor not in row:
            columns = [column for column in row if column.startswith("val_")]
            raise Unusable(
                f"monitor must be one of {', '.join(columns)}, got {job.monitor!r}"
                if columns
                else "monitor needs a validation part, and there is none: set dataset.validation_fraction=0.1"
            )
        connection.send(("epoch", row["epoch"], row[job.monitor]))
        return connection.recv()

    try:
        _train(job, place, verbose, prune_reason)
    except Pruned as error:
        return "pruned", str(error)
    except (Interrupted, KeyboardInterrupt):
        return "interrupted", ""
    except Unusable as error:
        return "unusable", str(error)
    except DltrainError as error:
        # What a trial is worth is also what its weights are kept by, which is looked at before the first step.
        words = error.words_of("checkpoint.monitor") if isinstance(error, ConfigError) else None
        return ("failed", str(error)) if words is None else ("unusable", f"monitor {words}")
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:
        return "failed", plugins.fault(error) or f"{type(error).__name__}: {said(error)}"
    return "finished", ""


def _train(job: Job, place: Path, verbose: bool, prune_reason: Any) -> None:
    """Trains a trial, from where its run was cut if it was."""
    from dltrain.tuning.study import SEARCH

    name, overrides = RUN.format(job.number + 1), [*job.overrides, "tune=none", "report=false"]
    config = experiments.renamed(experiments.load(place / SEARCH, overrides), name)
    run, reporter = folder.newest(place, name), Reporter(quiet=not verbose)
    if run is not None and run.saved is not None:
        after, changes = resumed_config(run, experiments.load(run.config), config, place, reporter.say)
        for row in run.read_metrics():
            prune_reason({**row, "epoch": int(row["epoch"]), job.monitor: as_float(row.get(job.monitor))})
        trainer.fit(after, reporter, place, Resume(run, changes), prune_reason=prune_reason)
    else:
        trainer.fit(config, reporter, place, prune_reason=prune_reason)
