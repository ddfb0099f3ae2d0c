"""The peers of a cluster before, during and after training: they connect, share data, watch each other, and finish.

TensorFlow waits for ever for a worker that never starts, and says little about one that is lost. So the workers have
their own connections: each with the chief. Who connects proves itself (see `key`).
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
from dltrain.distributed.connection import Connection, ConnectionEnded, Frame, ready
from dltrain.distributed.rendezvous import Compare, Warn, gather, join
from dltrain.errors import TrainingError

CHUNK_BYTES = 2**20
"""Size of the chunks in which bytes are shared."""

LEAVE_SECONDS = 5.0
"""How long leaving waits for the watching thread."""


class _Loss(Exception):
    """A worker is lost; the message says which one and why."""


class Peers:
    """The workers of a cluster, seen from one of them.

    Call in this order: `connect`, `share` as often as needed, `watch`, and then `finish`, or at any time `fail`.

    Args:
        cluster: the list of workers, and which one this is.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._connections: dict[
            int, Connection
        ] = {}  # the chief's to all others, and theirs to the chief, by the other's rank
        self._thread: threading.Thread | None = None
        self._finishing = False
        self._finished = threading.Event()  # all others have said goodbye, or are lost
        self._over = threading.Event()

    def connect(self, said: dict[str, Any], compare: Compare, warn: Warn = lambda words: None) -> None:
        """Waits until all workers are connected and fit together; then their own ports are free for TensorFlow.

        Ctrl-C ends the waiting: on the chief it ends that of all workers; another worker may be started again.

        Args:
            said: the description of this worker, as JSON.
            compare: called by the chief with its own description and another worker's; returns how the two do not fit
                together, which all workers are shown, or none.
            warn: called by the chief with what it refused meanwhile.

        Raises:
            ClusterError: workers did not connect in time, or do not fit together, or a port is in use. All connected
                workers raise it with the same message.
        """
        if self.cluster.is_chief:
            self._connections = gather(self.cluster, said, compare, warn)
        else:
            self._connections = {0: join(self.cluster, said)}

    def share(self, content: bytes | None = None) -> bytes:
        """Sends the chief's bytes to every worker, once all have asked for them.

        Waits without a limit for workers that are still starting, unless they end.

        Args:
            content: the bytes, given by the chief alone.

        Raises:
            TrainingError: a worker was lost meanwhile, or the bytes arrived damaged.
        """
        try:
            if not self.cluster.is_chief:
                return self._receive_shared()
            if content is None:
                raise ValueError("the chief must have something to share")
            self._hand_out(memoryview(content))
            return content
        except _Loss as loss:
            self._pass_on(loss)
            raise TrainingError(str(loss)) from None

    def watch(self, lost: Callable[[str], None]) -> None:
        """Watches the others from now on, in a thread.

        A worker is lost if it ends without goodbye, or has sent heartbeats and is silent for `SILENT_SECONDS`.

        Args:
            lost: called once, in that thread, with a message, for example "worker 1 (10.0.0.2:2222) is gone". The
                watching ends then.
        """
        self._thread = threading.Thread(target=self._watch, args=(lost,), name="peers", daemon=True)
        self._thread.start()

    def fail(self, words: str) -> None:
        """Sends the others the reason why this worker ends, if they can be reached, and leaves; never raises."""
        with contextlib.suppress(Exception):
            self._send_to_all("failed", words=words)
        self._leave()

    def finish(self) -> None:
        """Says goodbye at the end of a good run, and returns when all others have, or when one is lost."""
        if not self._connections:
            return
        self._finishing = True
        if self._thread is None:
            self.watch(lambda words: None)
        if not self.cluster.is_chief:
            self._send_to_all("goodbye")
        self._finished.wait()
        if self.cluster.is_chief:
            self._send_to_all("goodbye")
        self._leave()

    def _leave(self) -> None:
        self._over.set()
        for connection in self._connections.values():
            connection.shut_down()  # and the thread wakes up
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(LEAVE_SECONDS)
        for connection in self._connections.values():
            connection.close()
        self._connections = {}

    def _send_to_all(self, kind: str, **words: Any) -> None:
        for connection in self._connections.values():
            with contextlib.suppress(ConnectionEnded):  # it is noticed where it is read
                connection.send_message(kind, **words)

    def _pass_on(self, loss: _Loss) -> None:
        if self.cluster.is_chief:
            self._send_to_all("lost", words=str(loss))

    def _readable(self, ranks: Iterable[int], seconds: float | None) -> list[int]:
        """Returns the ranks that have sent something, as soon as one has."""
        found = {self._connections[rank]: rank for rank in ranks}
        return [found[connection] for connection in ready(found, seconds)]

    def _receive(self, rank: int) -> list[Frame]:
        """Returns the frames of another worker; raises a _Loss if it failed, or its connection is closed."""
        name = self.cluster.named(rank)
        try:
            frames = self._connections[rank].receive()
        except ConnectionEnded:
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
                if {"kind": "share"} in self._receive(rank):
                    waiting.discard(rank)
        digest = hashlib.sha256()
        for start in range(0, len(content), CHUNK_BYTES):
            part = content[start : start + CHUNK_BYTES]
            digest.update(part)
            for rank, connection in self._connections.items():
                try:
                    connection.send_bytes(part)
                except ConnectionEnded as end:
                    if self._readable([rank], 0.0):
                        self._receive(rank)  # why it ended
                    raise _Loss(f"{self.cluster.named(rank)} does not accept the shared data: {end}") from None
        self._send_to_all("shared", sha256=digest.hexdigest())

    def _receive_shared(self) -> bytes:
        self._send_to_all("share")
        content, digest = io.BytesIO(), hashlib.sha256()  # BytesIO returns its bytes without a copy
        while True:
            # The chief may take long to start; between chunks it may wait for another worker, whose loss it reports.
            if not self._readable([0], 2 * connections.SILENT_SECONDS if content.tell() else None):
                raise _Loss(f"{self.cluster.named(0)} is silent for {2 * connections.SILENT_SECONDS:g} s")
            for frame in self._receive(0):
                if isinstance(frame, bytes):
                    content.write(frame)
                    digest.update(frame)
                elif frame["kind"] == "shared":
                    if frame.get("sha256") != digest.hexdigest():
                        raise TrainingError(
                            f"the data of {self.cluster.named(0)} arrived damaged: the checksum differs"
                        )
                    return content.getvalue()

    def _watch(self, lost: Callable[[str], None]) -> None:
        try:
            self._exchange_heartbeats()
        except _Loss as loss:
            if not self._over.is_set():
                self._pass_on(loss)
                if not self._finishing:
                    lost(str(loss))
        finally:
            self._finished.set()

    def _exchange_heartbeats(self) -> None:
        """Sends and expects heartbeats until this worker leaves; raises a _Loss."""
        watched, heard, next_heartbeat = set(self._connections), dict[int, float](), 0.0
        while not self._over.is_set():
            if not watched:
                self._finished.set()
            if time.monotonic() >= next_heartbeat:
                self._send_to_all("heartbeat")
                next_heartbeat = time.monotonic() + connections.HEARTBEAT_SECONDS
            wait = max(0.0, next_heartbeat - time.monotonic())
            if not watched:
                self._over.wait(wait)
            for rank in self._readable(watched, wait) if watched else ():
                if {"kind": "goodbye"} in self._receive(rank):
                    watched.discard(rank)
                heard[rank] = time.monotonic()
            # A worker without a heartbeat yet is still starting, which may take long.
            for rank in watched & set(heard):
                if time.monotonic() - heard[rank] > connections.SILENT_SECONDS:
                    raise _Loss(f"{self.cluster.named(rank)} is silent for {connections.SILENT_SECONDS:g} s")
