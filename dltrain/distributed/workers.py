"""The workers of a run, each with a share of every batch: what they must know and decide together.

A collective operation, such as reading a metric, ends once all have started it: whatever one worker alone decided (by
its clock, its terminal or a signal that only it got) would leave the others waiting for ever.
"""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from dltrain import __version__
from dltrain.config.changes import flat, is_under
from dltrain.config.experiment import Config, to_plain
from dltrain.digest import digest
from dltrain.distributed.cluster import Cluster
from dltrain.distributed.handover import Handover
from dltrain.distributed.peers import Peers
from dltrain.errors import DataError, DltrainError, Interrupted, TrainingError
from dltrain.lazy import keras, tf
from dltrain.plugins import loading as plugins
from dltrain.signals import StopRequest

LOST_SECONDS = 20.0
"""How long the main thread may take to notice that a worker is lost: TensorFlow's own heartbeats take 10 s."""

OF_EACH = ("name", "device", "cluster", "trackers", "report")
"""Keys that may differ between the configs of workers that train together."""

RESUME = "to resume from the last checkpoint, start all workers again with --resume auto"
"""Advice for when the workers ended before the run was finished."""


class Workers:
    """All workers of a run, seen from one of them; may be this process alone. Leaving the context ends all of them.

    Args:
        cluster: the list of workers; none for a process that trains alone.
        said: the description of this worker, which must equal that of the others.
    """

    def __init__(self, cluster: Cluster | None = None, said: dict[str, Any] | None = None) -> None:
        self.count = 1 if cluster is None else len(cluster.workers)
        self.rank = 0 if cluster is None else cluster.rank
        self.is_chief = self.rank == 0
        self.too_late: Callable[[str], None] = _say_at_once
        self.warn: Callable[[str], None] = _say_at_once
        self.lost: str | None = None
        self._cluster, self._said = cluster, said or {}
        self._peers = None if cluster is None else Peers(cluster)
        self._began = time.monotonic()
        self._clock = 0.0
        self._shows_steps = False
        self._exit_code = 0
        self._own_stop: StopRequest | None = None
        self._own_shows: Callable[[], bool] = lambda: False
        self.handover = Handover()
        self._heard = threading.Event()
        self._ended = threading.Event()

    @classmethod
    def of(cls, cluster: Cluster | None, config: Config, profile: bool = False) -> "Workers":
        """Returns the workers that train a config."""
        plain = {key: value for key, value in flat(to_plain(config.experiment)).items() if not is_under(key, OF_EACH)}
        loaded = plugins.of(config.experiment.plugins)
        files = {file.name: digest(np.frombuffer(content, np.uint8)) for file, content in loaded.items()}
        return cls(cluster, {"dltrain": __version__, "profile": profile, "plugins": files, "config": plain})

    @property
    def local_index(self) -> int:
        """How many workers on this machine come before this one."""
        return 0 if self._cluster is None else self._cluster.local_index

    @property
    def local_count(self) -> int:
        """How many workers are on this machine."""
        return 1 if self._cluster is None else self._cluster.same_host_count

    @property
    def words(self) -> str:
        """The name of this worker for the user; empty for a process that trains alone."""
        if self._cluster is None:
            return ""
        place = "the chief" if self.is_chief else f"worker {self.rank}"
        return f"{place} of {self.count} workers ({self._cluster.source})"

    def join(self, kind: str, devices: int) -> Any:
        """Connects to the others, and returns the strategy over the devices of all.

        Args:
            kind: "CPU" or "GPU".
            devices: how many devices this worker has.

        Raises:
            ClusterError: workers do not connect, or do not fit together.
            TrainingError: a worker is lost.
        """
        if self._cluster is None or self._peers is None:
            return None
        versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
        self._peers.connect({**self._said, **versions, "device": f"{devices} {kind}"}, misfit, self.warn)
        self.handover.exchange(self._peers)
        self._peers.watch(self._on_loss)
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": list(self._cluster.workers)}),
            task_type="worker",
            task_id=self.rank,
            rpc_layer="grpc",
            num_accelerators={"GPU": devices} if kind == "GPU" else {},
        )
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
        return self._strategy

    def share_stop(self, stop: StopRequest, shows_steps: Callable[[], bool]) -> "StopRequest | SharedStop":
        """Returns a stop request that all workers see after the same step."""
        if self._peers is None:
            return stop
        self._own_stop, self._own_shows = stop, shows_steps
        return SharedStop(self, stop)

    @property
    def exit_code(self) -> int | None:
        """The exit code of a signal that a worker got, once all workers know of it."""
        return self._exit_code or None

    def shows_steps(self, own: bool) -> bool:
        """Whether the chief's terminal shows the progress within an epoch."""
        return own if self._peers is None else self._shows_steps

    def clock(self) -> float:
        """Returns the seconds of a clock that all workers share; it advances with each `exchange`."""
        return time.monotonic() if self._peers is None else self._clock

    def exchange(self, seconds: float) -> float:
        """Shares times, signals and the chief's terminal state among all workers, after a call of the compiled loop.

        Args:
            seconds: how long the call took here.

        Returns:
            how long it took the chief.
        """
        if self._peers is None:
            return seconds
        code = (self._own_stop.exit_code if self._own_stop is not None else None) or 0
        rows = self._gather([seconds, time.monotonic() - self._began, float(self._own_shows()), code])
        self._clock, self._shows_steps = float(rows[0, 1]), bool(rows[0, 2])
        self._exit_code = int(rows[:, 3].max())
        return float(rows[0, 0])

    def smallest(self, number: int) -> int:
        """Returns the smallest of all workers' numbers, which are below 2^24."""
        return number if self._peers is None else int(self._gather([number]).min())

    def any(self, yes: bool) -> bool:
        """Whether at least one worker says yes."""
        return yes if self._peers is None else bool(self._gather([float(yes)]).max())

    def check_same(self, what: str, digests: Sequence[str]) -> None:
        """Checks that all workers have the same data or weights, by digests.

        Raises:
            DataError: if a worker's digests differ from the chief's.
        """
        if self._peers is None or self._cluster is None:
            return
        letters = digest(np.frombuffer("\n".join(digests).encode(), np.uint8))
        rows = self._gather([float(int(letters[start : start + 5], 16)) for start in range(0, 30, 5)])
        others = [self._cluster.named(rank) for rank in range(1, self.count) if (rows[rank] != rows[0]).any()]
        if others:
            verb = "has" if len(others) == 1 else "have"
            raise DataError(f"{' and '.join(others)} {verb} other {what} than the chief: copy the same to all machines")

    def _gather(self, numbers: Sequence[float]) -> np.ndarray:
        """Returns what each worker gives, (workers, numbers), float32."""
        table = np.zeros((self.count, len(numbers)), np.float32)
        table[self.rank] = numbers
        return np.asarray(self._strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(table), axis=None))

    def _on_loss(self, words: str) -> None:
        """Ends this process if the main thread, which waits for the lost worker, does not end in time."""
        self.lost = words
        self._heard.set()
        if not self._ended.wait(LOST_SECONDS):
            try:
                self.too_late(f"{words}; {RESUME}")
            except Exception as error:  # such as a full disk
                _say_at_once(f"{words}; {RESUME}\n{error}")
            os._exit(TrainingError.exit_code)

    def translated(self, error: BaseException) -> BaseException:
        """Replaces an error of TensorFlow by the loss of the worker that caused it.

        TensorFlow notices by itself, after 10 s, that a worker is stopped; the peers wait longer, for one that is slow.
        """
        if self._peers is None or self._cluster is None or not isinstance(error, Exception):
            return error
        if isinstance(error, DltrainError) or not (self.lost or isinstance(error, tf.errors.OpError)):
            return error
        self._heard.wait(LOST_SECONDS / 2)
        lost = self.lost or self._unreachable(error)
        return error if lost is None else TrainingError(f"{lost}; {RESUME}")

    def _unreachable(self, error: Exception) -> str | None:
        """Returns which workers TensorFlow could not reach any more; none for an error of another kind."""
        words = str(error)
        if not isinstance(error, _unreached()) and _ABORTED not in words:
            return None
        others = {*range(self.count)} - {self.rank}
        told = {int(rank) for rank in re.findall(r"/task:([0-9]{1,9})\b", words.partition(_ABORTED)[2])} & others
        if self._cluster is None or not (ranks := told or others if self.count == 2 else told):
            return "another worker does not answer any more"
        return f"{' and '.join(self._cluster.named(rank) for rank in sorted(ranks))} does not answer any more"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._peers is None:
            return
        told = error if error is None else self.translated(error)
        self._ended.set()
        if told is None or isinstance(told, Interrupted):
            self._peers.finish()
        elif isinstance(told, KeyboardInterrupt):
            self._peers.fail("it was interrupted")
        else:
            self._peers.fail(str(told).partition("\n")[0] or type(told).__name__)
        self.handover.clear()
        if isinstance(told, Interrupted):
            raise Interrupted(told.event, told.exit_code, RESUME) from None
        if isinstance(told, DltrainError) and told is not error:
            raise told from None


