"""Splits -> batches: resident on the device where they fit, streamed with tf.data where they do not.

Each feed answers two calls of the engine's compiled loop: `take(step)`, outside the replicas, and `batch(taken, part)`,
inside each of them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dltrain.data import Batch, DataSpec, Feature, Ragged, Split, unnamed
from dltrain.data.trees import is_read, leaves, mapped
from dltrain.engine.order import HOST, Order
from dltrain.engine.preparation import Preparation
from dltrain.engine.stored import Alike, Differing, Source
from dltrain.errors import DataError
from dltrain.lazy import tf

RESIDENT_BYTES = 2 * 1024**3
"""A split up to this size is kept on the device: 2 GiB leave room for the network on any GPU of today."""


HELD_BYTES = 2**26
"""Of examples that are gathered from what is in memory: up to 64 MiB are gathered once, and kept on the device."""

READ_AHEAD_BYTES = 2**28
"""Batches that wait for their turn take up to 256 MiB: 2 to 16 batches."""


class ResidentFeed:
    """A split in the device's memory; batches are gathered there, without the host. `failure` stays none.

    `differs` says whether batches are of different lengths.

    Args:
        split: the examples, none of which are read later.
        order: which of them belong to which step.
        preparation: what happens to each batch.
        devices: those of this process's replicas, each of which holds the split; none for TensorFlow's own choice.
    """

    read_ahead = 0

    def __init__(self, split: Split, order: Order, preparation: Preparation, devices: Sequence[str] = ()) -> None:
        self.order = order
        self.failure: DataError | None = None
        # What may be large is held twice at once, by the host and by a device; tf.constant would hold it three times.
        inputs = mapped(lambda array: _aligned(_values(array)), split.inputs)
        self._copies = [_resident(split, inputs, preparation, device) for device in devices or (None,)]
        self._preparation = preparation
        self.differs = any(isinstance(array, Ragged) for array in (*leaves(split.inputs), *leaves(split.targets)))

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
            whole = positions if self.order.replicas == 1 else self.order.batch_positions(taken)[part]
        values = _each(lambda array: array.at(positions, whole), self._copies[own % len(self._copies)])
        share = (own, self.order.replicas)
        return self._preparation(number, *values, share=share, positions=_in_evaluation(self.order, positions))

    def at(self, step: int) -> "ResidentFeed":
        """Returns a feed of the same examples whose next `take` may be for the step: this one."""
        return self

    def examples(self, first: int, end: int) -> tuple[Any, ...]:
        """Returns the examples from `first` up to `end`, in the split's order, as one batch."""
        values = _each(lambda array: array.between(first, end), self._copies[0])
        return self._preparation(tf.constant(0, tf.int64), *values, positions=_from(self.order, first, end))


def _each(function: Callable[..., Any], batch: Batch, *others: Batch) -> Batch:
    """Returns what a function makes of each array of a batch; weights may be none."""
    return Batch(
        *(None if tree is None else mapped(function, tree, *more) for tree, *more in zip(batch, *others, strict=True))
    )


def _features(split: Split, data: DataSpec | None) -> Batch:
    """Returns the feature of each array of a split; none where it is not known, and of weights."""
    known = (data.inputs, data.targets, None) if data else (None,) * 3
    trees = (split.inputs, split.targets, split.weights)
    return Batch(
        *(
            unnamed(features) if features else mapped(lambda _: None, tree)
            for features, tree in zip(known, trees, strict=True)
        )
    )


def _resident(split: Split, inputs: Any, preparation: Preparation, device: str | None) -> Batch:
    def one(array: Any, feature: Feature | None, values: Any) -> Alike | Differing:
        if isinstance(array, Ragged):
            return Differing(values, array, feature)
        return Alike(values)

    features = _features(split, preparation.data)
    with tf.device(device):
        copied = mapped(tf.identity, inputs)
        others = (
            None if tree is None else mapped(lambda array: tf.constant(_values(array)), tree)
            for tree in (split.targets, split.weights)
        )
        return _each(one, Batch(split.inputs, split.targets, split.weights), features, Batch(copied, *others))


