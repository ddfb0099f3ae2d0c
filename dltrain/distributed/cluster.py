"""The workers that train together: one process for each machine, or for each part of one.

The list of the workers and the place in it (the rank) come from the config and `--rank`, from TF_CONFIG, as Kubeflow's
TFJob sets it, or from SLURM. This module starts nothing and connects to nothing.
"""

import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from dltrain.distributed import key as keys
from dltrain.errors import ClusterError
from dltrain.untrusted import Unreadable, parsing

PORTS = range(12_000, 28_000)
"""The first port of a SLURM step is one of these: below those that systems give to outgoing connections."""

_MOST = 4096
"""Nodes, tasks and workers; a list of a few letters may name billions."""


@dataclass(frozen=True)
class Cluster:
    """The workers of a run, seen from one of them.

    Args:
        workers: the "host:port" of each, by rank; the first is the chief's.
        rank: which worker this process is.
        source: where the list was found: the config, TF_CONFIG or SLURM.
        wait_minutes: how long the workers wait for each other.
        key: with which they prove to each other that they belong together; empty where there is none.
    """

    workers: tuple[str, ...]
    rank: int
    source: str
    wait_minutes: float
    key: bytes = field(default=b"", repr=False)

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes the run's files."""
        return self.rank == 0

    @property
    def name(self) -> str:
        """The name of this worker in messages."""
        return self.named(self.rank)

    @property
    def local_index(self) -> int:
        """How many workers before this one are on the same host."""
        return self._hosts[: self.rank].count(self._hosts[self.rank])

    @property
    def same_host_count(self) -> int:
        """How many workers are on the host of this one, itself included."""
        return self._hosts.count(self._hosts[self.rank])

    @property
    def _hosts(self) -> list[str]:
        return [address(worker)[0] for worker in self.workers]

    def named(self, rank: int) -> str:
        """Returns the name of a worker in messages: "the chief (10.0.0.1:2222)", "worker 1 (10.0.0.2:2222)"."""
        return f"{f'worker {rank}' if rank else 'the chief'} ({self.workers[rank]})"


def find(
    workers: tuple[str, ...] | None,
    wait_minutes: float,
    rank: int | None,
    environment: Mapping[str, str],
    key_file: Path | None = None,
) -> Cluster | None:
    """Finds the workers that this process trains with; None where it trains alone.

    What the config names comes before TF_CONFIG, and that before SLURM.

    Args:
        workers: `cluster.workers`; None where the config has none. A list of one means that this process trains alone,
            whatever the environment says.
        wait_minutes: `cluster.wait_minutes`.
        rank: the value of `--rank`; None where it is not given.
        environment: variables, as of `os.environ`.
        key_file: `cluster.key_file`.

    Raises:
        ClusterError: the list of workers is wrong, or their key cannot be used; the message contains all problems.
    """
    if workers is not None:
        _check(workers, "cluster.workers")
        rank = rank if rank is not None or len(workers) < 2 else _rank_from_environment(workers, environment)
        found = workers, rank or 0, "cluster.workers and --rank"
    elif rank is not None:
        raise ClusterError(f"--rank {rank} needs cluster.workers, which the config does not have")
    else:
        named = _from_tf_config(environment) or _from_slurm(environment)
        if named is None:
            return None
        found = named
    if not 0 <= found[1] < max(len(found[0]), 1):
        raise ClusterError(f"the rank must be one of 0 to {len(found[0]) - 1} in {found[2]}, got {found[1]}")
    return Cluster(*found, wait_minutes, keys.found(key_file, environment)) if len(found[0]) > 1 else None


def address(worker: str) -> tuple[str, int]:
    """Splits "host:port" into host and port; removes the brackets of an IPv6 address.

    Raises:
        ValueError: the text does not have this form.
    """
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]\0]+)):([0-9]{1,5})", worker)
    if match is None or not 0 < int(match[3]) < 2**16:
        raise ValueError(f'"host:port" with a port of 1 to 65535 ("[address]:port" for IPv6), got {_shown(worker)}')
    host = match[1] or match[2]
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(
            f"a host whose labels, between its dots, have 1 to 63 characters, got {_shown(worker)}"
        ) from None
    return host, int(match[3])


