"""The workers of a run, each with a share of every batch: what all of them must know and decide alike.

A collective operation, such as reading a metric, ends once all have begun it: whatever one worker alone decided (by its
clock, its terminal or a signal that only it got) would leave the others waiting for ever.
"""

import os
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
"""What may differ between the configs of workers that train together."""

RESUME = "start all workers again, with --resume auto, to go on from the last checkpoint"
"""What to type where they ended before the run did."""


class Workers:
    """All of them, as one sees them; alone, there is nobody to ask. As a context, it ends with all others.

    Args:
        cluster: they; none for a process that trains alone.
        said: what the others must say too.
    """

    def __init__(self, cluster: Cluster | None = None, said: dict[str, Any] | None = None) -> None:
        self.count = 1 if cluster is None else len(cluster.workers)
        self.rank = 0 if cluster is None else cluster.rank
        self.is_chief = self.rank == 0
        self.too_late: Callable[[str], None] = _say_at_once
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
        """Returns the workers that are to do what a config says."""
        plain = {key: value for key, value in flat(to_plain(config.experiment)).items() if not is_under(key, OF_EACH)}
        files = {file.name: digest(np.frombuffer(content, np.uint8)) for file, content in plugins.loaded.items()}
        return cls(cluster, {"dltrain": __version__, "profile": profile, "plugins": files, "config": plain})

    @property
    def local_index(self) -> int:
        """How many workers on this machine come before this one."""
        return 0 if self._cluster is None else self._cluster.local_index

    @property
    def local_count(self) -> int:
        """How many of them are on this machine."""
        return 1 if self._cluster is None else self._cluster.same_host_count

    @property
    def words(self) -> str:
        """Who this is, for the user; empty for a process that is alone."""
        if self._cluster is None:
            return ""
        place = "the chief" if self.is_chief else f"worker {self.rank}"
        return f"{place} of {self.count} workers ({self._cluster.source})"

    def join(self, kind: str, devices: int) -> Any:
        """Meets the others, and returns the strategy that makes one of all their devices.

        Args:
            kind: "CPU" or "GPU".
            devices: how many of them this worker has.

        Raises:
            ClusterError: they do not come, or do not fit together.
            TrainingError: one is lost.
        """
        if self._cluster is None or self._peers is None:
            return None
        versions = {"tensorflow": tf.__version__, "keras": keras.__version__}
        self._peers.meet({**self._said, **versions, "device": f"{devices} {kind}"}, misfit)
        self.handover.exchange(self._peers)
        self._peers.watch(self._notice)
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": list(self._cluster.workers)}),
            task_type="worker",
            task_id=self.rank,
            rpc_layer="grpc",
            num_accelerators={"GPU": devices} if kind == "GPU" else {},
        )
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
        return self._strategy

    def heed(self, stop: StopRequest, shows_steps: Callable[[], bool]) -> "StopRequest | SharedStop":
        """Takes up what this worker alone knows; returns what says to all of them at the same step when to stop."""
        if self._peers is None:
            return stop
        self._own_stop, self._own_shows = stop, shows_steps
        return SharedStop(self, stop)

    @property
    def exit_code(self) -> int | None:
        """Of the signal that one of them got, once all know of it."""
        return self._exit_code or None

    def shows_steps(self, own: bool) -> bool:
        """Whether the chief's terminal shows how far an epoch is."""
        return own if self._peers is None else self._shows_steps

    def clock(self) -> float:
        """Returns seconds of a clock that is the same for all of them; it goes on with each `exchange`."""
        return time.monotonic() if self._peers is None else self._clock

    def exchange(self, seconds: float) -> float:
        """Tells the others what this worker alone knows, after a call of the compiled loop.

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

    def least(self, number: int) -> int:
        """Returns the smallest of all workers' numbers, which are below 2^24."""
        return number if self._peers is None else int(self._gather([number]).min())

    def any(self, yes: bool) -> bool:
        """Whether one of them says so."""
        return yes if self._peers is None else bool(self._gather([float(yes)]).max())

    def require_same(self, what: str, digests: Sequence[str]) -> None:
        """Makes sure that all workers have the same, by digests of it.

        Raises:
            DataError: if one has another.
        """
        if self._peers is None or self._cluster is None:
            return
        letters = digest(np.frombuffer("\n".join(digests).encode(), np.uint8))
        rows = self._gather([float(int(letters[start : start + 5], 16)) for start in range(0, 30, 5)])
        others = [self._cluster.named(rank) for rank in range(1, self.count) if (rows[rank] != rows[0]).any()]
        if others:
            verb = "has" if len(others) == 1 else "have"
            raise DataError(f"{' and '.join(others)} {verb} other {what} than the chief: put the same on all machines")

    def _gather(self, numbers: Sequence[float]) -> np.ndarray:
        """Returns what each worker gives, (workers, numbers), float32."""
        table = np.zeros((self.count, len(numbers)), np.float32)
        table[self.rank] = numbers
        return np.asarray(self._strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(table), axis=None))

    def _notice(self, words: str) -> None:
        """Ends this process where the main thread, which waits for the lost worker, does not do so by itself."""
        self.lost = words
        self._heard.set()
        if not self._ended.wait(LOST_SECONDS):
            try:
                self.too_late(f"{words}; {RESUME}")
            except Exception as error:  # such as a full disk
                _say_at_once(f"{words}; {RESUME}\n{error}")
            os._exit(TrainingError.exit_code)

    def translated(self, error: BaseException) -> BaseException:
        """Returns what the user should read where TensorFlow failed because another worker did."""
        if self._peers is None or not isinstance(error, tf.errors.OpError):
            return error
        self._heard.wait(LOST_SECONDS / 2)
        return error if self.lost is None else TrainingError(f"{self.lost}; {RESUME}")

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
            self._peers.part()
        elif isinstance(told, KeyboardInterrupt):
            self._peers.fail("it was interrupted")
        else:
            self._peers.fail(str(told).partition("\n")[0] or type(told).__name__)
        self.handover.clear()
        if isinstance(told, Interrupted):
            raise Interrupted(told.event, told.exit_code, RESUME) from None
        if isinstance(told, DltrainError) and told is not error:
            raise told from None


