"""Which examples a step sees, a pure function of (seed, step): a run can stop and resume at any step."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dltrain.lazy import tf

HOST = "CPU:0"
"""Where positions and seeds are computed: their kernels are the CPU's, so a GPU has nothing to wait for."""

WINDOW = 16
"""Batches whose examples are sorted by length together: these are shuffled before, and the batches behind it."""

POOL = 8
"""Blocks whose examples are shuffled together: as many are read before the next ones are."""


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
        lengths: of each example of the split, (examples,): those of a batch are of like length; none to mix them.
        blocks: where each piece of the split begins that is best read whole, and where the last ends, (pieces + 1,);
            none to read examples from anywhere. Beside `rows` it counts for nothing.
    """

    examples: int
    batch_size: int
    replicas: int = 1
    seed: int | None = None
    accumulate: int = 1
    rows: np.ndarray | None = None
    lengths: np.ndarray | None = None
    blocks: np.ndarray | None = None

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
        epoch = step // self.steps_per_epoch
        if self.seed is not None and self.lengths is not None:

            def share(batch: Any) -> Any:
                return tf.slice(self._alike(batch, epoch), [replica * self.part_size], [self.part_size])

            return tf.reshape(tf.map_fn(share, batches), [self.portion_size])
        firsts = batches * self.batch_size + replica * self.part_size
        places = tf.reshape(firsts[:, None] + tf.range(self.part_size, dtype=tf.int64), [-1])
        return places if self.seed is None else self._shuffled(places, epoch)

    def batch_positions(self, step: Any) -> Any:
        """Returns the positions of a step's examples of all replicas, (accumulate, batch_size), int64.

        Args:
            step: int64 scalar, counted over the whole run.
        """
        return tf.reshape(self._of_one.positions(step), [self.accumulate, self.batch_size])

    def seeds(self, portion: Any) -> Any:
        """Returns what random readings of a portion's examples are drawn from, (portion_size, 2), int64.

        They belong to the place of each example in the whole step, whichever replica it goes to.
        """
        step, replica = portion // self.replicas, portion % self.replicas
        batches = step * self.accumulate + tf.range(self.accumulate, dtype=tf.int64)
        firsts = batches * self.batch_size + replica * self.part_size
        places = tf.reshape(firsts[:, None] + tf.range(self.part_size, dtype=tf.int64), [-1])
        return tf.stack([tf.fill([self.portion_size], tf.constant(self.seed or 0, tf.int64)), places], axis=1)

    def _shuffled(self, places: Any, epoch: Any) -> Any:
        """Returns the position of the example at each place of an epoch, (places,)."""
        if self.blocks is not None and self.rows is None:
            return self._pooled(places, epoch)
        seed = tf.stack([tf.constant(self.seed, tf.int64), epoch])
        shuffled = tf.random.experimental.index_shuffle(places, seed, tf.constant(self.examples - 1, tf.int64))
        return shuffled if self.rows is None else tf.gather(tf.constant(self.rows, tf.int64), shuffled)

    def _alike(self, batch: Any, epoch: Any) -> Any:
        """Returns the positions of a batch of examples of like length, (batch_size,).

        The examples of some batches are sorted by length, and the batches among each other shuffled again.
        """
        count = self.steps_per_epoch * self.accumulate
        window = batch // WINDOW
        first = window * WINDOW
        batches = tf.minimum(tf.constant(WINDOW, tf.int64), count - first)
        positions = self._shuffled(first * self.batch_size + tf.range(batches * self.batch_size), epoch)
        order = tf.argsort(tf.gather(self._lengths, positions), stable=True)
        windows = -(-count // WINDOW)
        seed = tf.stack([tf.constant(-1 - (self.seed or 0), tf.int64), epoch * windows + window])
        place = tf.random.experimental.index_shuffle(batch - first, seed, batches - 1)
        return tf.gather(positions, tf.slice(order, [place * self.batch_size], [self.batch_size]))

    def _pooled(self, places: Any, epoch: Any) -> Any:
        """Returns the same where blocks are read whole: these are shuffled, and the examples of a few at a time."""
        starts, sizes = self._blocks
        own = tf.constant(-1 - (self.seed or 0), tf.int64)
        numbers, last = tf.range(len(sizes), dtype=tf.int64), tf.constant(len(sizes) - 1, tf.int64)
        chosen = tf.random.experimental.index_shuffle(numbers, tf.stack([own, epoch]), last)
        ends = tf.cumsum(tf.gather(sizes, chosen))
        pool_ends = tf.concat([ends[POOL - 1 : -1 : POOL], ends[-1:]], 0)
        pools = tf.searchsorted(pool_ends, places, side="right", out_type=tf.int64)
        firsts = tf.gather(tf.concat([[tf.constant(0, tf.int64)], pool_ends], 0), pools)
        counts = tf.gather(pool_ends, pools) - firsts
        third = epoch * (len(sizes) // POOL + 1) + pools
        seeds = tf.stack([tf.ones_like(pools), tf.fill(tf.shape(pools), tf.constant(self.seed, tf.int64)), third], 1)
        # The operation itself: tf.random.experimental.index_shuffle takes no seed for each place (TensorFlow 2.21).
        places = firsts + tf.raw_ops.RandomIndexShuffle(
            index=places - firsts, seed=seeds, max_index=counts - 1, rounds=4
        )
        blocks = tf.searchsorted(ends, places, side="right", out_type=tf.int64)
        found = tf.gather(chosen, blocks)
        return tf.gather(starts, found) + places - (tf.gather(ends, blocks) - tf.gather(sizes, found))

    @cached_property
    def _of_one(self) -> "Order":
        return replace(self, replicas=1)

    @cached_property
    def _lengths(self) -> Any:
        return _kept(self.lengths)

    @cached_property
    def _blocks(self) -> tuple[Any, Any]:
        edges = np.asarray(self.blocks)
        return _kept(edges[:-1]), _kept(np.diff(edges))


def _kept(values: Any) -> Any:
    """Returns values in the host's memory, which a graph refers to: as a constant it would hold them itself."""
    with tf.init_scope(), tf.device(HOST):
        return tf.constant(values, tf.int64)