_ABORTED = "Collective ops is aborted by"
"""How TensorFlow begins to say why an operation of all workers failed on this one."""


def _unreached() -> tuple[type[Exception], ...]:
    return tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError


def _say_at_once(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


class SharedStop:
    """A stop request that all workers follow after the same step.

    Args:
        workers: the workers that share it.
        own: the stop request of this worker alone.
    """

    def __init__(self, workers: Workers, own: StopRequest) -> None:
        self._workers, self._own = workers, own

    def __bool__(self) -> bool:
        return self.exit_code is not None

    @property
    def exit_code(self) -> int | None:
        """The exit code of the signal, once all workers know of it."""
        return self._workers.exit_code

    def acknowledge(self) -> None:
        """Confirms that the main thread has noticed the request and stops now."""
        self._own.acknowledge()


def misfit(chief: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Describes how a worker differs from the chief so that the two cannot train together; none where they can."""
    words = [
        f"{what} {other.get(what)}, the chief has {chief.get(what)}"
        for what in ("dltrain", "tensorflow", "keras", "device", "profile")
        if other.get(what) != chief.get(what)
    ]
    if others := chief.keys() ^ other.keys():
        words.append(f"another description than the chief: {', '.join(sorted(others))}")
    if other.get("plugins") != chief.get("plugins"):
        words.append("other plugins than the chief, by their content")
    mine, theirs = (said.get("config") or {} for said in (chief, other))
    words += [
        f"{key}: {theirs.get(key)}, the chief has {mine.get(key)}"
        for key in {**mine, **theirs}
        if (key in mine) != (key in theirs)
        or (mine[key] != theirs[key] and not (_is_place(mine[key]) and _is_place(theirs[key])))
    ]
    return f"has {'; '.join(words)}" if words else None


def _is_place(value: Any) -> bool:
    """Whether a value is a path on a machine: the content there is compared, not the path."""
    return isinstance(value, str) and Path(value).is_absolute()
