import json

import pytest

from dltrain.distributed.cluster import PORTS, Cluster, address, find
from dltrain.errors import ClusterError

FOUR = ("10.0.0.1:2222", "10.0.0.2:2222", "10.0.0.2:2223", "[fe80::3]:2222")

TFJOB = {
    "cluster": {
        "chief": ["mnist-chief-0.kubeflow.svc:2222"],
        "worker": ["mnist-worker-0.kubeflow.svc:2222", "mnist-worker-1.kubeflow.svc:2222"],
    },
    "task": {"type": "worker", "index": 1},
    "environment": "cloud",
}
"""As Kubeflow's operator writes it."""

BATCH = {
    "SLURM_JOB_ID": "200505",
    "SLURM_JOB_NODELIST": "gnode[10,20,25,37]",
    "SLURM_NODELIST": "gnode[10,20,25,37]",
    "SLURM_NNODES": "4",
    "SLURM_NTASKS": "4",
    "SLURM_NPROCS": "4",
    "SLURM_TASKS_PER_NODE": "1(x4)",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_GTIDS": "0",
}
"""What a batch script itself sees of a job of four tasks, none of which is started."""

ALLOCATION = {
    "SLURM_JOB_ID": "1720714",
    "SLURM_JOB_NODELIST": "GPU71E4",
    "SLURM_TASKS_PER_NODE": "8",
    "SLURM_STEP_ID": "4294967290",
    "SLURM_STEP_NODELIST": "GPU71E4",
    "SLURM_STEP_NUM_NODES": "1",
    "SLURM_STEP_NUM_TASKS": "1",
    "SLURM_STEP_TASKS_PER_NODE": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}
"""What the shell of `salloc` sees: a step of its own, with one task."""


def step(rank, nodes, per_node, tasks, **more):
    """What a task that `srun` started sees."""
    return BATCH | {
        "SLURM_STEP_ID": "0",
        "SLURM_PROCID": str(rank),
        "SLURM_STEP_NUM_TASKS": str(tasks),
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": per_node,
        **{name: str(value) for name, value in more.items()},
    }


def found(environment=(), workers=None, rank=None):
    return find(workers, 5.0, rank, dict(environment))


def tf_config(**changes):
    return {"TF_CONFIG": json.dumps(TFJOB | changes)}


def refusal(environment=(), workers=None, rank=None):
    with pytest.raises(ClusterError) as raised:
        found(environment, workers, rank)
    return str(raised.value)


def test_a_process_of_which_nothing_says_otherwise_is_alone():
    assert found() is None
    assert found({"TF_CONFIG": "", "PATH": "/bin"}) is None
    assert found(workers=FOUR[:1]) is None
    assert found(workers=FOUR[:1], rank=0) is None
    assert found(tf_config(cluster={"worker": ["a:1"]}, task={"type": "worker", "index": 0})) is None


def test_a_config_that_names_one_worker_keeps_the_environment_out():
    assert found(tf_config(), workers=FOUR[:1]) is None


def test_the_workers_of_the_config_come_first():
    assert found(tf_config(), FOUR, 2) == Cluster(FOUR, 2, "cluster.workers and --rank", 5.0)
    assert found({**tf_config(), **step(1, "n[1-2]", "1(x2)", 2, SLURM_NODEID=1)}).source == "TF_CONFIG"


def test_a_worker_knows_who_shares_its_host():
    chief, first, second, last = (found(workers=FOUR, rank=rank) for rank in range(4))
    assert [worker.local_index for worker in (chief, first, second, last)] == [0, 0, 1, 0]
    assert [worker.same_host_count for worker in (chief, first, second, last)] == [1, 2, 2, 1]
    assert chief.is_chief and not first.is_chief
    assert (chief.name, second.name) == ("the chief (10.0.0.1:2222)", "worker 2 (10.0.0.2:2223)")


def test_workers_without_a_rank_say_what_to_type():
    assert "--rank N: 0 on 10.0.0.1:2222, the chief, ... 3 on [fe80::3]:2222" in refusal(workers=FOUR)
    assert "TF_CONFIG lists others (mnist-chief-0" in refusal(tf_config(), workers=FOUR)


def test_the_rank_of_a_tf_config_with_the_same_workers_is_taken():
    workers = (*TFJOB["cluster"]["chief"], *TFJOB["cluster"]["worker"])
    assert found(tf_config(), workers).rank == 2


@pytest.mark.parametrize("rank", [4, -1])
def test_a_rank_that_no_worker_has_is_refused(rank):
    assert refusal(workers=FOUR, rank=rank).startswith("the rank must be one of 0 to 3")
    assert "0 to 0" in refusal(workers=FOUR[:1], rank=rank)


def test_a_rank_needs_workers():
    assert "cluster.workers" in refusal(rank=0)
    assert "cluster.workers" in refusal(tf_config(), rank=0)


