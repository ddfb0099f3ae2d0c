"""Splits -> batches: resident on the device where they fit, streamed with tf.data where they do not.

Each feed answers two calls of the engine's compiled loop: `take(step)`, outside the replicas, and `batch(taken, part)`,
inside each of them.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dltrain.data import Split
from dltrain.engine.order import HOST, Order
from dltrain.engine.preparation import Preparation
from dltrain.errors import DataError
from dltrain.lazy import tf

RESIDENT_BYTES = 2 * 1024**3
"""A split up to this size is kept on the device: 2 GiB leave room for the network on any GPU of today."""


READ_AHEAD_BYTES = 2**28
"""Batches that wait for their turn take up to 256 MiB: 2 to 16 batches."""


class ResidentFeed:
    """A split in the device's memory; batches are gathered there, without the host. `failure` stays none.

    Args:
        split: the examples.
        order: which of them belong to which step.
        preparation: what happens to each batch.
        devices: those of this process's replicas, each of which holds the split; none for TensorFlow's own choice.
    """

    read_ahead = 0

    def __init__(self, split: Split, order: Order, preparation: Preparation, devices: Sequence[str] = ()) -> None:
        self.order = order
        self.failure: DataError | None = None
        inputs, others = _aligned(np.asarray(split.inputs)), _others(split)
        self._copies = [_resident(inputs, others, device) for device in devices or (None,)]
        self._preparation = preparation

    def take(self, step: Any) -> Any:
        """Returns what each replica needs to make its batch of the step (int64 scalar)."""
        return step

    def batch(self, taken: Any, part: Any = 0) -> tuple[Any, ...]:
        """Returns this replica's batch: inputs, targets and, where classes are weighted, sample weights.

        Args:
            taken: what `take` returned.
            part: which batch of the step (int32 scalar), where it accumulates several.
        """
        own = replica()
        with tf.device(HOST):
            portion = taken * self.order.replicas + tf.constant(own, tf.int64)
            positions = _part(self.order, self.order.positions(portion), part)
            number = _number(self.order, portion, part)
        values = [tf.gather(values, positions) for values in self._copies[own % len(self._copies)]]
        return self._preparation(number, *values, share=(own, self.order.replicas))

    def at(self, step: int) -> "ResidentFeed":
        """Returns a feed of the same examples whose next `take` may be for the step: this one."""
        return self

    def examples(self, first: int, end: int) -> tuple[Any, ...]:
        """Returns the examples from `first` up to `end`, in the split's order, as one batch."""
        values = [values[first:end] for values in self._copies[0]]
        return self._preparation(tf.constant(0, tf.int64), *values)


def _resident(inputs: Any, others: Sequence[np.ndarray], device: str | None) -> list[Any]:
    with tf.device(device):
        return [tf.identity(inputs), *map(tf.constant, others)]


def _aligned(array: np.ndarray) -> Any:
    """Returns a tensor in the host's memory, held twice with its copy on a device; tf.constant would hold three."""
    room = np.empty(array.nbytes + 64, np.uint8)
    first = -room.ctypes.data % 64  # TensorFlow's kernels rely on this alignment
    aligned = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    aligned[...] = array
    return tf.experimental.dlpack.from_dlpack(aligned.__dlpack__())


