"""The examples that a network sees in the first steps of training, without training it."""

from dataclasses import dataclass

import numpy as np

from dltrain.assembly.batches import preparation, training_order
from dltrain.config.experiment import Experiment
from dltrain.data import Groups, Splits
from dltrain.engine.device import Devices
from dltrain.lazy import tf

SHOWN = 24
CANDIDATES = 64
"""Number of examples of the first steps, among which those to show are chosen."""

DECODED = 256
"""The most examples that are read, where each has to be read by itself."""


@dataclass(frozen=True)
class FirstExamples:
    """Examples of the first steps.

    Args:
        stored: the examples as stored by the dataset, (examples, *shape).
        seen: the same as the network is trained on them, float32.
        targets: their stored targets.
        is_exact: whether each batch was prepared as a whole and at the size that is trained first, so that training
            makes exactly the same random changes.
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

    The random changes to an example depend on the size of its batch: each batch is prepared as a whole, unless that
    would read more than `DECODED` examples.
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
