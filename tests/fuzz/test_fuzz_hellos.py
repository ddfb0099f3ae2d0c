"""Hostile callers on the chief's port, and hostile chiefs: the workers meet all the same, or end in words."""

import json
import socket
import struct
import sys
import threading
import time

import fresh
import pytest
from mutations import mutated

KEY = b"the key of these workers"
SAID = {"dltrain": "1", "profile": False, "plugins": {"a.py": "0f"}, "config": {"train.epochs": 3, "seed": 0}}
VALUES = (
    0, 1, 2, 99, -1, 2**63, 10**400, 1.0, float("nan"), float("inf"), True, None, "", "1", "\ud800", "a" * 70, [], {},
    [1], [[]], {"a": {}}, ["a:1"], ["a:1", "b:2"], "\x1b[2J", "/etc/passwd", {"config": 7}, {"plugins": [1]}, "é",
)  # fmt: skip


def framed(content, kind=b"J"):
    """A frame as `Connection` sends it."""
    return struct.pack(">cI", kind, len(content)) + content


def changed(rng, good, depth=0):
    """A message with a part of it exchanged."""
    if depth > 4 or not isinstance(good, list | dict) or not good or rng.random() < 0.1:
        return rng.choice(VALUES)
    if isinstance(good, list):
        place = rng.randrange(len(good))
        return [*good[:place], changed(rng, good[place], depth + 1), *good[place + rng.choice((0, 1, 1, 2)) :]]
    key = rng.choice([*good])
    kept = dict(good) if rng.random() < 0.8 else {each: good[each] for each in good if each != key}
    return {**kept, rng.choice((key, key, key, "other", "\ud800")): changed(rng, good[key], depth + 1)}


def message(rng, good):
    """The bytes of a hostile message."""
    kind = rng.random()
    if kind < 0.7:
        content = json.dumps(changed(rng, good)).encode()
    elif kind < 0.8:
        content = rng.choice((b"[" * 200_000, b'{"a":' * 50_000, b"1" * 5000, b"\xff", b"", b'"\\ud800"', b"null"))
    else:
        content = mutated(rng, json.dumps(good).encode())
    whole = framed(content, b"J" if rng.random() < 0.95 else rng.choice((b"B", b"\0", b"X")))
    return mutated(rng, whole) if rng.random() < 0.1 else whole


def is_same(said, good):
    """Whether a mutant is a good message all the same."""
    try:
        return json.loads(said[5:]) == good
    except (ValueError, RecursionError):
        return False


