"""How the workers of a cluster find each other: all call the chief, which lets all in together or refuses all."""

import contextlib
import errno
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from dltrain.distributed import connection as connections
from dltrain.distributed.cluster import Cluster, address
from dltrain.distributed.connection import Connection, Ended, Frame, ready
from dltrain.errors import ClusterError

Compare = Callable[[dict[str, Any], dict[str, Any]], str | None]

ANSWER_SECONDS = 10.0
"""How long one that calls, and one that is called, may take to say who he is."""

RETRY_SECONDS = 0.5
"""How long a worker waits before it calls the chief again."""

GRACE_SECONDS = 10.0
"""Where something is wrong already: how long the chief waits for others, which shall hear of it as well."""


def gather(cluster: Cluster, said: dict[str, Any], compare: Compare) -> dict[int, Connection]:
    """Waits, as the chief, for all other workers; returns their connections by rank.

    Raises:
        ClusterError: some did not come, or do not fit together; all that came have heard the same words.
    """
    meeting = _Meeting(cluster, said, compare)
    try:
        with _listener(cluster) as listener:
            meeting.wait(listener)
        meeting.tell("ready")
    except BaseException as error:
        known = isinstance(error, ClusterError)
        meeting.tell("refused", words=str(error) if known else f"{cluster.name} gave up while the workers gathered")
        for connection in meeting.came:
            connection.close()
        raise
    finally:
        for connection in meeting.callers:
            connection.close()
    return {rank: connection for connection, rank in meeting.came.items()}


def join(cluster: Cluster, said: dict[str, Any]) -> Connection:
    """Calls the chief, as another worker, until it answers, and waits for the rest; returns the connection.

    Raises:
        ClusterError: the chief does not answer in time, or refuses; or this worker's own port is in use.
    """
    _require_own_port(cluster)
    connection, frames = _reached(cluster, said)
    try:
        while True:
            for frame in frames:
                if _kind(frame) == "ready":
                    return connection
                if isinstance(frame, dict) and frame["kind"] == "refused":
                    raise ClusterError(str(frame.get("words")))
            frames = connection.hear(connections.SILENT_SECONDS)
    except Ended as end:
        connection.close()
        raise ClusterError(f"{cluster.named(0)} ended while the workers gathered: {end}") from None
    except BaseException:
        connection.close()
        raise


def _require_own_port(cluster: Cluster, tries: int = 5) -> None:
    """Raises a ClusterError where another program keeps this worker's port; one that just ends lets go of it."""
    for left in reversed(range(tries)):
        try:
            _listener(cluster).close()
            return
        except ClusterError:
            if not left:
                raise
            time.sleep(RETRY_SECONDS)


