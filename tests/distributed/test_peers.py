import contextlib
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from dltrain.distributed import connection as connections
from dltrain.distributed import key as keys
from dltrain.distributed import rendezvous
from dltrain.distributed.cluster import Cluster, address
from dltrain.distributed.connection import Connection
from dltrain.distributed.peers import Peers
from dltrain.distributed.workers import misfit
from dltrain.errors import ClusterError, TrainingError

MINUTE = 1.0


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Nobody calls again after half a second only, and beats are heard soon."""
    monkeypatch.setattr(rendezvous, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(connections, "HEARTBEAT_SECONDS", 0.05)


def listed(count):
    """The workers of a cluster, on ports that are free."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(f"127.0.0.1:{one.getsockname()[1]}" for one in sockets)


def all_peers(count, minutes=MINUTE, workers=None, key=b""):
    workers = workers or listed(count)
    return [Peers(Cluster(workers, rank, "test", minutes, key)) for rank in range(count)]


def same_config(chief, other):
    return None if chief == other else f"train.epochs is {other['epochs']}, and {chief['epochs']} for the chief"


def together(calls):
    """Does all at once; returns what each returned or raised."""

    def done(call):
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(done, calls))


def meet(some, said=None):
    said = said or [{"epochs": 3}] * len(some)
    return together(
        [lambda peer=peer, mine=mine: peer.connect(mine, same_config) for peer, mine in zip(some, said, strict=True)]
    )


@pytest.fixture
def met():
    """Returns a function that makes workers who have met."""
    made = []

    def met(count):
        made.extend(all_peers(count))
        assert meet(made) == [None] * count
        return list(made)

    yield met
    together([lambda peer=peer: peer.fail("the test is over") for peer in made] or [lambda: None])


def refused(results):
    """What all were told: the same."""
    assert all(isinstance(result, ClusterError) for result in results), results
    words = {str(result) for result in results}
    assert len(words) == 1, words
    return words.pop()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_workers_meet_share_watch_and_part(met, count):
    some, lost = met(count), []
    content = bytes(range(256)) * 100
    shared = together([lambda peer=peer: peer.share(content if peer.cluster.is_chief else None) for peer in some])
    assert shared == [content] * count
    for peer in some:
        peer.watch(lost.append)
    assert together([peer.finish for peer in some]) == [None] * count
    assert lost == []


def test_the_ports_of_workers_that_have_met_can_be_listened_on(met):
    for peer in met(3):
        listener = rendezvous._listener(peer.cluster)
        with pytest.raises(ClusterError, match="another program has it, or a worker of the same rank"):
            rendezvous._listener(peer.cluster)
        listener.close()


def test_workers_that_were_started_differently_all_hear_of_it():
    words = refused(meet(some := all_peers(3), [{"epochs": 3}, {"epochs": 4}, {"epochs": 5}]))
    assert sorted(words.splitlines()) == [
        f"worker 1 ({some[0].cluster.workers[1]}): train.epochs is 4, and 3 for the chief",
        f"worker 2 ({some[0].cluster.workers[2]}): train.epochs is 5, and 3 for the chief",
    ]


def test_who_is_not_there_yet_is_not_waited_for_when_something_is_wrong(monkeypatch):
    monkeypatch.setattr(rendezvous, "GRACE_SECONDS", 0.1)
    words = refused(meet(all_peers(3)[:2], [{"epochs": 3}, {"epochs": 4}]))
    assert "train.epochs is 4" in words and "worker 2" not in words


def test_a_rank_that_is_started_twice_is_refused(monkeypatch):
    monkeypatch.setattr(rendezvous, "GRACE_SECONDS", 0.1)
    some = all_peers(3)
    again = Peers(Cluster(some[0].cluster.workers, 1, "test", MINUTE))
    words = refused(meet([some[0], some[1], again]))
    assert "two processes connected as worker 1" in words


@pytest.mark.parametrize(
    ("rank", "host", "whose"),
    [
        (1, "10.0.0.2", None),
        (1, "10.0.0.3", 2),  # two --rank that were swapped
        (2, "10.0.0.1", 0),
        (1, "192.168.7.7", None),  # behind a gateway: nobody's
        (3, "10.0.0.1", None),  # a list for this machine alone says nothing of another
    ],
)
def test_a_worker_on_the_machine_of_another_is_noticed(rank, host, whose):
    assert rendezvous.misplaced(("10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1", "127.0.0.1:1"), rank, host) == whose