def _check(workers: Sequence[str], source: str) -> None:
    """Raises a ClusterError with all problems of a list of workers."""
    problems = []
    for place, worker in enumerate(workers):
        try:
            address(worker)
        except ValueError as error:
            problems.append(f"{source}: worker {place} must be {error}")
        if worker in workers[:place]:
            problems.append(
                f"{source}: worker {place} must have its own host:port, got {worker}, which is "
                f"that of worker {workers.index(worker)}"
            )
    if problems:
        raise ClusterError("\n".join(problems))


def _rank_from_environment(workers: tuple[str, ...], environment: Mapping[str, str]) -> int:
    """Returns the rank that TF_CONFIG gives where it names the same workers as the config."""
    named = _from_tf_config(environment)
    if named is not None and named[0] == workers:
        return named[1]
    other = f"TF_CONFIG lists others ({', '.join(named[0])}); " if named else ""
    raise ClusterError(
        f"which of the {len(workers)} workers in cluster.workers is this process? {other}"
        f"type --rank N: 0 on {workers[0]}, the chief, ... {len(workers) - 1} on {workers[-1]}"
    )


def _from_tf_config(environment: Mapping[str, str]) -> tuple[tuple[str, ...], int, str] | None:
    """Returns the workers, the rank and the source of a TF_CONFIG: the chief first, where there is one.

    Its form: https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable
    """
    if not (text := environment.get("TF_CONFIG", "").strip()):
        return None
    try:
        with parsing():
            config = json.loads(text)
    except Unreadable as error:
        raise ClusterError(f"TF_CONFIG must be JSON: {error}") from None
    cluster, task = (_mapping(config, key) for key in ("cluster", "task"))
    kind, index = str(task.get("type")), str(task.get("index"))
    if cluster.get("ps") or kind in ("ps", "evaluator"):
        role = f"task.type is {kind!r}" if kind in ("ps", "evaluator") else "cluster.ps names parameter servers"
        raise ClusterError(f"TF_CONFIG: {role}; dltrain uses a chief and workers only: remove the others from the job")
    lists = {key: cluster.get(key) or [] for key in ("chief", "worker")}
    for key, hosts in lists.items():
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise ClusterError(f'TF_CONFIG: cluster.{key} must be a list of "host:port", got {_shown(hosts)}')
    if kind not in lists or not _is_whole(index) or int(index) >= len(lists[kind]):
        counts = " or ".join(f"a {key} of {len(hosts)}" for key, hosts in lists.items() if hosts)
        raise ClusterError(f"TF_CONFIG: task must be the type and index of {counts or 'a worker'}, got {_shown(task)}")
    workers = (*lists["chief"], *lists["worker"])
    _require_few("workers", "TF_CONFIG", len(workers), text)
    _check(workers, "TF_CONFIG")
    return workers, int(index) + (len(lists["chief"]) if kind == "worker" else 0), "TF_CONFIG"


def _mapping(config: Any, key: str) -> dict[str, Any]:
    value = config.get(key) if isinstance(config, dict) else None
    if not isinstance(value, dict):
        raise ClusterError(
            'TF_CONFIG must be {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": N}}, '
            f"got {_shown(value)} as its {key}; to train on this machine alone: unset TF_CONFIG"
        )
    return value


