"""Hostile requests to a server of every kind of input: each is answered, with no traceback, and the next one too."""

import base64
import json
import logging
import resource
import socket
import sys
import threading
from collections import deque

import fresh
import pytest
from mutations import mutated

TRAINED = ("image_folder", "csv of numbers", "text_folder", "npz")
GOOD = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
MOST_BYTES, MOST_EXAMPLES = 300_000, 8
MEGABYTES = 500
"""That answering the requests may take beyond what good ones do."""

HOSTS = ("127.0.0.1", "localhost:80", "[::1]", "a@127.0.0.1", "[", "[::1", "", "evil.example", "127.0.0.1:" + "9" * 99)
ORIGINS = ("null", "http://", "http://[", "http://127.0.0.1", "http://127.0.0.1:80", "//", "http://" + "[" * 5000, "é")
LENGTHS = ("0", "-1", "1", "9" * 19, "9" * 5000, "1e3", "0x10", "", "²")
TYPES = (
    "application/json", "application/json; charset=x", "image/png", "image/" + "a" * 5000, "application/octet-stream",
    "text/plain", "", ";;;", "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=b",
    'multipart/form-data; boundary="b', "multipart/form-data; boundary=" + "b" * 3000,
    "multipart/form-data; boundary=é",
)  # fmt: skip
TARGETS = (
    "/predict", "/predict", "/predict", "/predict?top_k=2", "/predict?top_k=" + "9" * 5000, "/predict?top_k=%ff&%00=1",
    "/predict?probabilities=true&probabilities=x", "/", "/health", "/metrics", "/%2e%2e/x", "/" + "a" * 9000, "*",
    "http://127.0.0.1/predict", "//predict", "/predict?" + "a=1&" * 3000, "/predict#x", "/pre\0dict", "/\udcff",
)  # fmt: skip
METHODS = ("POST", "POST", "POST", "POST", "GET", "HEAD", "PUT", "OPTIONS", "CONNECT", "post", "P" * 500, "")
EXTRAS = (
    "Expect: 100-continue", "Transfer-Encoding: chunked", "Connection: upgrade\r\nUpgrade: websocket",
    "X: " + "a" * 9000, "Content-Encoding: gzip", "Range: bytes=0-", "Cookie: \xff", ": empty", "Folded: a\r\n b",
    "Connection: close", "Host: other", "Origin: http://evil.example", "Content-Length: 3",
    "Transfer-Encoding: identity, chunked",
)  # fmt: skip
KEYS = ("instances", "top_k", "probabilities", "threshold", "\ud800", "", "__class__", "b64", "a" * 5000)
PLAIN = (
    0, -1, 1, 255, 256, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, float("nan"), float("inf"), True, False, None,
    "", "\ud800", "\0", "\udcff", "nan", "1e999", "9" * 5000, "a" * 20_000, "/etc/passwd", "\u202e", "2020-01-01",
)  # fmt: skip


def value(rng, good, depth=0):
    """A value of JSON, made of a good one or of nothing."""
    kind = rng.random()
    if kind < 0.35 and good is not None:
        return good
    if kind < 0.6 or depth > 4:
        return rng.choice(PLAIN)
    if kind < 0.7:
        return {
            "b64": base64.b64encode(rng.randbytes(rng.choice((0, 3, 300)))).decode() + rng.choice(("", "=", "é", "\n"))
        }
    if kind < 0.85:
        return [value(rng, good, depth + 1) for _ in range(rng.choice((0, 1, 3, 20)))]
    return {rng.choice(KEYS): value(rng, good, depth + 1) for _ in range(rng.choice((0, 1, 4)))}


def changed(rng, good, depth=0):
    """A good value with a part of it exchanged."""
    if rng.random() < 0.2 or depth > 4 or not isinstance(good, list | dict) or not good:
        return value(rng, good)
    if isinstance(good, list):
        place = rng.randrange(len(good))
        return [*good[:place], changed(rng, good[place], depth + 1), *good[place + rng.choice((0, 1, 1, 2)) :]]
    key = rng.choice([*good])
    return {**good, rng.choice((key, key, key, "other")): changed(rng, good[key], depth + 1)}


def body(rng, instances, files):
    """The type and the bytes of a body."""
    kind = rng.random()
    if kind < 0.45:
        some = [changed(rng, rng.choice(instances)) for _ in range(rng.choice((1, 1, 2, 9)))]
        whole = {"instances": some if rng.random() < 0.9 else value(rng, None)}
        for _ in range(rng.choice((0, 0, 0, 0, 1, 3))):
            whole[rng.choice(KEYS)] = value(rng, None)
        return "application/json", json.dumps(whole, ensure_ascii=rng.random() < 0.8).encode("utf-8", "surrogatepass")
    if kind < 0.5:
        return "application/json", rng.choice(
            (b"[" * 100_000, b'{"a":' * 50_000, b"1" * 5000, b"\xff\xfe", b'"\\ud800"', b"")
        )
    name, content = rng.choice(files)
    content = mutated(rng, content) if rng.random() < 0.8 else content
    if kind < 0.7:
        return rng.choice(("image/png", "image/jpeg", "application/octet-stream")), content
    name = rng.choice(
        (name, name, "", "a" * 5000, "..\\..", "\udcff.npy", 'q".npy', "\u202e.png", "x.npy", "x.csv", "x.npz")
    )
    parts = []
    for _ in range(rng.choice((1, 1, 2, 12))):
        head = f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'.encode("utf-8", "surrogateescape")
        parts.append(b"--b\r\n" + head + b"Content-Type: image/png\r\n\r\n" + content + b"\r\n")
    return "multipart/form-data; boundary=b", b"".join(parts) + rng.choice((b"--b--\r\n", b"--b--\r\n", b"", b"--b"))


