"""Which examples a step sees, a pure function of (seed, step): a run can stop and resume at any step."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dltrain.lazy import tf

HOST = "CPU:0"
"""Where positions and seeds are computed: their kernels are the CPU's, so a GPU has nothing to wait for."""


@dataclass(frozen=True)
class Order:
    """Which examples each portion holds; a portion is one replica's share of one step.

    Args:
        examples: how many there are.
        batch_size: examples per pass through the network, over all replicas.
        replicas: how many devices share a batch.
        seed: of the shuffling; none leaves the examples in their order.
        accumulate: batches per step; their examples are those of one batch of that many times the size.
        rows: where each of the examples is in the split, (examples,), int64; none where they are the split's.
    """

    examples: int
    batch_size: int
    replicas: int = 1
    seed: int | None = None
    accumulate: int = 1
    rows: np.ndarray | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Full steps in one pass over the examples."""
        return self.examples // (self.batch_size * self.accumulate)

    @property
    def portion_size(self) -> int:
        """Examples per replica and step."""
        return self.part_size * self.accumulate

    @property
    def part_size(self) -> int:
        """Examples per replica and batch."""
        return self.batch_size // self.replicas

    @property
    def leftover(self) -> int:
        """Examples that do not fill a batch: training leaves them out, another few each epoch; evaluation does not."""
        return self.examples % self.batch_size

    def positions(self, portion: Any) -> Any:
        """Returns the positions of a portion's examples in the split, (portion_size,), int64.

        Args:
            portion: int64 scalar, step * replicas + replica, counted over the whole run.
        """
        step, replica = portion // self.replicas, portion % self.replicas
        # Batch after batch of the step, the replica's share of each: its batches are of the same examples as one
        # device's would be, which batch normalisation sees.
        batches = (step % self.steps_per_epoch) * self.accumulate + tf.range(self.accumulate, dtype=tf.int64)
        firsts = batches * self.batch_size + replica * self.part_size
        positions = tf.reshape(firsts[:, None] + tf.range(self.part_size, dtype=tf.int64), [-1])
        if self.seed is None:
            return positions
        seed = tf.stack([tf.constant(self.seed, tf.int64), step // self.steps_per_epoch])
        shuffled = tf.random.experimental.index_shuffle(positions, seed, tf.constant(self.examples - 1, tf.int64))
        return shuffled if self.rows is None else tf.gather(tf.constant(self.rows, tf.int64), shuffled)
