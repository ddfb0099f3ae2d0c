"""The rendezvous of a cluster's workers: all connect to the chief, which accepts all together or refuses all.

A caller must prove that it has the cluster's key, where there is one (see `key`), and say hello as a worker does. Who
does neither is turned away, which is said once for each address, and the chief goes on waiting for its workers.
"""

import contextlib
import errno
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from dltrain.distributed import connection as connections
from dltrain.distributed import key as keys
from dltrain.distributed.cluster import Cluster, address
from dltrain.distributed.connection import Connection, ConnectionEnded, Frame, ready
from dltrain.errors import ClusterError
from dltrain.untrusted import Unreadable, parsing

Compare = Callable[[dict[str, Any], dict[str, Any]], str | None]
Warn = Callable[[str], None]

ANSWER_SECONDS = 10.0
"""How long a caller, and the chief, may take to identify itself."""

RETRY_SECONDS = 0.5
"""How long a worker waits before it tries to reach the chief again."""

GRACE_SECONDS = 10.0
"""How long the chief still waits for others after a problem, so that all of them receive the message."""

MOST_CALLERS = 64
"""Connections that have not said hello yet; for the next one the oldest is closed."""

LONGEST_WORDS = 4000
"""Characters of what is said about a worker."""

_WORKER, _CHIEF = b"worker", b"chief"


class _Refused(Exception):
    """A caller is none of the workers; the message says what is wrong with it."""


def gather(cluster: Cluster, said: dict[str, Any], compare: Compare, warn: Warn) -> dict[int, Connection]:
    """Accepts all other workers, as the chief; returns their connections by rank.

    Args:
        cluster: the workers.
        said: the description of this worker.
        compare: returns how another's description does not fit, or none.
        warn: called with what was refused, once for each address.

    Raises:
        ClusterError: workers did not connect, or do not fit together; all connected ones received the same message.
    """
    rendezvous = _Rendezvous(cluster, said, compare, warn)
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


@dataclass
class _Caller:
    """Who has connected to the chief, and has not said hello yet.

    Args:
        until: when it must have, by time.monotonic().
        asked: the number with which it is to prove itself.
        is_proven: whether it has.
    """

    until: float
    asked: bytes
    is_proven: bool = False


@dataclass(frozen=True)
class _Hello:
    """What a worker says when it connects."""

    rank: int
    workers: tuple[str, ...]
    said: dict[str, Any]

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """Returns the hello of a frame; raises a _Refused where it is not that of a worker."""
        match frame:
            case {"kind": "hello", "rank": rank, "workers": list(workers), "said": dict(said), **others} if not others:
                pass
            case _:
                raise _Refused("received data that no worker sends")
        if not all(isinstance(worker, str) for worker in workers):
            raise _Refused('its list of workers must be of "host:port"')
        if type(rank) is not int or not 0 < rank < len(workers):
            raise _Refused(f"its rank must be one of 1 to {len(workers) - 1}")
        return cls(rank, tuple(workers), said)


