"""The workers of a cluster before, while and after they train: they meet, share, watch each other, and part.

TensorFlow waits for ever for a worker that never comes, and says little of one that is lost. So the workers have
connections of their own: each other one with the chief. There is no authentication (see `connection`).
"""

import contextlib
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from dltrain.distributed import connection as connections
from dltrain.distributed.cluster import Cluster
from dltrain.distributed.connection import Connection, Ended, Frame, ready
from dltrain.distributed.rendezvous import Compare, gather, join
from dltrain.errors import TrainingError

PART_BYTES = 2**20
"""In what parts bytes are shared."""

LEAVE_SECONDS = 5.0
"""How long the end waits for the thread that watches."""


class _Loss(Exception):
    """A worker is lost; the words say which one and why."""


class Peers:
    """The workers of a cluster, as one of them sees them.

    In this order: `meet`, `share` as often as wanted, `watch`, and then `part` or `fail`, which may come at any time.

    Args:
        cluster: they.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._connections: dict[
            int, Connection
        ] = {}  # the chief's to all others, and theirs to the chief, by the other's rank
        self._thread: threading.Thread | None = None
        self._parting = False
        self._parted = threading.Event()  # all others have said goodbye, or there is nobody to wait for any more
        self._over = threading.Event()

    def meet(self, said: dict[str, Any], compare: Compare) -> None:
        """Returns when all workers are there and fit together; their own ports are free for TensorFlow then.

        Ctrl-C ends the waiting: of all others too where it is the chief's, and otherwise that worker may come again.

        Args:
            said: what this worker says of itself, as JSON.
            compare: is given what the chief and another say of themselves; returns words where they do not fit
                together, which all workers are shown behind the other's name. The chief calls it.

        Raises:
            ClusterError: some did not come in time, or do not fit together, or a port is in use. All that came are told
                the same.
        """
        if self.cluster.is_chief:
            self._connections = gather(self.cluster, said, compare)
        else:
            self._connections = {0: join(self.cluster, said)}

    def share(self, content: bytes | None = None) -> bytes:
        """Returns the chief's bytes in every worker, when all have asked for them.

        Those that are still getting ready are waited for without a limit, unless they end.

        Args:
            content: the bytes; of the chief alone.

        Raises:
            TrainingError: a worker was lost meanwhile, or what came is not what was sent.
        """
        try:
            if not self.cluster.is_chief:
                return self._received()
            if content is None:
                raise ValueError("the chief must have something to share")
            self._hand_out(memoryview(content))
            return content
        except _Loss as loss:
            self._pass_on(loss)
            raise TrainingError(str(loss)) from None

    def watch(self, lost: Callable[[str], None]) -> None:
        """Watches the others from now on, in a thread.

        One is lost that ends without goodbye, or was heard and is silent for `SILENT_SECONDS`.

        Args:
            lost: called once, in that thread, with words such as "worker 1 (10.0.0.2:2222) is gone". Nobody is watched
                from then on.
        """
        self._thread = threading.Thread(target=self._watch, args=(lost,), name="team", daemon=True)
        self._thread.start()

    def fail(self, words: str) -> None:
        """Tells the others why this worker ends, if they can be told, and leaves; never raises."""
        with contextlib.suppress(Exception):
            self._tell("failed", words=words)
        self._leave()

    def part(self) -> None:
        """Says goodbye at the end of a good run, and returns when all have; or when one is lost, for it is over."""
        if not self._connections:
            return
        self._parting = True
        if self._thread is None:
            self.watch(lambda words: None)
        if not self.cluster.is_chief:
            self._tell("goodbye")
        self._parted.wait()
        if self.cluster.is_chief:
            self._tell("goodbye")
        self._leave()

    def _leave(self) -> None:
        self._over.set()
        for connection in self._connections.values():
            connection.shut()  # and the thread wakes up
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(LEAVE_SECONDS)
        for connection in self._connections.values():
            connection.close()
        self._connections = {}

    def _tell(self, kind: str, **words: Any) -> None:
        for connection in self._connections.values():
            with contextlib.suppress(Ended):  # it is noticed where it is read
                connection.tell(kind, **words)

    def _pass_on(self, loss: _Loss) -> None:
        if self.cluster.is_chief:
            self._tell("lost", words=str(loss))

    def _readable(self, ranks: Iterable[int], seconds: float | None) -> list[int]:
        """Returns those from whom something has come, as soon as something has."""
        found = {self._connections[rank]: rank for rank in ranks}
        return [found[connection] for connection in ready(found, seconds)]

    def _heard(self, rank: int) -> list[Frame]:
        """Returns what has come from another; raises a _Loss if that is a loss, or nothing will come any more."""
        name = self.cluster.named(rank)
        try:
            frames = self._connections[rank].read()
        except Ended:
            raise _Loss(f"{name} is gone") from None
        for frame in frames:
            match frame:
                case {"kind": "failed", "words": words}:
                    raise _Loss(f"{name} failed: {words}")
                case {"kind": "lost", "words": words}:
                    raise _Loss(str(words))
        return frames

    def _hand_out(self, content: memoryview) -> None:
        waiting = set(self._connections)
        while waiting:
            for rank in self._readable(self._connections, None):
                if {"kind": "share"} in self._heard(rank):
                    waiting.discard(rank)
        digest = hashlib.sha256()
        for start in range(0, len(content), PART_BYTES):
            part = content[start : start + PART_BYTES]
            digest.update(part)
            for rank, connection in self._connections.items():
                try:
                    connection.send(part)
                except Ended as end:
                    if self._readable([rank], 0.0):
                        self._heard(rank)  # why it ended
                    raise _Loss(f"{self.cluster.named(rank)} does not take what is shared: {end}") from None
        self._tell("shared", sha256=digest.hexdigest())

    def _received(self) -> bytes:
        self._tell("share")
        content, digest = io.BytesIO(), hashlib.sha256()  # whose bytes are handed on without a copy
        while True:
            # Before the first part the chief gets ready; later it may wait for another, and tells if that is lost.
            if not self._readable([0], 2 * connections.SILENT_SECONDS if content.tell() else None):
                raise _Loss(f"{self.cluster.named(0)} is silent for {2 * connections.SILENT_SECONDS:g} s")
            for frame in self._heard(0):
                if isinstance(frame, bytes):
                    content.write(frame)
                    digest.update(frame)
                elif frame["kind"] == "shared":
                    if frame.get("sha256") != digest.hexdigest():
                        raise TrainingError(f"what {self.cluster.named(0)} shared came damaged: its checksum differs")
                    return content.getvalue()

    def _watch(self, lost: Callable[[str], None]) -> None:
        try:
            self._attend()
        except _Loss as loss:
            if not self._over.is_set():
                self._pass_on(loss)
                if not self._parting:
                    lost(str(loss))
        finally:
            self._parted.set()

    def _attend(self) -> None:
        """Beats and listens until this worker leaves; raises a _Loss."""
        watched, heard, beat = set(self._connections), dict[int, float](), 0.0
        while not self._over.is_set():
            if not watched:
                self._parted.set()
            if time.monotonic() >= beat:
                self._tell("beat")
                beat = time.monotonic() + connections.BEAT_SECONDS
            wait = max(0.0, beat - time.monotonic())
            if not watched:
                self._over.wait(wait)
            for rank in self._readable(watched, wait) if watched else ():
                if {"kind": "goodbye"} in self._heard(rank):
                    watched.discard(rank)
                heard[rank] = time.monotonic()
            # One that has not beaten yet is still getting ready, which may take long.
            for rank in watched & set(heard):
                if time.monotonic() - heard[rank] > connections.SILENT_SECONDS:
                    raise _Loss(f"{self.cluster.named(rank)} is silent for {connections.SILENT_SECONDS:g} s")