def main():
    from concurrent.futures import ThreadPoolExecutor

    from dltrain.distributed import connection as connections
    from dltrain.distributed import key as keys
    from dltrain.distributed import rendezvous
    from dltrain.distributed.cluster import Cluster, address
    from dltrain.distributed.connection import Connection
    from dltrain.distributed.handover import Handover
    from dltrain.distributed.peers import Peers
    from dltrain.distributed.workers import misfit
    from dltrain.errors import ClusterError, DltrainError

    rendezvous.GRACE_SECONDS, rendezvous.RETRY_SECONDS = 0.05, 0.01
    rendezvous.ANSWER_SECONDS, connections.SILENT_SECONDS = 2.0, 20.0

    def listed():
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        places = tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)
        for each in sockets:
            each.close()
        return places

    def called(worker, chief):
        while not chief.done():
            try:
                return socket.create_connection(address(worker), timeout=2)
            except OSError:
                time.sleep(0.005)
        return None

    def intrude(rng, line, workers, key, noted):
        """Proves itself to the chief or not, and says something; takes the answer, so that it is heard."""
        with line:
            asked = line.recv(37)[5:]
            own = rng.randbytes(keys.NUMBER_BYTES)
            proof = own + keys.proof(key, b"worker", asked, own)
            if is_proven := rng.random() < 0.8:
                line.sendall(framed(proof, b"B"))
                line.recv(37)
            good = {"kind": "hello", "rank": 1, "workers": workers, "said": SAID}
            said = message(rng, json.loads(json.dumps(good)))
            said = said if is_proven or rng.random() < 0.5 else mutated(rng, framed(proof, b"B"))
            noted.append(said[:1000])
            try:
                line.sendall(said)
                line.shutdown(socket.SHUT_WR)
                while line.recv(2**16):
                    pass
            except OSError:
                pass  # it was refused before all was sent

    def outcome(call):
        try:
            call()
        except ClusterError as error:
            return str(error)
        return ""

    def chief_hears(rng, noted):
        workers, key = listed(), rng.choice((b"", KEY))
        chief, worker = (Peers(Cluster(workers, rank, "test", 1.0, key)) for rank in range(2))
        with ThreadPoolExecutor(2) as pool:
            one = pool.submit(outcome, lambda: chief.connect(SAID, misfit, lambda words: None))
            for _ in range(rng.choice((1, 1, 3))):
                if line := called(workers[0], one):
                    intrude(rng, line, workers, key, noted)
            worker.cluster = Cluster(workers, 1, "test", 0.01, key)
            other = pool.submit(outcome, lambda: worker.connect(SAID, misfit))
            words = one.result(), other.result()
            for peers in (chief, worker):
                peers.fail("the end")
        good = {"kind": "hello", "rank": 1, "workers": list(workers), "said": SAID}
        assert words[0] or not words[1] or any(is_same(said, good) for said in noted), words
        return "refused" if words[0] else "met"

    def worker_hears(rng, noted):
        workers, key = listed(), rng.choice((b"", KEY))

        def lie():
            line = Connection(server.accept()[0])
            try:
                asked = keys.number()
                line.send_bytes(asked)
                theirs = line.receive_within(5)[0][: keys.NUMBER_BYTES]
                line.send_bytes(keys.proof(key, b"chief", theirs, asked))
                line.receive_within(5)
                steps = [framed(json.dumps({"kind": "ready"}).encode())]
                files = json.dumps([{}, [["summary.json"], ["checkpoints/a.npz", "checkpoints/last.npz"]]]).encode()
                for shared in (json.dumps(changed(rng, json.loads(files))).encode(), b"{}", rng.randbytes(50)):
                    steps += [framed(shared, b"B"), framed(json.dumps({"kind": "shared", "sha256": "0"}).encode())]
                for step in steps:
                    if rng.random() < 0.1:
                        kind = rng.choice(("wait", "refused", "lost", "failed"))
                        step = message(rng, {"kind": kind, "words": "x"})
                    noted.append(step[:500])
                    line._connection.sendall(step)
                line._connection.shutdown(socket.SHUT_WR)
                while line.receive():
                    pass
            except (connections.ConnectionEnded, OSError):
                pass
            line.close()

        worker = Peers(Cluster(workers, 1, "test", 0.0, key))
        handover = Handover()
        with socket.create_server(address(workers[0])) as server:
            lying = threading.Thread(target=lie, daemon=True)
            lying.start()
            try:
                worker.connect(SAID, misfit)
                handover.exchange(worker)
            except DltrainError as error:
                return type(error).__name__
            finally:
                worker.fail("the end")
                handover.clear()
                lying.join(30)
        return "taken"

    def attempt(rng, noted):
        return (chief_hears if rng.random() < 0.7 else worker_hears)(rng, noted)

    fresh.hunt(attempt)


@pytest.mark.parametrize("seed", [1])
def test_hostile_messages_of_workers_end_nobody_without_words(tmp_path, seed):
    fresh.batch(__file__, tmp_path, seed, 60, gigabytes=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 104))
def test_many_hostile_messages_of_workers_end_nobody_without_words(tmp_path, seed):
    fresh.batch(__file__, tmp_path, seed, 3000, seconds=3600, gigabytes=2)


if __name__ == "__main__" and len(sys.argv) == 3:
    main()