def test_workers_with_another_list_are_refused():
    workers = listed(3)
    chief = Peers(Cluster(workers[:2], 0, "test", MINUTE))
    other = Peers(Cluster(workers, 1, "test", MINUTE))
    words = refused(meet([chief, other]))
    assert "must have the same list of workers" in words and workers[2] in words


@pytest.mark.parametrize("rank", [0, 1])
def test_a_port_that_another_program_uses_is_named(rank):
    peer = all_peers(2)[rank]
    port = address(peer.cluster.workers[rank])[1]
    with (
        socket.create_server(("0.0.0.0", port)),
        pytest.raises(ClusterError, match=f"cannot listen on port {port}"),
    ):
        peer.connect({}, same_config)


def test_a_worker_that_never_comes_is_named_to_all_others():
    some = all_peers(4, minutes=0.01)
    words = refused(meet([some[0], some[2]]))
    names = " and ".join(some[rank].cluster.name for rank in (1, 3))
    assert words.startswith(f"{names} did not connect within 0.01 minutes")


def test_a_chief_that_does_not_answer_is_named():
    peer = all_peers(2, minutes=0.005)[1]
    with pytest.raises(ClusterError, match=f"the chief, {peer.cluster.workers[0]}, does not answer worker 1"):
        peer.connect({}, same_config)


def test_a_chief_whose_name_is_not_known_does_not_answer():
    peer = Peers(Cluster(("no-such-host.invalid:2222", listed(1)[0]), 1, "test", 0.001))
    with pytest.raises(ClusterError, match="does not answer"):
        peer.connect({}, same_config)


def test_another_program_on_the_port_of_the_chief_is_no_chief():
    workers = listed(2)

    def answer():
        with server.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(1000)

    with socket.create_server(("127.0.0.1", address(workers[0])[1])) as server:
        threading.Thread(target=answer).start()
        with pytest.raises(ClusterError, match="data that no worker sends"):
            Peers(Cluster(workers, 1, "test", 0.0)).connect({}, same_config)


STRANGERS = [
    b"",
    b"GET / HTTP/1.1\r\nHost: worker\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"J\x00\x00\x00\x02[]",
    b"J\x00\x00\x00\x05\xff\xff\xff\xff\xff",
    b"J\x00\x03\x0d\x40" + b"[" * 200_000,
    b"J\xff\xff\xff\xff",
    b"B\x00\x00\x00\x01x",
    b'J\x00\x00\x00\x10{"kind":"hello"}',
    b'J\x00\x00\x00\x40{"kind":',
]


def test_strangers_on_the_port_of_the_chief_are_ignored():
    some = all_peers(2)
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        chief = pool.submit(some[0].connect, {}, same_config)
        for said in STRANGERS * 3:
            connection = stack.enter_context(called(some[0].cluster.workers[0]))
            connection.sendall(said)
        called(some[0].cluster.workers[0]).close()
        some[1].connect({}, same_config)
        assert chief.result() is None
    together([peer.finish for peer in some])


def called(worker):
    while True:
        try:
            return socket.create_connection(address(worker))
        except OSError:
            time.sleep(0.01)


def test_strangers_that_say_nothing_are_not_kept(monkeypatch):
    monkeypatch.setattr(rendezvous, "ANSWER_SECONDS", 0.1)
    some = all_peers(2)
    with ThreadPoolExecutor(1) as pool:
        chief = pool.submit(some[0].connect, {}, same_config)
        with called(some[0].cluster.workers[0]) as connection:
            assert len(connection.recv(100)) == 37  # what a caller is to prove itself with
            assert connection.recv(1) == b""  # closed by the chief
        some[1].connect({}, same_config)
        assert chief.result() is None
    together([peer.finish for peer in some])


def proven(worker, key=b""):
    """A connection to the chief of one who has the key."""
    connection = Connection(called(worker))
    rendezvous._prove(connection, Cluster((worker, worker), 1, "test", MINUTE, key))
    return connection


