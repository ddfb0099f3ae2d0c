"""What must fit together before the first step: data, task, network, batch, schedule and what is monitored."""

from typing import Any

from dltrain.assembly import oversampling
from dltrain.assembly.progressive_resizing import seen
from dltrain.config.experiment import Config, Experiment
from dltrain.data import Splits, named
from dltrain.errors import ConfigError, KeyProblem, Problems, gathered
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


def broken(config: Config, splits: Splits) -> Problems:
    """Returns what does not fit, all of it."""
    problems: Problems = []
    for check in (_check_blocks, _check_stages, _check_range, _check_targets, _check_length, _check_monitors):
        with gathered(problems):
            check(config, splits)
    return problems


def _check_blocks(config: Config, splits: Splits) -> None:
    config.check(splits.spec)


def _check_stages(config: Config, splits: Splits) -> None:
    """Makes sure that the images of each stage can be made, and that network and augmentations can take them."""
    spec, problems = splits.spec, Problems()
    for index, stage in enumerate(config.experiment.stages):
        if stage.image_size is None:
            continue
        with gathered(problems), config.blame(f"stages[{index}]"):
            smaller = seen(spec, stage)
            try:
                config.check(smaller)
            except ConfigError as error:
                raise KeyProblem("image_size", f"is too small: {error.headline}") from None
    if problems:
        raise ConfigError(problems)


def _check_range(config: Config, splits: Splits) -> None:
    """Makes sure that float images are in 0-255 where an augmentation reckons so."""
    values = named(splits.spec.inputs, splits.train.inputs)
    beyond = (feature.beyond_bytes(values[name]) for name, feature in splits.spec.inputs.items())
    low, high = next(filter(None, beyond), (0.0, 255.0))
    if (low, high) == (0.0, 255.0):
        return
    problems: Problems = []
    for index, augmentation in enumerate(config.experiment.augment):
        if augmentation.in_pixel_range:
            with gathered(problems), config.blame(f"augment[{index}]"):
                raise KeyProblem(
                    "name",
                    f"{augmentation.registered_name} must have images in 0-255, got {low:.4g} to {high:.4g}: "
                    "store them as uint8; networks normalise by themselves",
                )
    if problems:
        raise ConfigError(problems)


def _check_targets(config: Config, splits: Splits) -> None:
    """Makes sure that stored targets are such as their features say."""
    data, name = splits.spec, config.experiment.dataset.registered_name
    for part_name in ("train", "validation", "test"):
        part = getattr(splits, part_name)
        if part is None:
            continue
        for key, stored in named(data.targets, part.targets).items() if data.targets else ():
            fault = data.targets[key].fault(stored)
            if fault:
                raise ConfigError([f"dataset {name}: the {part_name} part's {fault}"])


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
        ConfigError: if batch size, train part and devices do not fit, or the schedule does not fit the length.
    """
    train = config.experiment.train
    with config.blame("train"):
        examples = oversampling.count(config.experiment, splits.spec, splits.train)
        size = train.examples_per_batch
        if size > examples:
            raise KeyProblem("batch_size", f"must be at most the {examples} training examples, got {size}")
        if train.examples_per_step > examples:
            raise KeyProblem(
                "accumulate_steps",
                f"must be at most {examples // size}: batch_size times it at most the {examples} "
                f"training examples, got {train.accumulate_steps}",
            )
        if size % replicas:
            nearest = max(size // replicas, 1) * replicas
            raise KeyProblem("batch_size", f"must divide by the {replicas} devices, got {size}; try {nearest}")
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
    columns, missing = _columns(experiment.task, splits)
    problems: Problems = []
    stopping = None if experiment.early_stopping is None else experiment.early_stopping.monitor
    watched = {"checkpoint": monitor_of(experiment.checkpoint, experiment, splits), "early_stopping": stopping}
    for path, monitor in {**watched, "schedule": experiment.schedule.monitor}.items():
        if monitor is not None and monitor not in columns:
            reason = "" if validated else "; there are no validation data"
            reason = f": {missing[monitor]}" if monitor in missing else reason
            with gathered(problems), config.blame(path):
                raise KeyProblem("monitor", f"must be one of {', '.join(columns)}, got {monitor!r}{reason}")
    if problems:
        raise ConfigError(problems)


def _columns(task: Any, splits: Splits) -> tuple[list[str], dict[str, str]]:
    """Returns what is measured, by the columns of metrics.csv, and why some of them have no number."""
    columns, missing = ["loss", *map(short_name, task.metrics)], task.undefined(splits.spec, splits.train)
    if splits.validation is not None:
        columns += [f"val_{name}" for name in ["loss", *task.metric_names]]
        undefined = task.undefined(splits.spec, splits.validation)
        missing |= {f"val_{name}": why for name, why in undefined.items()}
    return [name for name in columns if name not in missing], missing


def monitor_of(block: Any, experiment: Experiment, splits: Splits) -> str:
    """Returns the column that a block of the config watches: its own choice, else the task's."""
    if block.monitor is not None:
        return block.monitor
    return experiment.task.monitor if splits.validation is not None else "loss"