def _values(array: np.ndarray | Ragged) -> np.ndarray:
    """Returns what an array holds, of examples that differ in length one behind the other, at least one value."""
    if isinstance(array, Ragged):
        return array.values if len(array.values) else np.zeros((1, *array.values.shape[1:]), array.dtype)
    return np.asarray(array)


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
    wait for their turn, at most; `differs` whether batches are of different lengths.

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
        self._sources = _each(
            lambda array, feature: Source(array, feature, order.seed is not None),
            Batch(split.inputs, split.targets, split.weights),
            _features(split, preparation.data),
        )
        self.differs = any(source.differs for source in self._flat)
        size = order.portion_size * sum(source.bytes_per_example for source in leaves(self._sources.inputs))
        self.read_ahead = min(max(READ_AHEAD_BYTES // max(size, 1), 2), 16)
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
        positions = None
        if self.order.seed is None:
            with tf.device(HOST):
                positions = _part(self.order, self.order.positions(portion), part)
        return self._preparation(
            _number(self.order, portion, part),
            *self._packed(values, part),
            share=(replica(), self.order.replicas),
            positions=positions,
        )

    def at(self, step: int) -> "StreamedFeed":
        """Returns a feed of the same examples whose next `take` is for the step."""
        return StreamedFeed(self._split, self.order, self._preparation, self._strategy, step)

    def examples(self, first: int, end: int) -> tuple[Any, ...]:
        """Returns the examples from `first` up to `end`, in the split's order, as one batch."""
        positions = np.arange(first, min(end, len(self._split)))
        seeds = np.stack([np.full(len(positions), self.order.seed or 0, np.int64), positions], axis=1)
        rest = iter(self._read(positions, seeds, positions[None]))

        def one(source: Source) -> Any:
            return tf.constant([next(rest) for _ in source.types][0])

        values = _each(one, self._sources)
        return self._preparation(tf.constant(0, tf.int64), *values, positions=_from(self.order, first, end))

    def _read(self, positions: np.ndarray, seeds: np.ndarray, batches: np.ndarray) -> list[np.ndarray]:
        return [tensor for source in self._flat for tensor in source.read(positions, seeds, batches)]

    @property
    def _flat(self) -> list[Source]:
        return [source for tree in self._sources if tree is not None for source in leaves(tree)]

    def _packed(self, tensors: Sequence[Any], part: Any) -> Batch:
        """Returns what one batch has of what was read, the tensors of one source behind those of the other."""
        rest = iter(tensors)

        def one(source: Source) -> Any:
            values, lengths = next(rest), next(rest) if source.differs else None
            own = _part(self.order, values, part)
            # The portion was filled up for its longest example, which another of its batches may have.
            return own if lengths is None or self.order.accumulate == 1 else own[:, : lengths[part]]

        return _each(one, self._sources)

    def _portions(self, step: int, worker: int = 0, workers: int = 1) -> Any:
        """Returns the portions of one worker's replicas, step by step; nothing else is read."""
        types = [each for source in self._flat for each in source.types]
        size, batches = self.order.portion_size, self.order.accumulate
        shapes = [each for source in self._flat for each in source.shapes(size, batches)]
        is_drawn = any(source.is_drawn for source in self._flat)

        def read(positions: np.ndarray, seeds: np.ndarray, batches: np.ndarray) -> list[np.ndarray]:
            try:
                return self._read(positions, seeds, batches)
            except DataError as error:  # TensorFlow would tell of it as a traceback in a string
                self.failure = error
                raise

        def load(portion: Any) -> tuple[Any, ...]:
            whole = self.order.batch_positions(portion // self.order.replicas) if self.differs else tf.constant(0)
            seeds = self.order.seeds(portion) if is_drawn else tf.constant(0)
            values = tf.numpy_function(read, [self.order.positions(portion), seeds, whole], types)
            for value, shape in zip(values, shapes, strict=True):
                value.set_shape(shape)
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


def _part(order: Order, values: Any, part: Any) -> Any:
    """Returns the share of a portion's values, (portion_size, ...), that belongs to one batch."""
    if order.accumulate == 1:
        return values
    start = tf.concat([[part * order.part_size], tf.zeros(len(values.shape) - 1, tf.int32)], 0)
    return tf.slice(values, start, [order.part_size, *(-1 if side is None else side for side in values.shape[1:])])


def _number(order: Order, portion: Any, part: Any) -> Any:
    """Returns which batch of the run a part of a portion belongs to, int64 scalar."""
    return portion // order.replicas * order.accumulate + tf.cast(part, tf.int64)


def _in_evaluation(order: Order, positions: Any) -> Any:
    return positions if order.seed is None else None


def _from(order: Order, first: int, end: int) -> Any:
    return _in_evaluation(order, tf.range(first, end, dtype=tf.int64))


Feed = ResidentFeed | StreamedFeed


def is_resident(split: Split) -> bool:
    """Whether a split is small enough to be kept on the device, and none of it is read later, or little from memory."""
    arrays = leaves(split.inputs) + leaves(split.targets)
    later = [array for array in arrays if not is_read(array)]
    if not all(array.is_steady for array in later) or sum(array.nbytes for array in later) > HELD_BYTES:
        return False
    return sum(array.nbytes for array in arrays) <= RESIDENT_BYTES


def feed(split: Split, order: Order, preparation: Preparation, strategy: Any, first_step: int = 0) -> Feed:
    """Returns the feed that suits the split's size; its first batch is that of `first_step`."""
    if is_resident(split):
        devices = strategy.extended.worker_devices if order.replicas > 1 else ()
        read = split if is_read(split.inputs, split.targets) else split.read()
        return ResidentFeed(read, order, preparation, devices)
    return StreamedFeed(split, order, preparation, strategy, first_step)