class _Meeting:
    """Who is there, as the chief sees it."""

    def __init__(self, cluster: Cluster, said: dict[str, Any], compare: Compare) -> None:
        self.cluster = cluster
        self.said = said
        self.compare = compare
        self.callers: dict[Connection, float] = {}  # those that have not said who they are, and until when they may
        self.came: dict[Connection, int] = {}
        self.problems: list[str] = []
        self.hurried = False
        self.until = time.monotonic() + 60 * cluster.wait_minutes

    def wait(self, listener: socket.socket) -> None:
        """Returns when all are there and fit together; raises a ClusterError with all that is wrong otherwise."""
        beat = 0.0
        others = set(range(1, len(self.cluster.workers)))
        while others != set(self.came.values()) and (now := time.monotonic()) < self.until:
            if now >= beat:
                self.tell("wait")
                beat = now + connections.BEAT_SECONDS
            for caller in [caller for caller, until in self.callers.items() if until < now]:
                self._forget(caller)
            soon = min(beat, self.until, *self.callers.values()) - now
            sources: list[socket.socket | Connection] = [listener, *self.callers, *self.came]
            for one in ready(sources, max(0.0, soon)):
                if isinstance(one, Connection):
                    self._hear(one)
                else:
                    self._accept(one)
        if self.problems:
            raise ClusterError("\n".join(self.problems))
        if missing := sorted(others - set(self.came.values())):
            names = " and ".join(map(self.cluster.named, missing))
            raise ClusterError(
                f"{names} did not come within {self.cluster.wait_minutes:g} minutes: start all workers within "
                f"cluster.wait_minutes of each other, where they reach {self.cluster.workers[0]}"
            )

    def tell(self, kind: str, **words: Any) -> None:
        """Tells all that came."""
        for connection in self.came:
            with contextlib.suppress(Ended):  # it is noticed where it is read
                connection.tell(kind, **words)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # one that has hung up already
            self.callers[Connection(listener.accept()[0])] = time.monotonic() + ANSWER_SECONDS

    def _forget(self, connection: Connection) -> None:
        self.callers.pop(connection, None)
        self.came.pop(connection, None)
        connection.close()

    def _hear(self, connection: Connection) -> None:
        try:
            frames = connection.read()
            if connection in self.callers and frames:
                self._welcome(connection, frames[0])
        except Ended:
            self._forget(connection)  # a stranger, or a worker that may come again

    def _welcome(self, connection: Connection, hello: Frame) -> None:
        match hello:
            case {"kind": "hello", "rank": int(rank), "workers": list(workers), "said": dict(theirs)} if rank > 0:
                del self.callers[connection]
            case _:
                raise Ended("what came is of no worker")
        if tuple(workers) != self.cluster.workers:
            listed = " and ".join(", ".join(map(str, names)) for names in (self.cluster.workers, workers))
            self.problems.append(f"the chief and worker {rank} must have the same list of workers, got {listed}")
        elif rank in self.came.values():
            self.problems.append(f"each rank must be started once, but two came as {self.cluster.named(rank)}")
        elif (other := misplaced(self.cluster.workers, rank, connection.host)) is not None:
            self.problems.append(
                f"{self.cluster.named(rank)} runs on the machine of {self.cluster.named(other)}: "
                "--rank must be a machine's own place in the list of workers"
            )
        elif words := self.compare(self.said, theirs):
            self.problems.append(f"{self.cluster.named(rank)}: {words}")
        self.came[connection] = rank
        connection.tell("wait")
        if self.problems and not self.hurried:
            self.hurried = True
            self.until = min(self.until, time.monotonic() + GRACE_SECONDS)


def misplaced(workers: Sequence[str], rank: int, host: str) -> int | None:
    """Returns whose machine a worker calls from, where that is another's and not its own; else None.

    Args:
        workers: "host:port" of each.
        rank: who calls.
        host: the address that the call came from.
    """
    own = _addresses(workers[rank])
    if not own or host in own or any(ipaddress.ip_address(each).is_loopback for each in own):
        return None  # a name that is not known here, or a list for one machine, says nothing
    return next((other for other, worker in enumerate(workers) if host in _addresses(worker)), None)


def _addresses(worker: str) -> set[str]:
    """Returns the IP addresses of a worker's host, as far as they are known here."""
    try:
        return {str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(address(worker)[0], None)}
    except OSError:
        return set()


def _listener(cluster: Cluster) -> socket.socket:
    """Listens on a worker's own port, on every interface, as TensorFlow will.

    The port must be nobody else's now, and TensorFlow's while connections that came over it still stand: their options
    are those of the socket here, and SO_REUSEPORT, which would let a second program listen now, is set behind `bind`.
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
    """Calls the chief until it answers; returns the connection and the answer."""
    until = time.monotonic() + 60 * cluster.wait_minutes
    while True:
        try:
            return _called(cluster, said)
        except (OSError, Ended) as error:
            if time.monotonic() >= until:
                raise ClusterError(
                    f"the chief, {cluster.workers[0]}, does not answer {cluster.name} within {cluster.wait_minutes:g} "
                    f"minutes ({error}): start it within cluster.wait_minutes, where this worker reaches it"
                ) from None
        time.sleep(RETRY_SECONDS)


def _called(cluster: Cluster, said: dict[str, Any]) -> tuple[Connection, list[Frame]]:
    connection = socket.create_connection(address(cluster.workers[0]), timeout=ANSWER_SECONDS)
    wire = Connection(connection)
    try:
        if (
            connection.getsockname() == connection.getpeername()
        ):  # TCP lets a port below which nobody listens call itself
            raise Ended("nobody listens")
        wire.tell("hello", rank=cluster.rank, workers=cluster.workers, said=said)
        frames = wire.hear(ANSWER_SECONDS)
        if _kind(frames[0]) not in ("wait", "ready", "refused"):
            raise Ended("another program answers")
    except BaseException:
        wire.close()
        raise
    return wire, frames


def _kind(frame: Frame) -> str:
    return frame["kind"] if isinstance(frame, dict) else ""
