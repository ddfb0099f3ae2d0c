"""The rendezvous of a cluster's workers: all connect to the chief, which accepts all together or refuses all."""

import contextlib
import errno
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from dltrain.distributed import connection as connections
from dltrain.distributed.cluster import Cluster, address
from dltrain.distributed.connection import Connection, ConnectionEnded, Frame, ready
from dltrain.errors import ClusterError

Compare = Callable[[dict[str, Any], dict[str, Any]], str | None]

ANSWER_SECONDS = 10.0
"""How long a caller, and the chief, may take to identify itself."""

RETRY_SECONDS = 0.5
"""How long a worker waits before it tries to reach the chief again."""

GRACE_SECONDS = 10.0
"""How long the chief still waits for others after a problem, so that all of them receive the message."""


def gather(cluster: Cluster, said: dict[str, Any], compare: Compare) -> dict[int, Connection]:
    """Accepts all other workers, as the chief; returns their connections by rank.

    Raises:
        ClusterError: workers did not connect, or do not fit together; all connected ones received the same message.
    """
    rendezvous = _Rendezvous(cluster, said, compare)
    try:
        with _listener(cluster) as listener:
            rendezvous.wait(listener)
        rendezvous.announce("ready")
    except BaseException as error:
        known = isinstance(error, ClusterError)
        rendezvous.announce(
            "refused", words=str(error) if known else f"{cluster.name} gave up while waiting for the other workers"
        )
        for connection in rendezvous.connected:
            connection.close()
        raise
    finally:
        for connection in rendezvous.callers:
            connection.close()
    return {rank: connection for connection, rank in rendezvous.connected.items()}


def join(cluster: Cluster, said: dict[str, Any]) -> Connection:
    """Connects to the chief, as another worker, and waits until all are there; returns the connection.

    Raises:
        ClusterError: the chief does not answer in time, or refuses; or this worker's own port is in use.
    """
    _check_own_port(cluster)
    connection, frames = _reached(cluster, said)
    try:
        while True:
            for frame in frames:
                if _kind(frame) == "ready":
                    return connection
                if isinstance(frame, dict) and frame["kind"] == "refused":
                    raise ClusterError(str(frame.get("words")))
            frames = connection.receive_within(connections.SILENT_SECONDS)
    except ConnectionEnded as end:
        connection.close()
        raise ClusterError(f"{cluster.named(0)} ended while waiting for the other workers: {end}") from None
    except BaseException:
        connection.close()
        raise


def _check_own_port(cluster: Cluster, tries: int = 5) -> None:
    """Raises a ClusterError where another program uses this worker's port, after a few tries: it may just be ending."""
    for left in reversed(range(tries)):
        try:
            _listener(cluster).close()
            return
        except ClusterError:
            if not left:
                raise
            time.sleep(RETRY_SECONDS)


class _Rendezvous:
    """The workers that have connected, as the chief sees them."""

    def __init__(self, cluster: Cluster, said: dict[str, Any], compare: Compare) -> None:
        self.cluster = cluster
        self.said = said
        self.compare = compare
        self.callers: dict[Connection, float] = {}  # connections not identified yet, and until when they may be
        self.connected: dict[Connection, int] = {}
        self.problems: list[str] = []
        self.hurried = False
        self.until = time.monotonic() + 60 * cluster.wait_minutes

    def wait(self, listener: socket.socket) -> None:
        """Waits until all are connected and fit together; otherwise raises a ClusterError with all problems."""
        heartbeat = 0.0
        others = set(range(1, len(self.cluster.workers)))
        while others != set(self.connected.values()) and (now := time.monotonic()) < self.until:
            if now >= heartbeat:
                self.announce("wait")
                heartbeat = now + connections.HEARTBEAT_SECONDS
            for caller in [caller for caller, until in self.callers.items() if until < now]:
                self._forget(caller)
            soon = min(heartbeat, self.until, *self.callers.values()) - now
            sources: list[socket.socket | Connection] = [listener, *self.callers, *self.connected]
            for one in ready(sources, max(0.0, soon)):
                if isinstance(one, Connection):
                    self._receive(one)
                else:
                    self._accept(one)
        if self.problems:
            raise ClusterError("\n".join(self.problems))
        if missing := sorted(others - set(self.connected.values())):
            names = " and ".join(map(self.cluster.named, missing))
            raise ClusterError(
                f"{names} did not connect within {self.cluster.wait_minutes:g} minutes: start all workers within "
                f"cluster.wait_minutes of each other, on machines that reach {self.cluster.workers[0]}"
            )

    def announce(self, kind: str, **words: Any) -> None:
        """Sends a message to all connected workers."""
        for connection in self.connected:
            with contextlib.suppress(ConnectionEnded):  # it is noticed where it is read
                connection.send_message(kind, **words)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # one that has disconnected already
            self.callers[Connection(listener.accept()[0])] = time.monotonic() + ANSWER_SECONDS

    def _forget(self, connection: Connection) -> None:
        self.callers.pop(connection, None)
        self.connected.pop(connection, None)
        connection.close()

    def _receive(self, connection: Connection) -> None:
        try:
            frames = connection.receive()
            if connection in self.callers and frames:
                self._welcome(connection, frames[0])
        except ConnectionEnded:
            self._forget(connection)  # a stranger, or a worker that may connect again

    def _welcome(self, connection: Connection, hello: Frame) -> None:
        match hello:
            case {"kind": "hello", "rank": int(rank), "workers": list(workers), "said": dict(theirs)} if rank > 0:
                del self.callers[connection]
            case _:
                raise ConnectionEnded("received data that no worker sends")
        if tuple(workers) != self.cluster.workers:
            listed = " and ".join(", ".join(map(str, names)) for names in (self.cluster.workers, workers))
            self.problems.append(f"the chief and worker {rank} must have the same list of workers, got {listed}")
        elif rank in self.connected.values():
            self.problems.append(
                f"each rank must be started once, but two processes connected as {self.cluster.named(rank)}"
            )
        elif (other := misplaced(self.cluster.workers, rank, connection.host)) is not None:
            self.problems.append(
                f"{self.cluster.named(rank)} runs on the machine of {self.cluster.named(other)}: "
                "--rank must be the machine's own position in the list of workers"
            )
        elif words := self.compare(self.said, theirs):
            self.problems.append(f"{self.cluster.named(rank)}: {words}")
        self.connected[connection] = rank
        connection.send_message("wait")
        if self.problems and not self.hurried:
            self.hurried = True
            self.until = min(self.until, time.monotonic() + GRACE_SECONDS)