def request(rng, instances, files):
    """The bytes of a request, most of them not much beside a good one."""
    kind, content = body(rng, instances, files)
    if rng.random() < 0.2:
        content = mutated(rng, content)
    content = content[: MOST_BYTES + 1000]

    def odd(good, others):
        return good if rng.random() < 0.95 else rng.choice(others)

    lines = [f"{odd('POST', METHODS)} {odd('/predict', TARGETS)} {odd('HTTP/1.1', ('HTTP/1.0', 'HTTP/2', '', 'x'))}"]
    lines += [f"Host: {odd('127.0.0.1', HOSTS)}", f"Content-Type: {odd(kind, TYPES)}"]
    lines += [f"Content-Length: {odd(str(len(content)), LENGTHS)}"] if rng.random() < 0.95 else []
    lines += ["Connection: close"] if rng.random() < 0.9 else []
    lines += [f"Origin: {rng.choice(ORIGINS)}"] if rng.random() < 0.05 else []
    lines += [rng.choice(EXTRAS) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
    whole = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + content
    return mutated(rng, whole) if rng.random() < 0.1 else whole


def answers(port, said):
    """The bytes that a server says to a request until it ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as line:
        came = bytearray()
        try:
            line.sendall(said)
            while part := line.recv(2**20):
                came += part
        except (ConnectionResetError, BrokenPipeError):
            pass  # it took no more
    return bytes(came)


class Faults(logging.Handler):
    """Keeps what the server says on its terminal of a failure of its own."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.found = []

    def emit(self, record):
        self.found.append(logging.Formatter().format(record))


def main():
    from pathlib import Path

    import uvicorn
    from test_walk import RECIPES, TAIL

    from dltrain.config import experiment as experiments
    from dltrain.console import Reporter
    from dltrain.inference import prediction
    from dltrain.runs.folder import Run
    from dltrain.serving import app, connection, gate, server
    from dltrain.training import trainer

    connection.WAIT_SECONDS = gate.SECONDS = 0.3
    faults, quiet = Faults(), Reporter(quiet=True)
    targets, recent = [], deque(maxlen=3)
    for name in TRAINED:
        recipe, folder = RECIPES[name], Path(name.replace(" ", "-")).absolute()
        folder.mkdir()
        recipe.write(folder, 0)
        (folder / "one.yaml").write_text(recipe.config + TAIL.replace("epochs: 8", "epochs: 1"))
        run = Run(Path(trainer.fit(experiments.load(folder / "one.yaml"), quiet, folder / "runs")["run"]))
        predictor = prediction.load(run, "best", quiet)
        listening = server.opened("127.0.0.1", 0)
        whole = app.create(predictor, name, gate.LOOPBACK, MOST_BYTES, MOST_EXAMPLES)
        running = uvicorn.Server(server.configured(whole, False))
        threading.Thread(target=running.run, args=([listening],), daemon=True).start()
        asked = [Path(file) for file in recipe.asked(folder)]
        files = [(file.name, file.read_bytes()) for file in asked]
        targets.append((listening.getsockname()[1], recipe.instances(folder), files))
    for logger in ("uvicorn.error", "asyncio"):
        logging.getLogger(logger).handlers = [faults]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def attempt(rng, noted):
        port, instances, files = rng.choice(targets)
        said = request(rng, instances, files)
        recent.append(said[:1000])
        noted.extend(recent)  # the server may fail only after it has waited for the rest of an earlier one
        came = answers(port, said)
        assert answers(port, GOOD).startswith(b"HTTP/1.1 200"), "it answers no more"
        assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000 < MEGABYTES, "too much memory"
        assert not faults.found, [faults.found.pop() for _ in [*faults.found]]
        head, _, content = came.partition(b"\r\n\r\n")
        if not head:
            return "closed"
        status = int(head.split(b" ")[1])
        assert status < 500 or status == 503, came[:3000]
        if b"application/json" in head and content.startswith(b"{") and not said.startswith(b"HEAD"):
            json.JSONDecoder().raw_decode(content.decode("ascii"))
        return str(status)

    fresh.hunt(attempt)


@pytest.mark.parametrize("seed", [1])
def test_hostile_requests_are_answered(tmp_path, seed):
    pytest.importorskip("uvicorn", reason="pip install 'dltrain[serve]'")
    fresh.batch(__file__, tmp_path, seed, 100)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
def test_many_hostile_requests_are_answered(tmp_path, seed):
    pytest.importorskip("uvicorn", reason="pip install 'dltrain[serve]'")
    fresh.batch(__file__, tmp_path, seed, 2000, seconds=3600)


if __name__ == "__main__" and len(sys.argv) == 3:
    main()