class _Rendezvous:
    """The workers that have connected, as the chief sees them."""

    def __init__(self, cluster: Cluster, said: dict[str, Any], compare: Compare, warn: Warn) -> None:
        self.cluster = cluster
        self.said = said
        self.compare = compare
        self.warn = warn
        self.callers: dict[Connection, _Caller] = {}
        self.connected: dict[Connection, int] = {}
        self.refused: set[str] = set()
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
            for connection in [connection for connection, caller in self.callers.items() if caller.until < now]:
                self._forget(connection)
            soon = min(heartbeat, self.until, *(caller.until for caller in self.callers.values())) - now
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
        try:
            connection = Connection(listener.accept()[0])
        except OSError:  # one that has disconnected already
            return
        if len(self.callers) >= MOST_CALLERS:
            self._forget(next(iter(self.callers)))
        caller = _Caller(time.monotonic() + ANSWER_SECONDS, keys.number())
        connection.limit = keys.NUMBER_BYTES + keys.PROOF_BYTES
        self.callers[connection] = caller
        try:
            connection.send_bytes(caller.asked)
        except ConnectionEnded:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        self.callers.pop(connection, None)
        self.connected.pop(connection, None)
        connection.close()

    def _receive(self, connection: Connection) -> None:
        try:
            for frame in connection.receive():
                if (caller := self.callers.get(connection)) is None:
                    continue  # a worker that waits says nothing
                if caller.is_proven:
                    self._welcome(connection, _Hello.of(frame))
                else:
                    self._admit(connection, caller, frame)
        except ConnectionEnded:
            self._forget(connection)  # a stranger, or a worker that may connect again
        except _Refused as refusal:
            if connection.host not in self.refused:
                self.refused.add(connection.host)
                self.warn(f"refused a connection from {connection.host}: {refusal}; still waiting for the workers")
            with contextlib.suppress(ConnectionEnded):
                connection.send_message("refused", words=f"{self.cluster.named(0)} refused: {refusal}")
            self._forget(connection)

    def _admit(self, connection: Connection, caller: _Caller, frame: Frame) -> None:
        """Lets a caller say hello if it has proven itself; raises a _Refused where it has not."""
        if not isinstance(frame, bytes):
            raise _Refused("received data that no worker sends")
        theirs, proof = frame[: keys.NUMBER_BYTES], frame[keys.NUMBER_BYTES :]
        if not keys.is_proof(proof, self.cluster.key, _WORKER, caller.asked, theirs):
            raise _Refused(f"it has {keys.WRONG}")
        caller.is_proven = True
        connection.limit = connections.LIMIT_BYTES
        connection.send_bytes(keys.proof(self.cluster.key, _CHIEF, theirs, caller.asked))

    def _welcome(self, connection: Connection, hello: _Hello) -> None:
        rank, workers = hello.rank, hello.workers
        try:
            with parsing():
                words = self.compare(self.said, hello.said)
        except Unreadable:
            raise _Refused("its description is not that of a worker") from None
        del self.callers[connection]
        if workers != self.cluster.workers:
            listed = " and ".join(", ".join(names) for names in (self.cluster.workers, workers))
            self._add(f"the chief and worker {rank} must have the same list of workers, got {listed}")
        elif rank in self.connected.values():
            self._add(f"each rank must be started once, but two processes connected as {self.cluster.named(rank)}")
        elif (other := misplaced(self.cluster.workers, rank, connection.host)) is not None:
            self._add(
                f"{self.cluster.named(rank)} runs on the machine of {self.cluster.named(other)}: "
                "--rank must be the machine's own position in the list of workers"
            )
        elif words:
            self._add(f"{self.cluster.named(rank)}: {words}")
        self.connected[connection] = rank
        connection.send_message("wait")
        if self.problems and not self.hurried:
            self.hurried = True
            self.until = min(self.until, time.monotonic() + GRACE_SECONDS)

    def _add(self, problem: str) -> None:
        self.problems.append(problem if len(problem) <= LONGEST_WORDS else f"{problem[:LONGEST_WORDS]} ...")


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
    except (OSError, UnicodeError):  # the latter for what no name can be
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
        _prove(connection, cluster)
        connection.send_message("hello", rank=cluster.rank, workers=cluster.workers, said=said)
        frames = connection.receive_within(ANSWER_SECONDS)
        if _kind(frames[0]) not in ("wait", "ready", "refused"):
            raise ConnectionEnded("another program answers")
    except BaseException:
        connection.close()
        raise
    return connection, frames


def _prove(connection: Connection, cluster: Cluster) -> None:
    """Proves to the chief that this worker has the key, and has the chief prove it.

    Raises:
        ClusterError: they have not the same key.
        ConnectionEnded: the other is no chief.
    """
    asked, *_ = connection.receive_within(ANSWER_SECONDS)
    if not isinstance(asked, bytes) or len(asked) != keys.NUMBER_BYTES:
        raise ConnectionEnded("another program answers")
    own = keys.number()
    connection.send_bytes(own + keys.proof(cluster.key, _WORKER, asked, own))
    answer, *_ = connection.receive_within(ANSWER_SECONDS)
    if isinstance(answer, dict) and answer["kind"] == "refused":
        raise ClusterError(str(answer.get("words")))
    if not keys.is_proof(answer, cluster.key, _CHIEF, own, asked):
        raise ClusterError(f"who answers at {cluster.workers[0]}, the chief's address, has {keys.WRONG}")


def _kind(frame: Frame) -> str:
    return frame["kind"] if isinstance(frame, dict) else ""
