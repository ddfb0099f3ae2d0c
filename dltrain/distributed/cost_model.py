"""A cost model of a training step on a cluster: plain numbers in, plain numbers out."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LINK, LOCAL_LINK = 10.0, 2.4
"""Gbit/s between two machines; and what TensorFlow's gRPC does between two processes that share two cores."""

LATENCY = 400.0
"""Microseconds of a message beside its bytes: of TensorFlow's gRPC between two processes that share two cores."""

FLOAT = 4
"""Bytes of what is exchanged beside the gradients: float32 at every precision."""


STATISTICS = 5
"""All-reduces of Keras's synchronised batch normalisation, each of a number per channel: of the sum, the sum of squares
and the count in the forward pass, and of the gradients of both sums in the backward pass."""


@dataclass(frozen=True)
class Ring:
    """Workers that share each batch.

    Args:
        workers: processes, one on each machine.
        devices: replicas of each worker: its GPUs, or 1 for its CPU.
        gigabits: speed of the link between two machines in Gbit/s, each way.
        microseconds: latency of a message, beside its bytes.
        shared: all workers run on the cores (or the GPU) of one machine.
    """

    workers: int
    devices: int = 1
    gigabits: float = LINK
    microseconds: float = LATENCY
    shared: bool = False

    @property
    def replicas(self) -> int:
        """How many replicas share a batch."""
        return self.workers * self.devices

    def of(self, workers: int) -> "Ring":
        """Returns the same cluster with another number of workers."""
        return dataclasses.replace(self, workers=workers)

    def sent(self, size: int) -> float:
        """Returns the bytes that each replica sends in an all-reduce of `size` bytes: 2 (R - 1) / R of them."""
        return 2 * (self.replicas - 1) / self.replicas * size

    def exchange(self, sizes: Sequence[int]) -> float:
        """Estimates the seconds of all-reduces, one after the other.

        R replicas in a ring send 2 (R - 1) messages of 1/R of the bytes, each after the one before it has come (P.
        Patarasuk and X. Yuan, "Bandwidth optimal all-reduce algorithms", 2009): 2 (R - 1) x (bytes / R / link +
        latency). Nothing is computed meanwhile: TensorFlow joins all gradients to one all-reduce, which waits for the
        last of them, and batch normalisation waits for its statistics. Between the GPUs of one machine it takes
        nothing.

        Args:
            sizes: bytes of each all-reduce.
        """
        if self.workers == 1:
            return 0.0
        messages = len(sizes) * 2 * (self.replicas - 1)
        return sum(map(self.sent, sizes)) * 8 / (self.gigabits * 1e9) + messages * self.microseconds * 1e-6

    def smaller(self, batch_size: int) -> list[int]:
        """Returns numbers of workers to compare: 1, 2, 4 ... that can share the batch, and this one."""
        powers = [2**power for power in range((self.workers - 1).bit_length())]
        return [each for each in powers if batch_size % (each * self.devices) == 0] + [self.workers]


@dataclass(frozen=True)
class Seconds:
    """The time that a replica computes on its share of a batch.

    Args:
        alone: seconds when the replica has the machine to itself.
        busy: seconds of the whole machine that this takes, which workers on one machine must share.
    """

    alone: float
    busy: float

    def beside(self, others: int) -> float:
        """Returns the seconds when so many others do the same on the same machine."""
        return max(self.alone, (others + 1) * self.busy)


@dataclass(frozen=True)
class Work:
    """The work of an optimizer step, on any cluster.

    Args:
        batch_size: examples of a batch, which all replicas share.
        batches: batches of a step.
        gradients: bytes of all gradients.
        channels: channels of each trained layer of batch normalisation.
        measured: how long a replica took for shares of a batch of that many examples; nothing where none was measured.
    """

    batch_size: int
    batches: int
    gradients: int
    channels: tuple[int, ...] = ()
    measured: Mapping[int, Seconds] = dataclasses.field(default_factory=dict)

    def all_reduced(self) -> list[int]:
        """Returns the bytes of each all-reduce of a step.

        All gradients are one; whether the loss is finite is one number; the rest is batch normalisation's.
        """
        statistics = [FLOAT * each for each in self.channels for _ in range(STATISTICS)]
        return [self.gradients, FLOAT, *self.batches * statistics]

    def compute(self, ring: Ring) -> float:
        """Returns the seconds that a replica computes."""
        share = self.batch_size // ring.replicas
        alone = _along({size: each.alone for size, each in self.measured.items()}, share)
        busy = _along({size: each.busy for size, each in self.measured.items()}, share)
        return self.batches * Seconds(alone, busy).beside(ring.workers - 1 if ring.shared else 0)


def _along(measured: Mapping[int, float], size: int) -> float:
    """Returns the seconds for a size: measured, or interpolated between the two nearest, or between 0 and one."""
    if size in measured:
        return measured[size]
    near, far = (*sorted(measured, key=lambda each: abs(each - size)), 0)[:2]
    of_far = measured[far] if far else 0.0
    return measured[near] + (measured[near] - of_far) / (near - far) * (size - near)


def scaling(work: Work, ring: Ring) -> list[dict[str, Any]]:
    """Estimates the steps of 1, 2, 4 ... workers.

    Returns:
        [{"workers", "replicas", "batch_per_replica", "milliseconds": {"step", "compute", "exchange"},
        "examples_per_second", "efficiency"}]; efficiency relative to the first row, scaled by the number of workers.
    """
    rows: list[dict[str, Any]] = []
    for workers in ring.smaller(work.batch_size):
        each = ring.of(workers)
        compute, exchange = work.compute(each), each.exchange(work.all_reduced())
        rate = work.batch_size * work.batches / (compute + exchange)
        rows.append(
            {
                "workers": workers,
                "replicas": each.replicas,
                "batch_per_replica": work.batch_size // each.replicas,
                "milliseconds": {
                    "step": 1e3 * (compute + exchange),
                    "compute": 1e3 * compute,
                    "exchange": 1e3 * exchange,
                },
                "examples_per_second": rate,
            }
        )
    one = rows[0]["examples_per_second"] / rows[0]["workers"]
    return [{**row, "efficiency": row["examples_per_second"] / row["workers"] / one} for row in rows]
