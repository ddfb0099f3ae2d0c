"""Opens the port and serves until a signal ends it."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from dltrain.errors import UserError
from dltrain.inference.prediction import Predictor
from dltrain.serving.gate import LOOPBACK

GRACE_SECONDS = 5
"""That requests under way get to end."""


def require() -> None:
    """Raises UserError, which names the extra, where a package is not installed."""
    absent = [name for name in ("fastapi", "uvicorn", "python_multipart") if find_spec(name) is None]
    if absent:
        raise UserError(f"serve needs {', '.join(absent)}: pip install 'dltrain[serve]'")


def is_loopback(host: str) -> bool:
    """Whether only this machine can ask at an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names(host: str) -> tuple[str, ...] | None:
    """Returns the names that a server at an address may be asked by: its own, and this machine's; none for any."""
    return tuple(dict.fromkeys((*LOOPBACK, host))) if is_loopback(host) else None


def opened(host: str, port: int) -> socket.socket:
    """Returns a socket that listens.

    Raises:
        UserError: if the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:  # the latter for what no name can be, as a label of 64 letters
        reason = error.strerror if isinstance(error, OSError) else "no name of a host"
        raise UserError(f"--host {host}: {reason or error}") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        hint = (
            "; choose another with --port N, or any free one with --port 0"
            if error.errno in (errno.EADDRINUSE, errno.EACCES)
            else ""
        )
        raise UserError(f"{host}:{port} cannot be used: {error.strerror}{hint}") from None
    return listening


def serve(
    predictor: Predictor,
    name: str,
    listening: socket.socket,
    host: str,
    most_bytes: int,
    most_instances: int,
    log: bool,
    ready: Callable[[str], None],
) -> None:
    """Serves a run's network; a signal ends it, and has its usual effect afterwards.

    Args:
        predictor: the network.
        name: the run's.
        listening: the socket.
        host: its address as it was asked for.
        most_bytes: of a request.
        most_instances: examples in a request.
        log: say each request on standard error.
        ready: called with the URL once requests are answered.
    """
    import uvicorn

    from dltrain.serving.app import create, warm

    warm(predictor)
    app = create(predictor, name, names(host), most_bytes, most_instances)
    shown = f"[{host}]" if ":" in host else host
    ready(f"http://{shown}:{listening.getsockname()[1]}/")
    uvicorn.Server(configured(app, log)).run([listening])


def configured(app: Any, log: bool) -> Any:
    """Returns how uvicorn serves an application.

    Args:
        app: an ASGI application.
        log: say each request on standard error.
    """
    import uvicorn

    from dltrain.serving.connection import Connection

    return uvicorn.Config(
        app, http=Connection, ws="none", log_level="info" if log else "warning", access_log=log,
        server_header=False, lifespan="off", limit_concurrency=256, timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )  # fmt: skip