SAID = {"epochs": 3}
LIST = ["a:1", "b:2"]
ODD_HELLOS = [
    b"bytes",
    {},
    {"rank": 99, "workers": LIST, "said": SAID},
    {"rank": 2**70, "workers": LIST, "said": SAID},
    {"rank": -1, "workers": LIST, "said": SAID},
    {"rank": 0, "workers": LIST, "said": SAID},
    {"rank": True, "workers": LIST, "said": SAID},
    {"rank": 1.0, "workers": LIST, "said": SAID},
    {"rank": float("nan"), "workers": LIST, "said": SAID},
    {"rank": "1", "workers": LIST, "said": SAID},
    {"rank": [1], "workers": LIST, "said": SAID},
    {"rank": 1, "workers": [], "said": SAID},
    {"rank": 1, "workers": [1, 2], "said": SAID},
    {"rank": 1, "workers": [["a:1"], {}], "said": SAID},
    {"rank": 1, "workers": "ab", "said": SAID},
    {"rank": 1, "workers": LIST, "said": [3]},
    {"rank": 1, "workers": LIST, "said": {}},
    {"rank": 1, "workers": LIST, "said": {"epochs": {}}, "more": 1},
    {"rank": 1, "workers": LIST},
]


@pytest.mark.parametrize("key", [b"", b"a key of 16 letters"])
def test_a_hello_that_no_worker_says_is_refused_and_the_chief_goes_on_waiting(key):
    some, said = all_peers(2, key=key), []
    chief_place = some[0].cluster.workers[0]
    with ThreadPoolExecutor(1) as pool:
        chief = pool.submit(some[0].connect, SAID, same_config, said.append)
        for hello in ODD_HELLOS:
            connection = proven(chief_place, key)
            if isinstance(hello, bytes):
                connection.send_bytes(hello)
            else:
                connection.send_message("hello", **hello)
            answer, *_ = connection.receive_within(60)
            assert answer["kind"] == "refused", hello
            connection.close()
        some[1].connect(SAID, same_config)
        assert chief.result() is None
    together([peer.finish for peer in some])
    (words,) = said  # once for each address
    assert words.startswith("refused a connection from 127.0.0.1: ") and "still waiting" in words


def test_a_description_whose_parts_are_of_other_types_is_refused():
    plain = {"dltrain": "1", "plugins": {}, "config": {"train.epochs": 3}}
    some = all_peers(2)
    with ThreadPoolExecutor(1) as pool:
        chief = pool.submit(some[0].connect, plain, misfit)
        for odd in ({"config": [1]}, {"config": 7}, {"config": "x"}, {"config": [[]]}):
            connection = proven(some[0].cluster.workers[0])
            connection.send_message("hello", rank=1, workers=some[0].cluster.workers, said={**plain, **odd})
            assert connection.receive_within(60)[0]["kind"] == "refused", odd
            connection.close()
        some[1].connect(plain, misfit)
        assert chief.result() is None
    together([peer.finish for peer in some])


def test_more_callers_than_are_kept_keep_no_worker_from_the_chief(monkeypatch):
    monkeypatch.setattr(rendezvous, "MOST_CALLERS", 4)
    some = all_peers(2)
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        chief = pool.submit(some[0].connect, {}, same_config)
        lines = [stack.enter_context(called(some[0].cluster.workers[0])) for _ in range(20)]
        for line in lines[:16]:
            while line.recv(100):
                pass  # closed for one that came later
        some[1].connect({}, same_config)
        assert chief.result() is None
    together([peer.finish for peer in some])


@pytest.mark.parametrize(
    ("chiefs", "theirs"), [(b"one of sixteen letters", b""), (b"", b"x" * 16), (b"x" * 16, b"y" * 16)]
)
def test_a_worker_with_another_key_is_refused_and_the_chief_goes_on_waiting(chiefs, theirs):
    workers, said = listed(2), []
    right = [Peers(Cluster(workers, rank, "test", MINUTE, chiefs)) for rank in range(2)]
    wrong = Peers(Cluster(workers, 1, "test", MINUTE, theirs))
    with ThreadPoolExecutor(1) as pool:
        chief = pool.submit(right[0].connect, {}, same_config, said.append)
        with pytest.raises(ClusterError, match=f"the chief .* refused: it has another key: {keys.VARIABLE}"):
            wrong.connect({}, same_config)
        right[1].connect({}, same_config)
        assert chief.result() is None
    together([peer.finish for peer in right])
    assert len(said) == 1 and "another key" in said[0]


