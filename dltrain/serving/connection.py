"""A client's connection: how long it may wait, and that clients who say nothing keep nobody else out.

uvicorn alone waits for ever for a request's first line, and refuses everybody once enough connections are open.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST = 240
"""Connections at once; uvicorn itself says 503 from 256 on."""

MOST_OF_ADDRESS = 64
"""Connections of one address."""

WAIT_SECONDS = 10.0
"""How long a client may take for the head of a request, or to take some of an answer."""


class Connection(H11Protocol):
    """A client's connection. Where there are too many, the one whose request is awaited longest makes room."""

    awaited_since = 0.0
    host = ""
    _timer: asyncio.TimerHandle | None = None
    _untaken = 0

    @property
    def is_awaited(self) -> bool:
        """Whether no request of it is there as a whole."""
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def connection_made(self, transport: Any) -> None:
        """Begins to wait for a request."""
        super().connection_made(transport)
        self.host, self.awaited_since = (self.client or ("",))[0], self.loop.time()
        self._make_room()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the waiting."""
        super().connection_lost(exc)
        self._set_timer(None)

    def data_received(self, data: bytes) -> None:
        """Takes what the client sends."""
        if self.transport.is_closing():
            return
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # uvicorn says "400" to what follows a request that is being answered
            self.transport.abort()
        self._watch()

    def on_response_complete(self) -> None:
        """Begins to wait for the next request."""
        self.awaited_since = self.loop.time()
        super().on_response_complete()
        self._watch()

    def shutdown(self) -> None:
        """Ends the connection, if there is no request that is being answered."""
        if self.is_awaited:
            self.transport.abort()
        else:
            super().shutdown()

    def _watch(self) -> None:
        """Waits for the head of a request, and that the answer to the last one is taken."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._set_timer(None)  # the gate waits for the body
        elif self._timer is None:
            self._untaken = self.transport.get_write_buffer_size()
            self._set_timer(WAIT_SECONDS)

    def _set_timer(self, seconds: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._waited)

    def _waited(self) -> None:
        self._timer = None
        if 0 < self.transport.get_write_buffer_size() < self._untaken:
            self._watch()
        else:
            self.transport.abort()

    def _make_room(self) -> None:
        """Closes a connection if there are too many, this one where all others are being answered."""
        others = [each for each in self.connections if each is not self]
        neighbours = [each for each in others if each.host == self.host]
        crowd = neighbours if len(neighbours) >= MOST_OF_ADDRESS else others if len(others) >= MOST else []
        if crowd:
            awaited = [each for each in crowd if each.is_awaited]
            leaving = min(awaited, key=lambda each: each.awaited_since, default=self)
            self.connections.discard(leaving)
            leaving.transport.abort()