def test_all_that_is_wrong_with_a_list_is_said_at_once():
    words = refusal(workers=("a:1", "b", "c:0", "d:70000", "fe80::3:2222", "a:1", "http://e:80", ":5"), rank=0)
    assert [line.split(" must")[0][-1] for line in words.splitlines()] == ["1", "2", "3", "4", "5", "6", "7"]
    assert "worker 5 must have its own host:port, got a:1, which is that of worker 0" in words


@pytest.mark.parametrize("host", ["a" * 64, "b." + "a" * 64 + ".c", "a..b", ".a", "é" * 64, "a\0b", "\ud800"])
def test_a_host_that_no_name_can_be_is_refused_before_anybody_looks_it_up(host):
    assert refusal(workers=(f"{host}:1", "b:2"), rank=0).startswith("cluster.workers: worker 0 must be ")
    assert address(f"{'a' * 63}.b:1") == (f"{'a' * 63}.b", 1)


def test_a_key_comes_from_its_file_else_from_the_environment(tmp_path):
    file, environment = tmp_path / "key", {"DLTRAIN_CLUSTER_KEY": "of the environment"}
    file.write_text("of the config's file\n")
    assert find(FOUR, 5.0, 1, environment, file).key == b"of the config's file"
    assert find(FOUR, 5.0, 1, environment).key == b"of the environment"
    assert find(FOUR, 5.0, 1, {}).key == b""
    assert "of the" not in repr(find(FOUR, 5.0, 1, environment, file))


def test_a_key_that_protects_nothing_is_refused(tmp_path):
    file = tmp_path / "key"
    for content, words in ((b"", "got 0"), (b" fifteen letters\n", "got 15"), (bytes(5000), "at most 4,096")):
        file.write_bytes(content)
        with pytest.raises(ClusterError, match=f"cluster.key_file: .*{words}"):
            find(FOUR, 5.0, 1, {}, file)
    with pytest.raises(ClusterError, match="cluster.key_file: .*No such file"):
        find(FOUR, 5.0, 1, {}, tmp_path / "absent")
    with pytest.raises(ClusterError, match="DLTRAIN_CLUSTER_KEY: a key must have at least 16 characters, got 5"):
        find(FOUR, 5.0, 1, {"DLTRAIN_CLUSTER_KEY": "short"})


def test_an_address_is_a_host_and_a_port():
    assert address("gpu-01.example.org:2222") == ("gpu-01.example.org", 2222)
    assert address("[2001:db8::1]:22") == ("2001:db8::1", 22)


def test_the_chief_of_a_tfjob_comes_before_its_workers():
    worker = found(tf_config())
    assert worker.workers == (*TFJOB["cluster"]["chief"], *TFJOB["cluster"]["worker"])
    assert (worker.rank, worker.source) == (2, "TF_CONFIG")
    assert found(tf_config(task={"type": "chief", "index": 0})).is_chief
    without = {"worker": TFJOB["cluster"]["worker"], "ps": []}
    assert found(tf_config(cluster=without, task={"type": "worker", "index": "0"})).is_chief


@pytest.mark.parametrize("kind", ["ps", "evaluator"])
def test_a_task_that_does_not_train_is_refused(kind):
    assert f"task.type is '{kind}'" in refusal(tf_config(task={"type": kind, "index": 0}))


def test_workers_beside_parameter_servers_are_refused():
    assert "cluster.ps" in refusal(tf_config(cluster=TFJOB["cluster"] | {"ps": ["p:2222"]}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{'cluster': 1}", "must be JSON"),
        ("[" * 100_000, "must be JSON"),
        ("[]", "as its cluster"),
        ('{"task": {"type": "worker", "index": 0}}', "as its cluster"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "as its task"),
        ('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}', "cluster.worker must be a list"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 0}}', "a worker of 2"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker"}}', "a worker of 2"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}', "a worker of 2"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": -1}}', "a worker of 2"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": ["worker"], "index": 0}}', "a worker of 2"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 1}}', "its own host:port"),
    ],
)
def test_a_tf_config_that_cannot_be_read_is_named(text, words):
    said = refusal({"TF_CONFIG": text})
    assert said.startswith("TF_CONFIG") and words in said


def test_a_batch_script_and_a_shell_of_slurm_are_alone():
    assert found(BATCH) is None
    assert found(ALLOCATION) is None
    assert found(step(0, "gnode10", "1", 1)) is None