def test_who_takes_the_chiefs_place_without_its_key_is_noticed():
    workers = listed(2)

    def answer():
        connection = Connection(server.accept()[0])
        connection.send_bytes(bytes(keys.NUMBER_BYTES))
        proof = connection.receive_within(60)[0]
        connection.send_bytes(proof[keys.NUMBER_BYTES :])  # the worker's own, sent back
        connection.close()

    with socket.create_server(("127.0.0.1", address(workers[0])[1])) as server:
        threading.Thread(target=answer).start()
        with pytest.raises(ClusterError, match="who answers at .* has another key"):
            Peers(Cluster(workers, 1, "test", MINUTE, b"x" * 16)).connect({}, same_config)


def test_bytes_that_are_long_reach_all(met):
    some = met(3)
    content = bytes(20_000_000)
    shared = together([lambda peer=peer: peer.share(content if peer.cluster.is_chief else None) for peer in some])
    assert [result == content for result in shared] == [True] * 3
    small = together([lambda peer=peer: peer.share(b"" if peer.cluster.is_chief else None) for peer in some])
    assert small == [b""] * 3


def test_what_a_worker_says_of_itself_may_be_long():
    said = {"epochs": 3, "config": "x" * 5_000_000}
    assert meet(some := all_peers(2), [said, said]) == [None, None]
    together([peer.finish for peer in some])


def test_a_worker_that_fails_before_it_takes_what_is_shared_is_told(met):
    some = met(3)
    some[1].fail("no memory")
    results = together([lambda: some[0].share(b"x"), some[2].share])
    name = some[1].cluster.name
    assert [str(result) for result in results] == [f"{name} failed: no memory"] * 2
    assert all(isinstance(result, TrainingError) for result in results)


def test_a_worker_that_ends_while_it_takes_what_is_shared_is_told(met):
    some = met(3)
    connection = some[1]._connections[0]

    def half():
        connection.send_message("share")
        connection.receive_within(60)
        connection.close()

    results = together([lambda: some[0].share(bytes(20_000_000)), half, some[2].share])
    assert results[1] is None
    assert [str(results[0]), str(results[2])] == [f"{some[1].cluster.name} is gone"] * 2


def test_a_chief_that_has_nothing_to_share_any_more_is_told(met):
    some = met(2)
    some[0].fail("the checkpoint is damaged")
    with pytest.raises(TrainingError, match="the chief .* failed: the checkpoint is damaged"):
        some[1].share()


def test_what_comes_damaged_is_not_used(met, monkeypatch):
    some = met(2)
    sent = connections.Connection.send_bytes
    monkeypatch.setattr(
        connections.Connection, "send_bytes", lambda self, content: sent(self, bytes(content).replace(b"a", b"b"))
    )
    results = together([lambda: some[0].share(b"banana"), some[1].share])
    assert results[0] == b"banana" and "the checksum differs" in str(results[1])


class Told:
    """What a worker was told of losses."""

    def __init__(self):
        self.words, self._came = [], threading.Event()

    def __call__(self, words):
        self.words.append(words)
        self._came.set()

    def wait(self):
        assert self._came.wait(60)
        return self.words[0]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_worker_that_fails_tells_the_others_why(met, failing):
    some, told = met(3), [Told() for _ in range(3)]
    for peer, mine in zip(some, told, strict=True):
        peer.watch(mine)
    some[failing].fail("the loss is not finite")
    others = [mine.wait() for rank, mine in enumerate(told) if rank != failing]
    assert others == [f"{some[failing].cluster.name} failed: the loss is not finite"] * 2
    assert together([peer.finish for peer in some]) == [None] * 3
    assert [len(mine.words) for mine in told] == [int(rank != failing) for rank in range(3)]


def test_a_loss_that_came_before_the_watch_is_told(met):
    some, told = met(2), Told()
    some[0].fail("no memory")
    some[1].watch(told)
    assert told.wait().endswith("failed: no memory")


def test_parting_waits_for_the_slowest(met):
    some, lost, order = met(3), [], []
    for peer in some:
        peer.watch(lost.append)
    early = [threading.Thread(target=lambda peer=peer: (peer.finish(), order.append("early"))) for peer in some[:2]]
    for thread in early:
        thread.start()
    time.sleep(0.3)  # several beats
    order.append("late")
    some[2].finish()
    for thread in early:
        thread.join()
    assert order == ["late", "early", "early"] and lost == []