class StreamedFeed:
    """A split in the host's memory, a memory map or files; batches are read ahead by tf.data.

    `failure` is what kept a batch from being read: an example that cannot be used. `read_ahead` is how many portions
    wait for their turn, at most.

    Args:
        split: the examples.
        order: which of them belong to which step.
        preparation: what happens to each batch, on the device.
        strategy: the tf.distribute strategy whose replicas are fed.
        first_step: the step that the first `take` is for.
    """

    def __init__(
        self, split: Split, order: Order, preparation: Preparation, strategy: Any, first_step: int = 0
    ) -> None:
        self.order = order
        self.failure: DataError | None = None
        self._split = split
        self._preparation = preparation
        self._strategy = strategy
        size = order.portion_size * math.prod(split.inputs.shape[1:]) * split.inputs.dtype.itemsize
        self.read_ahead = min(max(READ_AHEAD_BYTES // size, 2), 16)
        # Never restarted: a compiled loop keeps the iterator it was traced with, and the order repeats by itself.
        self._iterator = iter(
            strategy.distribute_datasets_from_function(
                lambda context: self._portions(first_step, context.input_pipeline_id, context.num_input_pipelines)
            )
        )

    def take(self, step: Any) -> Any:
        """Returns each replica's share of the step, read ahead."""
        return next(self._iterator)

    def batch(self, taken: Any, part: Any = 0) -> tuple[Any, ...]:
        """Returns this replica's batch, or that part of the step where it accumulates several."""
        portion, *values = taken
        return self._preparation(
            _number(self.order, portion, part),
            *(_part(self.order, value, part) for value in values),
            share=(replica(), self.order.replicas),
        )

    def at(self, step: int) -> "StreamedFeed":
        """Returns a feed of the same examples whose next `take` is for the step."""
        return StreamedFeed(self._split, self.order, self._preparation, self._strategy, step)

    def examples(self, first: int, end: int) -> tuple[Any, ...]:
        """Returns the examples from `first` up to `end`, in the split's order, as one batch."""
        values = [values[first:end] for values in (self._split.inputs, *_others(self._split))]
        return self._preparation(tf.constant(0, tf.int64), *map(tf.constant, values))

    def _portions(self, step: int, worker: int = 0, workers: int = 1) -> Any:
        """Returns the portions of one worker's replicas, step by step; nothing else is read."""
        sources = (self._split.inputs, *_others(self._split))

        def read(positions: np.ndarray) -> list[np.ndarray]:
            try:
                return [np.asarray(source[positions]) for source in sources]
            except DataError as error:  # TensorFlow would tell of it as a traceback in a string
                self.failure = error
                raise

        def load(portion: Any) -> tuple[Any, ...]:
            types = [source.dtype for source in sources]
            values = tf.numpy_function(read, [self.order.positions(portion)], types)
            for value, source in zip(values, sources, strict=True):
                value.set_shape((self.order.portion_size, *source.shape[1:]))
            return portion, *values

        own = self.order.replicas // workers

        def portion(turn: Any) -> Any:
            return turn // own * self.order.replicas + worker * own + turn % own

        turns = tf.data.Dataset.range(step * own, np.iinfo(np.int64).max)
        portions = turns.map(lambda turn: load(portion(turn)), num_parallel_calls=2, deterministic=True)
        options = tf.data.Options()
        options.experimental_warm_start = True  # reads while the network is being compiled
        # There is nothing to tune, and the thread that does so may miss that its iterator goes: Python hangs at exit.
        options.autotune.enabled = False
        return portions.prefetch(self.read_ahead).with_options(options)


def replica() -> int:
    """Returns which replica, counted over all workers, is being traced."""
    number = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
    return 0 if number is None else int(number)


def _others(split: Split) -> list[np.ndarray]:
    """Returns what goes with the inputs: targets and, where examples have some, weights."""
    return [split.targets] if split.weights is None else [split.targets, split.weights]


def _part(order: Order, values: Any, part: Any) -> Any:
    """Returns the share of a portion's values, (portion_size, ...), that belongs to one batch."""
    if order.accumulate == 1:
        return values
    start = tf.concat([[part * order.part_size], tf.zeros(len(values.shape) - 1, tf.int32)], 0)
    return tf.slice(values, start, [order.part_size, *values.shape[1:]])


def _number(order: Order, portion: Any, part: Any) -> Any:
    """Returns which batch of the run a part of a portion belongs to, int64 scalar."""
    return portion // order.replicas * order.accumulate + tf.cast(part, tf.int64)


Feed = ResidentFeed | StreamedFeed


def is_resident(split: Split) -> bool:
    """Whether a split is small enough to be kept on the device, and is an array that can be."""
    return isinstance(split.inputs, np.ndarray) and split.inputs.nbytes + split.targets.nbytes <= RESIDENT_BYTES


def feed(split: Split, order: Order, preparation: Preparation, strategy: Any, first_step: int = 0) -> Feed:
    """Returns the feed that suits the split's size; its first batch is that of `first_step`."""
    if is_resident(split):
        devices = strategy.extended.worker_devices if order.replicas > 1 else ()
        return ResidentFeed(split, order, preparation, devices)
    return StreamedFeed(split, order, preparation, strategy, first_step)
