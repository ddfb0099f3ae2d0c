"""What must fit together before the first step: data, task, network, batch, schedule and what is monitored."""

from typing import Any

from dltrain.assembly import oversampling
from dltrain.assembly.progressive_resizing import seen
from dltrain.config.experiment import Config, Experiment
from dltrain.data import SAMPLE, Splits, spaced
from dltrain.errors import ConfigError, gathered
from dltrain.lazy import np
from dltrain.registry import short_name
from dltrain.schedules import Plan


def require(config: Config, splits: Splits) -> None:
    """Makes sure that config and data fit together, as far as that can be told without TensorFlow.

    Raises:
        ConfigError: with every problem found.
    """
    problems = broken(config, splits)
    if problems:
        raise ConfigError(problems)


def broken(config: Config, splits: Splits) -> list[str]:
    """Returns a message for each thing that does not fit."""
    problems: list[str] = []
    for check in (_check_blocks, _check_stages, _check_range, _check_targets, _check_length, _check_monitors):
        with gathered(problems):
            check(config, splits)
    return problems


def _check_blocks(config: Config, splits: Splits) -> None:
    config.check(splits.spec)


def _check_stages(config: Config, splits: Splits) -> None:
    """Makes sure that the images of each stage can be made, and that network and augmentations can take them."""
    spec, problems = splits.spec, list[str]()
    for index, stage in enumerate(config.experiment.stages):
        if stage.image_size is None:
            continue
        smaller = seen(spec, stage)
        with gathered(problems), config.blame(f"stages[{index}]"):
            if not spec.is_image:
                raise ValueError("image_size must be none: the examples are no images")
            size, most = smaller.input_shape[:2], spec.input_shape[:2]
            if size[0] > most[0] or size[1] > most[1]:
                raise ValueError(f"image_size must be at most that of the images, {' x '.join(map(str, most))}")
            try:
                config.check(smaller)
            except ConfigError as error:
                raise ValueError(f"image_size is too small: {error.problems[0].splitlines()[0]}") from None
    if problems:
        raise ConfigError(problems)


def _check_range(config: Config, splits: Splits) -> None:
    """Makes sure that float images are in 0-255 where an augmentation reckons so."""
    inputs = splits.train.inputs
    if not splits.spec.is_image or inputs.dtype.kind != "f" or not len(inputs):
        return
    places = spaced(len(inputs), SAMPLE)
    low, high = np.inf, -np.inf
    for start in range(0, len(places), 32):  # large images, a few at a time
        values = np.asarray(inputs[places[start : start + 32]])
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    if low >= 0 and 1.001 < high <= 255:  # a rounding above 1 is 1
        return
    problems: list[str] = []
    for index, augmentation in enumerate(config.experiment.augment):
        if getattr(augmentation, "of_bytes", False):
            with gathered(problems), config.blame(f"augment[{index}]"):
                raise ValueError(
                    f"name {augmentation.registered_name} must have images in 0-255, got {low:.4g} to {high:.4g}: "
                    "store them as uint8; networks normalise by themselves"
                )
    if problems:
        raise ConfigError(problems)


def _check_targets(config: Config, splits: Splits) -> None:
    """Makes sure that labels are classes that there are, and that there is a number for each output."""
    spec, name = splits.spec, config.experiment.dataset.registered_name
    for part_name in ("train", "validation", "test"):
        part = getattr(splits, part_name)
        if part is None:
            continue
        targets, what = part.targets, f"dataset {name}: the {part_name} part's"
        if targets.ndim == 1:
            if len(targets) and not 0 <= targets.min() <= targets.max() < len(spec.class_names):
                wrong = targets.min() if targets.min() < 0 else targets.max()
                where = int(np.flatnonzero(targets == wrong)[0])
                raise ConfigError(
                    [f"{what} labels must be 0 to {len(spec.class_names) - 1}, got {wrong} at position {where}"]
                )
        elif targets.shape[1:] != (spec.outputs,):
            raise ConfigError([f"{what} targets must be {spec.outputs} numbers each, got {list(targets.shape[1:])}"])


def _check_length(config: Config, splits: Splits) -> None:
    if config.experiment.train.batch_size != "auto":
        plan_for(config, splits)


def plan_for(config: Config, splits: Splits, replicas: int = 1) -> Plan:
    """Works out how many steps the run has.

    Args:
        config: how long, in what portions.
        splits: what on.
        replicas: devices that share a batch.

    Raises:
        ConfigError: if batch size, training part and devices do not fit, or the schedule does not fit the length.
    """
    train = config.experiment.train
    with config.blame("train"):
        examples = oversampling.count(config.experiment, splits.spec, splits.train)
        size = train.examples_per_batch
        if size > examples:
            raise ValueError(f"batch_size must be at most the {examples} training examples, got {size}")
        if train.examples_per_step > examples:
            raise ValueError(
                f"accumulate_steps must be at most {examples // size}: batch_size times it at most the {examples} "
                f"training examples, got {train.accumulate_steps}"
            )
        if size % replicas:
            nearest = max(size // replicas, 1) * replicas
            raise ValueError(f"batch_size must divide by the {replicas} devices, got {size}; try {nearest}")
    steps_per_epoch = examples // train.examples_per_step
    plan = Plan(steps_per_epoch, train.steps or steps_per_epoch * (train.epochs or 1))
    with config.blame("schedule"):
        config.experiment.schedule.check(plan)
    return plan


def _check_monitors(config: Config, splits: Splits) -> None:
    """Makes sure that every column of metrics.csv that the config names will exist.

    Raises:
        ConfigError: at each key that names one which will not.
    """
    experiment, validated = config.experiment, splits.validation is not None
    measured = ["loss", *map(short_name, experiment.task.metrics)]
    columns = measured + [f"val_{name}" for name in measured] * validated
    problems: list[str] = []
    for path in ("checkpoint", "early_stopping", "schedule"):
        monitor = getattr(getattr(experiment, path), "monitor", None)
        if monitor is not None and monitor not in columns:
            reason = "" if validated else "; there are no validation data"
            with gathered(problems), config.blame(path):
                raise ValueError(f"monitor must be one of {', '.join(columns)}, got {monitor!r}{reason}")
    if problems:
        raise ConfigError(problems)


def monitor_of(block: Any, experiment: Experiment, splits: Splits) -> str:
    """Returns the column that a block of the config watches: its own choice, else the task's."""
    if block.monitor is not None:
        return block.monitor
    return experiment.task.monitor if splits.validation is not None else "loss"
