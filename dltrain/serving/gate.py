"""The gate that every request passes: allowed names and origins, largest size, security headers of the response."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from dltrain.serving.counts import Counts

PATHS = ("/", "/predict", "/health", "/metrics")
SECONDS = 30
"""That a client may take to send a request's body."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Refused(Exception):
    """A request is refused, with an HTTP status.

    Args:
        status: HTTP's number.
        words: why.
    """

    def __init__(self, status: int, words: str) -> None:
        self.status = status
        super().__init__(words)


class Gate:
    """ASGI middleware that checks each request before the application sees it.

    Args:
        app: what it stands before.
        hosts: names that the server may be asked by, which keeps other sites' names from leading here (DNS
            rebinding); none for any.
        most_bytes: of a body, counted while it is read, whatever its header says.
        policy: the Content-Security-Policy of all answers.
        counts: what counts requests.
    """

    def __init__(self, app: App, hosts: Collection[str] | None, most_bytes: int, policy: str, counts: Counts) -> None:
        self._app, self._hosts, self._most, self._counts = app, hosts, most_bytes, counts
        self._headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cache-control", b"no-store"),
        ]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it."""
        if scope["type"] != "http":
            return
        began, status, is_begun = time.monotonic(), 500, False

        async def answer(message: Message) -> None:
            nonlocal status, is_begun
            if message["type"] == "http.response.start":
                is_begun = True
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
            await send(message)

        try:
            self._check_names(scope)
            body = await asyncio.wait_for(self._body(scope, receive), SECONDS)
            await self._app(scope, _replayed(body, receive), answer)
        except Refused as refusal:
            await _say(answer, refusal.status, str(refusal))
        except TimeoutError:
            await _say(answer, 408, f"the body of the request did not arrive within {SECONDS} s")
        except asyncio.CancelledError:  # only the end of the server cancels requests
            if not is_begun:
                await _say(answer, 503, "the server is ending")
        finally:
            path = scope["path"] if scope["path"] in PATHS else "other"
            self._counts.request(path, status, time.monotonic() - began)

    def _check_names(self, scope: Message) -> None:
        hosts, origins = ([value for key, value in scope["headers"] if key == name] for name in (b"host", b"origin"))
        host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
        if self._hosts is not None and _name(host) not in self._hosts:
            raise Refused(421, f"this server answers only to the names {', '.join(self._hosts)}")
        for origin in origins:
            scheme, _, asked = origin.decode("latin-1").lower().partition("://")
            if scheme not in ("http", "https") or _name(asked) is None or asked != host:
                raise Refused(403, "pages of other sites may not send requests to this server")

    async def _body(self, scope: Message, receive: Receive) -> bytes:
        words = f"a request may have at most {self._most:,} bytes"
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._most:
            raise Refused(413, words)
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "the request ended early")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._most:
                raise Refused(413, words)
            if not message.get("more_body"):
                return b"".join(parts)


def _name(host: str) -> str | None:
    """Returns the name in "name", "name:port" or "[address]:port", without brackets; none where it has another form."""
    match = _HOST.fullmatch(host)
    return match and (match[1] or match[2])


_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::[0-9]{1,5})?")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Returns what gives the body that was read, and then what comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _say(send: Send, status: int, words: str) -> None:
    body = json.dumps({"error": words}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
