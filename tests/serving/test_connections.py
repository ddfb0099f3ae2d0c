"""Clients that say nothing, half of something, or take no answer: nobody else is kept out, and nothing fails."""

import asyncio
import contextlib
import json
import logging
import socket
import threading
import time
from types import SimpleNamespace

import pytest

uvicorn = pytest.importorskip("uvicorn", reason="pip install 'dltrain[serve]'")

from dltrain.serving import connection, gate, server  # noqa: E402  (needs the extra)
from dltrain.serving.counts import Counts  # noqa: E402

HEALTH = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
UPLOAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n"


async def app(scope, receive, send):
    """Answers /large with 50 MB, /slow after an hour, and all else with its body."""
    body = (await receive())["body"]
    if scope["path"] == "/slow":
        await asyncio.sleep(3600)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(50_000_000) if scope["path"] == "/large" else body})


@pytest.fixture
def served(monkeypatch, caplog):
    """Serves as `dltrain serve` does; returns its port, and what ends it."""
    monkeypatch.setattr(connection, "WAIT_SECONDS", 0.5)
    monkeypatch.setattr(server, "GRACE_SECONDS", 1)
    listening = server.opened("127.0.0.1", 0)
    running = uvicorn.Server(server.configured(gate.Gate(app, gate.LOOPBACK, 1000, "", Counts()), False))
    logging.getLogger("uvicorn").propagate = True
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()

    def end():
        running.should_exit = True
        thread.join(60)
        assert not thread.is_alive()

    yield SimpleNamespace(port=listening.getsockname()[1], end=end)
    end()
    listening.close()
    assert "Traceback" not in caplog.text and "Task was destroyed" not in caplog.text, caplog.text


@pytest.fixture
def called(served):
    """Returns a function that connects to the server and says something."""
    with contextlib.ExitStack() as stack:

        def called(said=b""):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=60))
            line.sendall(said)
            return line

        yield called


def status(line, said=HEALTH):
    """The status that a request gets on a connection."""
    line.sendall(said)
    return int(line.makefile("rb").readline().split()[1])


def is_closed(line):
    """Whether the server ends a connection, whatever it says before."""
    with contextlib.suppress(ConnectionResetError):
        while line.recv(2**20):
            pass
    return True


@pytest.mark.parametrize("said", [b"", b"GET /hea", UPLOAD, UPLOAD + b"12345"])
def test_more_silent_clients_than_there_is_room_for_keep_nobody_out(called, monkeypatch, said):
    monkeypatch.setattr(connection, "WAIT_SECONDS", 3600.0)
    silent = [called(said) for _ in range(300)]
    for _ in range(3):
        assert status(called()) == 200
    assert is_closed(silent[0])


def test_the_crowd_of_one_address_makes_room_before_others_do(monkeypatch):
    def line(host, since, is_awaited=True):
        made = connection.Connection.__new__(connection.Connection)
        made.host, made.awaited_since, made.connections = host, since, lines
        made.cycle = None if is_awaited else SimpleNamespace(response_complete=False, more_body=False)
        made.transport = SimpleNamespace(abort=lambda: left.append(made))
        lines.add(made)
        return made

    monkeypatch.setattr(connection, "MOST", 5)
    monkeypatch.setattr(connection, "MOST_OF_ADDRESS", 3)
    lines, left = set(), []
    first = line("a", 0)
    crowd = [line("b", 3), line("b", 1), line("b", 2, is_awaited=False)]
    line("b", 4)._make_room()
    assert left == [crowd[1]], "the one awaited longest, of that address"
    line("c", 5)
    line("d", 6)._make_room()
    assert left[1:] == [first], "the one awaited longest of all"


@pytest.mark.parametrize("said", [b"", b"GET /hea", HEALTH, HEALTH + b"GET", b"\r\n"])
def test_a_client_is_not_waited_for_for_ever(called, said):
    assert is_closed(called(said))


def test_a_client_that_sends_its_head_byte_by_byte_is_not_waited_for(called):
    line = called()
    with contextlib.suppress(OSError):
        while True:
            line.sendall(b"a")
            time.sleep(0.05)
    assert is_closed(line)


def test_a_client_that_takes_no_answer_is_not_waited_for_and_a_slow_one_is(called):
    slow = called(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    stuck = called(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
    size = 0
    while part := slow.recv(2**20):
        size += len(part)
        time.sleep(0.05)
    assert size > 50_000_000
    assert is_closed(stuck)


def test_a_connection_is_kept_for_further_requests(called):
    line = called()
    for _ in range(3):
        line.sendall(UPLOAD + b"0123456789")
        answer = b""
        while not answer.endswith(b"\r\n0\r\n\r\n"):  # the end of a body in chunks
            assert (part := line.recv(1000))
            answer += part
        assert b"0123456789" in answer


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /hea",
        UPLOAD + b"123",
        b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n",
        HEALTH,
    ],
)
def test_the_server_ends_whatever_a_client_is_about(called, served, said):
    lines = [called(said) for _ in range(3)]
    assert status(called()) == 200  # the others were accepted before
    served.end()
    if b"/slow" in said:
        assert json.loads(lines[0].recv(10_000).split(b"\r\n\r\n")[1]) == {"error": "the server is ending"}


def test_what_follows_a_request_that_is_being_answered_may_be_no_http(called):
    line = called(b"POST /slow HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\nzz\r\n")
    assert is_closed(line)
    assert status(called()) == 200
