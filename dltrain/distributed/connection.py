"""Connections between two workers: frames of JSON or bytes, each preceded by its kind and its length.

Nothing is encrypted, and only who connects proves itself (see `key`); TensorFlow's own gRPC, which uses the same port,
does neither: run workers on a network whose machines trust each other. Received frames are limited in size, and parsed
as JSON or kept as bytes.

Not `multiprocessing.connection`: its `recv_bytes` waits without a limit for the rest of a frame, so one half would keep
the chief from all others.
"""

import json
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from dltrain.untrusted import Unreadable, parsing

HEARTBEAT_SECONDS = 5.0
"""How often each worker sends a heartbeat over its connections."""

SILENT_SECONDS = 40.0
"""A worker is lost if it sent heartbeats and is silent for so long, or accepts no data for so long."""

LIMIT_BYTES = 16 * 2**20
"""The largest frame: a longer one was not sent by a worker."""

_HEADER = struct.Struct(">cI")
_JSON, _BYTES = b"J", b"B"

Frame = dict[str, Any] | bytes
Readable = TypeVar("Readable", bound="socket.socket | Connection")


class ConnectionEnded(Exception):
    """A connection is closed or broken, or delivers what no worker sends."""


class Connection:
    """A connection to another worker; two threads may send at once, and one may read.

    Args:
        connection: the socket, which this object owns from then on.

    Attributes:
        host: the address of the other worker; empty where it has disconnected already.
        limit: the largest frame that is received, in bytes.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.limit = LIMIT_BYTES
        self._buffer = bytearray()
        self._sending = threading.Lock()
        try:
            self.host = str(connection.getpeername()[0]).removeprefix("::ffff:")
        except OSError:  # it has disconnected already
            self.host = ""
        connection.settimeout(SILENT_SECONDS)
        # Before the first heartbeat, the system notices a machine that has vanished: after a minute, not two hours.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, option):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)

    def fileno(self) -> int:
        """Returns the descriptor of the connection."""
        return self._connection.fileno()

    def send_message(self, kind: str, **words: Any) -> None:
        """Sends a JSON object with a `kind`.

        Raises:
            ConnectionEnded: the other worker accepts no more data.
            ValueError: the message is longer than `LIMIT_BYTES`.
        """
        self._send(_JSON, json.dumps({"kind": kind, **words}).encode())

    def send_bytes(self, content: bytes | memoryview) -> None:
        """Sends bytes as one frame; raises as `send_message`."""
        self._send(_BYTES, content)

    def receive(self) -> list[Frame]:
        """Returns the complete frames of a connection that is `ready`: objects with a `kind`, or bytes.

        Raises:
            ConnectionEnded: the other worker will send nothing more.
        """
        try:
            came = self._connection.recv(2**20)
        except OSError as error:
            raise ConnectionEnded(str(error)) from None
        if not came:
            raise ConnectionEnded("the connection was closed")
        self._buffer += came
        return list(self._complete())

    def receive_within(self, seconds: float) -> list[Frame]:
        """Waits for the next frames; raises as `receive`, and where no frame is complete in that time."""
        until = time.monotonic() + seconds
        while ready([self], max(0.0, until - time.monotonic())):
            if frames := self.receive():
                return frames
        raise ConnectionEnded(f"silent for {seconds:g} s")

    def shut_down(self) -> None:
        """Ends the connection after the data that were sent; threads that wait for it see it end."""
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already

    def close(self) -> None:
        """Ends the connection; no thread may wait for it."""
        self.shut_down()
        self._connection.close()

    def _send(self, kind: bytes, content: bytes | memoryview) -> None:
        if len(content) > LIMIT_BYTES:
            raise ValueError(f"a frame must have at most {LIMIT_BYTES} bytes, got {len(content)}")
        try:
            with self._sending:
                self._connection.sendall(_HEADER.pack(kind, len(content)) + content)
        except OSError as error:
            raise ConnectionEnded(str(error)) from None

    def _complete(self) -> Iterator[Frame]:
        while len(self._buffer) >= _HEADER.size:
            kind, size = _HEADER.unpack_from(self._buffer)
            if kind not in (_JSON, _BYTES) or size > self.limit:
                raise ConnectionEnded("received data that no worker sends")
            end = _HEADER.size + size
            if len(self._buffer) < end:
                return
            content = bytes(memoryview(self._buffer)[_HEADER.size : end])
            del self._buffer[:end]
            yield content if kind == _BYTES else _message(content)


def ready(connections: Iterable[Readable], seconds: float | None) -> list[Readable]:
    """Returns the connections that can be read or accepted; waits for the first, at most for some seconds."""
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ, connection)
        return [key.data for key, _ in selector.select(seconds)]


def _message(content: bytes) -> dict[str, Any]:
    try:
        with parsing():
            message = json.loads(content)
    except Unreadable:
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise ConnectionEnded("received data that no worker sends")
    return message
