"""What a run's batches are: which examples, in which order, and what happens to them."""

import dataclasses
from functools import partial

from dltrain.assembly.oversampling import drawn
from dltrain.assembly.progressive_resizing import seen, shrinking
from dltrain.config.blocks import Stage
from dltrain.config.experiment import Experiment
from dltrain.data import DataSpec, Split, Splits
from dltrain.engine.device import Devices
from dltrain.engine.feeds import Feed, feed
from dltrain.engine.order import Order
from dltrain.engine.preparation import Preparation


def training_order(experiment: Experiment, spec: DataSpec, train: Split, devices: Devices) -> Order:
    """Returns which of the training examples each step sees."""
    settings, rows = experiment.train, drawn(experiment, spec, train)
    examples = len(train) if rows is None else len(rows)
    size, batches = settings.examples_per_batch, settings.accumulate_steps
    return Order(examples, size, devices.replicas, experiment.seed, batches, rows)


def preparation(experiment: Experiment, splits: Splits, stage: Stage | None = None) -> Preparation:
    """Returns what happens to training examples before the network sees them.

    Args:
        experiment: what to do.
        splits: the data.
        stage: the part of the run that they are for; none where there are no parts.
    """
    spec, augment = seen(splits.spec, stage), experiment.augment
    single = [augmentation for augmentation in augment if not augmentation.mixes]
    return Preparation(
        [*shrinking(splits.spec, spec), *(augmentation.build(spec) for augmentation in single)],
        experiment.task.weights(spec, splits.train.targets),
        experiment.seed,
        [augmentation.build(spec) for augmentation in augment[len(single) :]],
        partial(experiment.task.soft_targets, spec) if len(single) < len(augment) else None,
    )


def evaluation_feed(split: Split, batch_size: int, devices: Devices, preparation: Preparation | None = None) -> Feed:
    """Returns a part's batches, in their order and as they are but for a preparation."""
    order = Order(len(split), batch_size, devices.replicas)
    # Weights say what to learn from, not what a result is worth.
    return feed(dataclasses.replace(split, weights=None), order, preparation or Preparation(), devices.strategy)
