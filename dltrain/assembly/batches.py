"""The batches of a run: which examples, in which order, and how they are changed."""

import dataclasses
from functools import partial
from typing import Any

from dltrain.assembly.oversampling import epoch_positions
from dltrain.assembly.progressive_resizing import resizing, stage_data
from dltrain.config.blocks import Stage
from dltrain.config.experiment import Experiment
from dltrain.data import DataSpec, Split, Splits
from dltrain.engine.device import Devices
from dltrain.engine.feeds import Feed, feed
from dltrain.engine.order import Order
from dltrain.engine.preparation import Preparation
from dltrain.lazy import np

SAME = 1e-6
"""How near to 1 a mean is that changes nothing."""


def training_order(experiment: Experiment, spec: DataSpec, train: Split, devices: Devices) -> Order:
    """Returns which of the training examples each step sees."""
    settings, rows = experiment.train, epoch_positions(experiment, spec, train)
    examples = len(train) if rows is None else len(rows)
    size, batches = settings.examples_per_batch, settings.accumulate_steps
    replicas, seed = devices.replicas, experiment.seed
    return Order(examples, size, replicas, seed, batches, rows, train.lengths, train.blocks)


def weight_means(experiment: Experiment, train: Split) -> dict[str, float]:
    """Returns what training divides sample weights by: their mean over the train part, by target, "" for all.

    Args:
        experiment: which may take them as they are.
        train: the train part.

    Returns:
        nothing where there are no weights, or where they stay as they are: their mean is 1, or 0.
    """
    if train.weights is None or not experiment.train.normalize_weights:
        return {}
    arrays = train.weights if isinstance(train.weights, dict) else {"": train.weights}
    means = {name: float(np.mean(array, dtype=np.float64)) for name, array in arrays.items()}
    return {name: mean for name, mean in means.items() if mean > 0 and abs(mean - 1) > SAME}


def weighted(split: Split, means: dict[str, float]) -> Split:
    """Returns examples for training, whose weights are divided by what `weight_means` returned."""
    if not means or split.weights is None:
        return split

    def divided(array: Any, mean: float) -> Any:
        return (array / mean).astype(np.float32)

    if not isinstance(split.weights, dict):
        return dataclasses.replace(split, weights=divided(split.weights, means[""]))
    weights = {name: divided(array, means.get(name, 1.0)) for name, array in split.weights.items()}
    return dataclasses.replace(split, weights=weights)


def preparation(experiment: Experiment, splits: Splits, stage: Stage | None = None) -> Preparation:
    """Returns what happens to training examples before the network sees them.

    Args:
        experiment: what to do.
        splits: the data.
        stage: the part of the run that they are for; none where there are no parts.
    """
    spec, augment = stage_data(splits.spec, stage), experiment.augment
    single = [augmentation for augmentation in augment if not augmentation.mixes]
    return Preparation(
        [*resizing(splits.spec, spec), *(augmentation.build(spec) for augmentation in single)],
        experiment.task.weights(spec, splits.train.targets),
        experiment.seed,
        [augmentation.build(spec) for augmentation in augment[len(single) :]],
        partial(experiment.task.soft_targets, spec) if len(single) < len(augment) else None,
        experiment.task.prepare(spec),
        spec,
    )


def plain_preparation(experiment: Experiment, spec: DataSpec, stage: Stage | None = None) -> Preparation:
    """Returns what happens to examples before a network sees them that is not trained on them: nothing random.

    Args:
        experiment: what to do.
        spec: what the data are.
        stage: the part of the run whose smaller images they are brought to; none to leave them as they are.
    """
    smaller = stage_data(spec, stage)
    last = experiment.task.prepare(smaller)
    return Preparation(resizing(spec, smaller), seed=experiment.seed, last=last, data=smaller)


def evaluation_feed(
    experiment: Experiment, spec: DataSpec, split: Split, devices: Devices, stage: Stage | None = None
) -> Feed:
    """Returns a part's batches, in their order and as they are.

    Args:
        experiment: what to do.
        spec: what the data are.
        split: the part.
        devices: what shares a batch.
        stage: the part of the run whose smaller images they are brought to; none to leave them as they are.
    """
    order = Order(len(split), experiment.train.examples_per_batch, devices.replicas)
    # Weights say what to learn from, not what a result is worth.
    unweighted = dataclasses.replace(split, weights=None)
    return feed(unweighted, order, plain_preparation(experiment, spec, stage), devices.strategy)