@pytest.mark.parametrize(
    ("nodes", "per_node", "hosts"),
    [
        ("gnode[10,20,25,37]", "1(x4)", ["gnode10", "gnode20", "gnode25", "gnode37"]),
        ("sh04-10n05", "3", ["sh04-10n05"] * 3),
        ("gpu[01-03,07],login-a", "2(x3),1,1", ["gpu01"] * 2 + ["gpu02"] * 2 + ["gpu03"] * 2 + ["gpu07", "login-a"]),
        ("rack[1-2]n[01-02]", "1(x4)", ["rack1n01", "rack1n02", "rack2n01", "rack2n02"]),
        ("n[9-11]-ib", "1(x3)", ["n9-ib", "n10-ib", "n11-ib"]),
        ("taurusi[098-101],b.c", "1(x5)", ["taurusi098", "taurusi099", "taurusi100", "taurusi101", "b.c"]),
    ],
)
def test_a_step_of_slurm_tells_the_host_of_each_rank(nodes, per_node, hosts):
    last = len(hosts) - 1
    place = {"SLURM_NODEID": len(set(hosts)) - 1, "SLURM_LOCALID": hosts.count(hosts[-1]) - 1}
    worker = found(step(last, nodes, per_node, len(hosts), **place))
    assert [address(one)[0] for one in worker.workers] == hosts
    assert (worker.rank, worker.source, len(set(worker.workers))) == (last, "SLURM", len(hosts))


def test_the_tasks_of_a_step_agree_on_its_ports_and_steps_differ():
    one = step(0, "n[1-2]", "2(x2)", 4)
    other = step(3, "n[1-2]", "2(x2)", 4, SLURM_NODEID=1, SLURM_LOCALID=1)
    assert found(one).workers == found(other).workers
    first = address(found(one).workers[0])[1]
    assert first in PORTS and address(found(one).workers[1])[1] == first + 1
    assert found(one).workers != found(one | {"SLURM_STEP_ID": "1"}).workers
    assert found(one).workers != found(one | {"SLURM_JOB_ID": "200506"}).workers


def test_ranks_that_are_dealt_in_turn_are_refused():
    """As by `srun --distribution=cyclic`: rank 1 is then on the second node."""
    assert "srun --distribution=block" in refusal(step(1, "n[1-2]", "2(x2)", 4, SLURM_NODEID=1, SLURM_LOCALID=0))


@pytest.mark.parametrize(
    "variables",
    [
        step(0, "n[1-2", "1(x2)", 2),
        step(0, "n[a-b]", "1(x2)", 2),
        step(0, "n[1-2]", "1(x2", 2),
        step(0, "n[1-2]", "1(x3)", 3),
        step(0, "n[1-2]", "1(x2)", 3),
        step(2, "n[1-2]", "1(x2)", 2),
        {name: value for name, value in step(0, "n[1-2]", "1(x2)", 2).items() if name != "SLURM_STEP_NODELIST"},
    ],
)
def test_variables_of_slurm_that_do_not_agree_are_named(variables):
    assert "SLURM" in refusal(variables)


DIGITS = "9" * 5000
STRANGE = [
    DIGITS, "\u00b2", "\u0663", "1" * 30, "-1", "[" * 1000, "x[1-", "\udcff", "n[1-9999999999]", "n[1-999999999]",
    "n[0-9]" + "[0-9]" * 7, "1(x99999999999)", "1(x999999999)", "999999999(x2)", f"1(x{DIGITS})", f"n[{DIGITS}]",
    "a" * 100_000, "1," * 50_000 + "1", "n[2-1]",
]  # fmt: skip


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
@pytest.mark.parametrize("name", ["NUM_TASKS", "NODELIST", "TASKS_PER_NODE"])
def test_a_strange_variable_of_slurm_is_refused_shortly_and_names_no_billions(name, text):
    variables = step(0, "n[1-2]", "1(x2)", 2) | {f"SLURM_STEP_{name}": text}
    if name == "NUM_TASKS":  # what is no number of tasks is no step
        assert found(variables) is None
    else:
        said = refusal(variables)
        assert "SLURM" in said and len(said) < 2_000


@pytest.mark.parametrize("text", STRANGE, ids=range(len(STRANGE)))
def test_a_strange_rank_of_slurm_is_refused_shortly(text):
    said = refusal(step(0, "n[1-2]", "1(x2)", 2) | {"SLURM_PROCID": text})
    assert "SLURM" in said and len(said) < 2_000


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": DIGITS}}),
        json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 7}}).replace("7", DIGITS),
        json.dumps({"cluster": {"worker": ["x" * 100_000 + ":1"]}, "task": {"type": "worker", "index": 0}}),
        json.dumps({"cluster": {"worker": ["x" * 100_000]}, "task": {"type": "worker", "index": 0}}),
        json.dumps({"cluster": {"worker": [["x"] * 10_000]}, "task": {"type": "worker", "index": 0}}),
        json.dumps({"cluster": {"worker": "x" * 100_000}, "task": {"type": "worker", "index": 0}}),
        json.dumps({"cluster": {"worker": ["a:1"] * 10_000}, "task": {"type": "worker", "index": 0}}),
        json.dumps({"cluster": ["x"] * 10_000}),
        json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "x" * 100_000}}),
    ],
    ids=range(9),
)
def test_a_tf_config_of_long_values_is_refused_shortly(text):
    said = refusal({"TF_CONFIG": text})
    assert said.startswith("TF_CONFIG") and len(said) < 2_000