def misplaced(workers: Sequence[str], rank: int, host: str) -> int | None:
    """Returns the rank of the machine that a worker connects from, where that is not its own; else None.

    Args:
        workers: "host:port" of each.
        rank: the worker's rank.
        host: the address that it connects from.
    """
    own = _addresses(workers[rank])
    if not own or host in own or any(ipaddress.ip_address(each).is_loopback for each in own):
        return None  # an unknown name, or a list for one machine, proves nothing
    return next((other for other, worker in enumerate(workers) if host in _addresses(worker)), None)


def _addresses(worker: str) -> set[str]:
    """Returns the IP addresses of a worker's host, as far as they are known here."""
    try:
        return {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(address(worker)[0], None)}
    except OSError:
        return set()


def _listener(cluster: Cluster) -> socket.socket:
    """Listens on a worker's own port, on every interface, as TensorFlow will.

    No other program may use the port now, but TensorFlow must be able to while the connections here are still open:
    their options are those of the socket here, and SO_REUSEPORT, which would let a second program listen now, is set
    behind `bind`.
    """
    host, port = address(cluster.workers[cluster.rank])
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", port))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.listen()
    except OSError as error:
        listener.close()
        taken = "; another program has it, or a worker of the same rank runs here already"
        hint = taken if error.errno == errno.EADDRINUSE else ""
        raise ClusterError(f"{cluster.name} cannot listen on port {port}: {error.strerror}{hint}") from None
    listener.settimeout(0.0)
    return listener


def _reached(cluster: Cluster, said: dict[str, Any]) -> tuple[Connection, list[Frame]]:
    """Tries to reach the chief until it answers; returns the connection and the answer."""
    until = time.monotonic() + 60 * cluster.wait_minutes
    while True:
        try:
            return _called(cluster, said)
        except (OSError, ConnectionEnded) as error:
            if time.monotonic() >= until:
                raise ClusterError(
                    f"the chief, {cluster.workers[0]}, does not answer {cluster.name} within {cluster.wait_minutes:g} "
                    f"minutes ({error}): start it within cluster.wait_minutes, on a machine that this worker reaches"
                ) from None
        time.sleep(RETRY_SECONDS)


def _called(cluster: Cluster, said: dict[str, Any]) -> tuple[Connection, list[Frame]]:
    opened = socket.create_connection(address(cluster.workers[0]), timeout=ANSWER_SECONDS)
    connection = Connection(opened)
    try:
        if opened.getsockname() == opened.getpeername():  # TCP lets a port on which nobody listens call itself
            raise ConnectionEnded("nobody listens")
        connection.send_message("hello", rank=cluster.rank, workers=cluster.workers, said=said)
        frames = connection.receive_within(ANSWER_SECONDS)
        if _kind(frames[0]) not in ("wait", "ready", "refused"):
            raise ConnectionEnded("another program answers")
    except BaseException:
        connection.close()
        raise
    return connection, frames


def _kind(frame: Frame) -> str:
    return frame["kind"] if isinstance(frame, dict) else ""