def _say_at_once(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


class SharedStop:
    """A request to stop that all workers heed after the same step.

    Args:
        workers: they.
        own: what this worker itself was asked.
    """

    def __init__(self, workers: Workers, own: StopRequest) -> None:
        self._workers, self._own = workers, own

    def __bool__(self) -> bool:
        return self.exit_code is not None

    @property
    def exit_code(self) -> int | None:
        """Of the signal, once all know of it."""
        return self._workers.exit_code

    def heed(self) -> None:
        """Says that the main thread has come by and stops now."""
        self._own.heed()


def misfit(chief: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Returns in what a worker differs from the chief so that they cannot train together; none where they can."""
    words = [
        f"{what} {other.get(what)}, the chief has {chief.get(what)}"
        for what in ("dltrain", "tensorflow", "keras", "device", "profile")
        if other.get(what) != chief.get(what)
    ]
    if other.get("plugins") != chief.get("plugins"):
        words.append("other plugins than the chief, by their content")
    mine, theirs = (said.get("config") or {} for said in (chief, other))
    words += [
        f"{key}: {theirs.get(key)}, the chief has {mine.get(key)}"
        for key in {**mine, **theirs}
        if mine.get(key) != theirs.get(key) and not (_is_place(mine.get(key)) and _is_place(theirs.get(key)))
    ]
    return f"has {'; '.join(words)}" if words else None


def _is_place(value: Any) -> bool:
    """Whether a value says where something lies on a machine: what lies there is compared, not where."""
    return isinstance(value, str) and Path(value).is_absolute()