def _from_slurm(environment: Mapping[str, str]) -> tuple[tuple[str, ...], int, str] | None:
    """Returns the workers, the rank and the source of a SLURM step of several tasks, which `srun` starts.

    A batch script has a SLURM_PROCID too, and the variables of a job whose tasks nobody has started: only those of a
    step count. Its ranks are dealt to the nodes in blocks, which is SLURM's way where nothing else is asked for: the
    first node has the first ranks. Steps of one job have ports of their own. https://slurm.schedmd.com/srun.html
    """
    tasks = environment.get("SLURM_STEP_NUM_TASKS", "")
    if not _is_whole(tasks) or int(tasks) < 2:
        return None
    names = ("SLURM_PROCID", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE", "SLURM_JOB_ID", "SLURM_STEP_ID")
    if absent := [name for name in names if not environment.get(name)]:
        raise ClusterError(f"this is a SLURM step of {tasks} tasks, but {', '.join(absent)} is not set")
    rank, nodes, per_node, job, step = (environment[name] for name in names)
    hosts, counts = _expanded_nodes(nodes), _expanded_counts(per_node)
    if len(hosts) != len(counts) or sum(counts) != int(tasks) or not _is_whole(rank) or int(rank) >= int(tasks):
        told = "\n".join(f"{name}={_shown(environment[name])}" for name in ("SLURM_STEP_NUM_TASKS", *names[:3]))
        raise ClusterError(f"SLURM's variables must agree on the tasks of this step, got\n{told}")
    places = [(node, local) for node, count in enumerate(counts) for local in range(count)]
    place = tuple(environment.get(name, str(due)) for name, due in zip(_PLACE, places[int(rank)], strict=True))
    if place != tuple(map(str, places[int(rank)])):
        raise ClusterError(
            f"the ranks of a SLURM step must lie in blocks on its nodes, but rank {rank} is task {place[1]} of node "
            f"{place[0]}: type srun --distribution=block"
        )
    first = PORTS[zlib.crc32(f"{job}.{step}".encode()) % len(PORTS)]
    return tuple(f"{hosts[node]}:{first + local}" for node, local in places), int(rank), "SLURM"


_PLACE = ("SLURM_NODEID", "SLURM_LOCALID")


def _expanded_nodes(text: str) -> list[str]:
    """Returns the nodes of a list such as `gpu[01-03,07],login-a`, in its order."""
    number = r"\d{1,9}"
    part = rf"(?:[^\s,\[\]]|\[{number}(?:-{number})?(?:,{number}(?:-{number})?)*\])+"
    if not re.fullmatch(rf"{part}(?:,{part})*", text, re.ASCII):
        raise ClusterError(
            f"SLURM_STEP_NODELIST must be a list of nodes, for example gpu[01-03,07],login-a, got {_shown(text)}"
        )
    nodes: list[str] = []
    for entry in re.findall(part, text):
        pieces = re.split(r"\[(.*?)\]", entry)
        choices = [_expanded_ranges(piece) if place % 2 else [piece] for place, piece in enumerate(pieces)]
        _require_few("nodes", "SLURM_STEP_NODELIST", len(nodes) + math.prod(map(len, choices)), text)
        nodes += ["".join(choice) for choice in product(*choices)]
    return nodes


def _expanded_ranges(text: str) -> list[str]:
    """Returns the numbers of `01-03,07`, as wide as they are written."""
    numbers: list[str] = []
    for entry in text.split(","):
        first, _, last = entry.partition("-")
        of_range = range(int(first), int(last or first) + 1)
        _require_few("nodes", "SLURM_STEP_NODELIST", len(numbers) + len(of_range), text)
        numbers += [str(number).zfill(len(first)) for number in of_range]
    return numbers


def _expanded_counts(text: str) -> list[int]:
    """Returns how many tasks each node has, of a list such as `2(x3),1`."""
    if not re.fullmatch(r"\d{1,9}(\(x\d{1,9}\))?(,\d{1,9}(\(x\d{1,9}\))?)*", text, re.ASCII):
        raise ClusterError(
            f"SLURM_STEP_TASKS_PER_NODE must be a list of counts, for example 2(x3),1, got {_shown(text)}"
        )
    counts = [(int(n), int(times or 1)) for n, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text)]
    _require_few("nodes", "SLURM_STEP_TASKS_PER_NODE", sum(times for _, times in counts), text)
    _require_few("tasks", "SLURM_STEP_TASKS_PER_NODE", sum(n * times for n, times in counts), text)
    return [n for n, times in counts for _ in range(times)]


def _require_few(what: str, variable: str, count: int, text: str) -> None:
    if count > _MOST:
        raise ClusterError(f"{variable} must name at most {_MOST:,} {what}, got {_shown(text)}")


def _is_whole(text: str) -> bool:
    return re.fullmatch(r"\d{1,9}", text, re.ASCII) is not None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