def test_a_loss_ends_the_parting_without_a_word(met):
    some, told = met(3), [Told() for _ in range(3)]
    for peer, mine in zip(some, told, strict=True):
        peer.watch(mine)
    waiting = threading.Thread(target=some[1].finish)
    waiting.start()
    while not some[1]._finishing:
        time.sleep(0.01)
    some[2].fail("no memory")
    assert "worker 2" in told[0].wait()
    waiting.join()
    some[0].finish()
    assert told[1].words == []


WORKER = """
import sys
from dltrain.distributed import connection as connections, rendezvous
from dltrain.distributed.cluster import Cluster
from dltrain.distributed.connection import Connection
from dltrain.distributed.peers import Peers
from dltrain.distributed.workers import misfit

class Telling(Peers):
    heard = frozenset()

    def _receive(self, rank):
        frames = super()._receive(rank)
        if rank not in self.heard:
            self.heard |= {rank}
            print("heard one", flush=True)
        return frames

def telling(*told):
    answer = reached(*told)
    print("called", flush=True)
    return answer

reached, rendezvous._reached = rendezvous._reached, telling
connections.HEARTBEAT_SECONDS, connections.SILENT_SECONDS = 0.1, float(sys.argv[2])
peer = Telling(Cluster(tuple(sys.argv[3:]), int(sys.argv[1]), "test", 1.0))
print("started", flush=True)
try:
    peer.connect({}, lambda chief, other: None)
except BaseException as error:
    print(type(error).__name__, error, flush=True)
    raise SystemExit
print("met", flush=True)
peer.watch(lambda words: print(words, flush=True))
sys.stdin.read()
"""


@pytest.fixture
def started():
    """Returns a function that starts workers in processes of their own."""
    processes = []

    def start(workers, ranks, silent=40.0):
        for rank in ranks:
            command = [sys.executable, "-c", WORKER, str(rank), str(silent), *workers]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            processes.append(subprocess.Popen(command, **pipes))
        for process in processes[-len(ranks) :]:
            assert line(process) == "started"
        return processes[-len(ranks) :]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def line(process, besides=("called", "heard one")):
    """The next thing that a worker says."""
    while (said := process.stdout.readline().strip()) in besides:
        pass
    return said


def wait_for(process, *words):
    for expected in words:
        assert line(process, besides=()) == expected


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_is_killed_is_named_to_all_others(started, victim):
    workers = listed(3)
    processes = started(workers, range(3))
    assert [line(process) for process in processes] == ["met"] * 3
    processes[victim].kill()
    name = Cluster(workers, victim, "", 0).name
    assert {line(process) for rank, process in enumerate(processes) if rank != victim} == {f"{name} is gone"}


@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_is_frozen_is_named_to_all_others(started, victim):
    workers = listed(3)
    processes = started(workers, range(3), silent=3.0)
    wait_for(processes[0], "met", "heard one", "heard one")
    for process in processes[1:]:
        wait_for(process, "called", "met", "heard one")
    processes[victim].send_signal(signal.SIGSTOP)
    name = Cluster(workers, victim, "", 0).name
    assert {line(process) for rank, process in enumerate(processes) if rank != victim} == {f"{name} is silent for 3 s"}


def test_a_worker_that_ends_while_it_waits_may_come_again(started):
    workers = listed(3)
    chief, first = started(workers, [0, 1])
    wait_for(first, "called")
    first.kill()
    others = started(workers, [1, 2])
    assert [line(process) for process in (chief, *others)] == ["met"] * 3


def test_ctrl_c_ends_the_waiting_of_a_worker_alone(started):
    workers = listed(3)
    chief, first = started(workers, [0, 1])
    wait_for(first, "called")
    first.send_signal(signal.SIGINT)
    assert line(first) == "KeyboardInterrupt"
    others = started(workers, [1, 2])
    assert [line(process) for process in (chief, *others)] == ["met"] * 3


@pytest.mark.parametrize(("number", "words"), [(signal.SIGINT, "gave up"), (signal.SIGKILL, "ended")])
def test_the_end_of_the_chief_ends_the_waiting_of_all(started, number, words):
    workers = listed(3)
    chief, first = started(workers, [0, 1])
    wait_for(first, "called")
    chief.send_signal(number)
    assert line(first).startswith(f"ClusterError the chief ({workers[0]}) {words} while waiting for the other workers")
