"""The examples that a network sees in the first steps of training, without training it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dltrain.assembly.batches import preparation, training_order
from dltrain.config.experiment import Experiment
from dltrain.data import Feature, Features, Groups, Ragged, Splits, trees, unnamed
from dltrain.data.ragged import filled
from dltrain.data.trees import Tree
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
        stored: the inputs as stored by the dataset, (examples, *shape); a dict by name where there are several.
        seen: the same as the network is trained on them, shorter ones padded; as they are stored where nothing changes
            them.
        targets: the stored targets, likewise.
        trained_targets: what the network is trained to answer to these: soft where examples are mixed.
        is_exact: whether each batch was prepared as a whole and at the size that is trained first, so that training
            makes exactly the same random changes.
    """

    stored: Tree
    seen: Tree
    targets: Tree
    trained_targets: Tree
    is_exact: bool

    def __len__(self) -> int:
        return trees.count(self.stored)

    def take(self, positions: np.ndarray) -> "FirstExamples":
        """Returns the examples at the positions."""
        every = (self.stored, self.seen, self.targets, self.trained_targets)
        stored, seen, targets, trained = (trees.taken(tree, positions) for tree in every)
        return FirstExamples(stored, seen, targets, trained, self.is_exact)


def first_examples(experiment: Experiment, splits: Splits, devices: Devices) -> FirstExamples:
    """Prepares examples of the first steps (of the first device) as training does.

    The random changes to an example depend on the size of its batch: each batch is prepared as a whole, unless that
    would read more than `DECODED` examples.
    """
    data, train = splits.spec, splits.train
    order, prepare = training_order(experiment, data, train, devices), preparation(experiment, splits)
    size = order.part_size if trees.is_read(train.inputs) else min(order.part_size, DECODED)
    batches = []
    for index in range(min(order.steps_per_epoch * order.accumulate, -(-CANDIDATES // size))):
        step, part = divmod(index, order.accumulate)
        portion = tf.constant(step * order.replicas, tf.int64)
        begin = part * order.part_size
        positions, seeds = (each.numpy()[begin:][:size] for each in (order.positions(portion), order.seeds(portion)))
        batches.append(train.take(positions).read(seeds))
    found: list[tuple[Tree, ...]] = []
    for index, batch in enumerate(batches):
        seen, trained = batch.inputs, batch.targets
        if experiment.augment:
            inputs = _tensors(data.inputs, batch.inputs, [each.inputs for each in batches])
            targets = _tensors(data.targets, batch.targets, [each.targets for each in batches])
            prepared = prepare(tf.constant(index, tf.int64), inputs, targets, share=(0, order.replicas))[:2]
            seen, trained = (trees.mapped(lambda values: values.numpy(), tree) for tree in prepared)
        every = (batch.inputs, seen, batch.targets, trained)
        found.append(tuple(trees.taken(tree, slice(CANDIDATES)) for tree in every))
    stored, seen, targets, trained = (
        trees.taken(trees.joined(each), slice(CANDIDATES)) for each in zip(*found, strict=True)
    )
    is_exact = size == order.part_size and not any(stage.image_size for stage in experiment.stages[:1])
    first = FirstExamples(stored, seen, targets, trained, is_exact)
    return first.take(_varied(data.groups(targets), len(first)))


def _tensors(features: Features, stored: Tree, every: list[Tree]) -> Any:
    """Returns stored values as tensors of their own types, filled up to the longest there may be.

    Args:
        features: what the values are.
        stored: those of one batch.
        every: those of all batches, which may be longer than any that the feature knows.
    """

    def tensor(feature: Feature, values: Any, *others: Any) -> Any:
        if None not in feature.shape[:1]:
            return tf.constant(values)
        longest = max(each.longest if isinstance(each, Ragged) else each.shape[1] for each in others)
        return tf.constant(filled(values, feature.padding, max(feature.max_shape[0], longest)))

    return trees.mapped(tensor, unnamed(features), stored, *every) if features else stored


def _varied(groups: Groups | None, count: int) -> np.ndarray:
    """Returns the positions of examples to show: the first of each class, then the second of each, and so on."""
    if groups is None or not groups.are_exclusive:
        return np.arange(min(count, SHOWN))
    classes = groups.members
    rank = np.array([(classes[:index] == each).sum() for index, each in enumerate(classes)])
    chosen = np.argsort(rank, kind="stable")[:SHOWN]
    return chosen[np.lexsort((classes[chosen], rank[chosen]))]
