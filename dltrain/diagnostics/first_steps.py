"""What a network sees in the first steps of its training, without training it."""

from dataclasses import dataclass

import numpy as np

from dltrain.assembly.batches import preparation, training_order
from dltrain.config.experiment import Experiment
from dltrain.data import Groups, Splits
from dltrain.engine.device import Devices
from dltrain.lazy import tf

SHOWN = 24
CANDIDATES = 64
"""Examples of the first steps, of which those are shown that show the most classes."""

DECODED = 256
"""Examples that are read, at most, where each has to be read by itself."""


@dataclass(frozen=True)
class FirstExamples:
    """Examples of the first steps.

    Args:
        stored: as the dataset has them, (examples, *shape).
        seen: as the network is trained on them, float32.
        targets: stored as well.
        is_exact: whether each batch was prepared whole and at the size that is trained first, so that training draws
            the very same random numbers.
    """

    stored: np.ndarray
    seen: np.ndarray
    targets: np.ndarray
    is_exact: bool

    def take(self, positions: np.ndarray) -> "FirstExamples":
        """Returns the examples at the positions."""
        return FirstExamples(self.stored[positions], self.seen[positions], self.targets[positions], self.is_exact)


def first_examples(experiment: Experiment, splits: Splits, devices: Devices) -> FirstExamples:
    """Prepares examples of the first steps (of the first device) as training does.

    What is drawn at random for an example depends on the size of its batch: each is prepared whole, unless that means
    to read more than `DECODED` examples.
    """
    train = splits.train
    order, prepare = training_order(experiment, splits.spec, train, devices), preparation(experiment, splits)
    size = order.part_size if isinstance(train.inputs, np.ndarray) else min(order.part_size, DECODED)
    found: list[tuple[np.ndarray, ...]] = []
    for index in range(min(order.steps_per_epoch * order.accumulate, -(-CANDIDATES // size))):
        step, part = divmod(index, order.accumulate)
        portion = tf.constant(step * order.replicas, tf.int64)
        batch = train.take(order.positions(portion).numpy()[part * order.part_size :][:size])
        stored = np.asarray(batch.inputs[:])
        number = tf.constant(index, tf.int64)
        share = (0, order.replicas)
        seen = prepare(number, tf.constant(stored), tf.constant(batch.targets), share=share)[0]
        found.append((stored[:CANDIDATES], seen[:CANDIDATES].numpy(), batch.targets[:CANDIDATES]))
    stored, seen, targets = (np.concatenate(values)[:CANDIDATES] for values in zip(*found, strict=True))
    is_exact = size == order.part_size and not any(stage.image_size for stage in experiment.stages[:1])
    return FirstExamples(stored, seen, targets, is_exact).take(_varied(splits.spec.groups(targets), len(targets)))


def _varied(groups: Groups | None, count: int) -> np.ndarray:
    """Returns the positions of examples to show: the first of each class, then the second of each, and so on."""
    if groups is None or not groups.are_exclusive:
        return np.arange(min(count, SHOWN))
    classes = groups.members
    rank = np.array([(classes[:index] == each).sum() for index, each in enumerate(classes)])
    chosen = np.argsort(rank, kind="stable")[:SHOWN]
    return chosen[np.lexsort((classes[chosen], rank[chosen]))]
