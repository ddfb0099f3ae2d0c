"""Checks before the first step: whether data, task, network, batch, schedule and monitored columns fit together."""

from typing import Any

from dltrain.assembly import oversampling
from dltrain.assembly.progressive_resizing import stage_data
from dltrain.config.experiment import Config, Experiment
from dltrain.data import DataSpec, Splits, named
from dltrain.errors import ConfigError, KeyProblem, Problems, gathered
from dltrain.schedules import Plan


def check_contract(config: Config, splits: Splits) -> None:
    """Checks that config and data fit together, as far as possible without TensorFlow.

    Raises:
        ConfigError: with every problem found.
    """
    problems = contract_problems(config, splits)
    if problems:
        raise ConfigError(problems)


def check_before_loading(config: Config) -> None:
    """Checks what `check_contract` does, as far as it is known before the data are loaded.

    Raises:
        ConfigError: with every problem found.
    """
    experiment, problems = config.experiment, Problems()
    spec, sizes = None, None
    if config.absent is None:
        with config.blame("dataset"):
            spec, sizes = experiment.dataset.spec(), experiment.dataset.sizes()
    if spec is not None:
        with gathered(problems):
            _check_stages(config, spec)
    train = experiment.train
    with gathered(problems):
        if sizes is not None and train.batch_size != "auto" and not train.oversample:
            _plan(config, sizes["train"])
        _check_replicas(config, _replicas(experiment))
    if sizes is not None and train.batch_size == "auto" and (train.effective_batch_size or 0) > sizes["train"]:
        with gathered(problems), config.blame("train"):
            raise KeyProblem(
                "effective_batch_size",
                f"must be at most the {sizes['train']} training examples, got {train.effective_batch_size}",
            )
    with gathered(problems):
        validated = sizes is None or "validation" in sizes
        _refuse_strange_monitors(config, _columns(experiment.task, validated), {}, validated)
    if problems:
        raise ConfigError(problems)


def contract_problems(config: Config, splits: Splits) -> Problems:
    """Collects everything in which config and data do not fit."""
    problems: Problems = []
    for check in (_check_blocks, _check_range, _check_targets, _check_length, _check_batches, _check_monitors):
        with gathered(problems):
            check(config, splits)
    with gathered(problems):
        _check_stages(config, splits.spec)
    return problems


def _check_blocks(config: Config, splits: Splits) -> None:
    config.check(splits.spec)


def _check_stages(config: Config, spec: DataSpec) -> None:
    """Checks the image size of each stage with network and augmentations."""
    problems = Problems()
    for index, stage in enumerate(config.experiment.stages):
        if stage.image_size is None:
            continue
        with gathered(problems), config.blame(f"stages[{index}]"):
            smaller = stage_data(spec, stage)
            try:
                config.check(smaller)
            except ConfigError as error:
                raise KeyProblem("image_size", f"is too small: {error.headline}") from None
    if problems:
        raise ConfigError(problems)


def _check_range(config: Config, splits: Splits) -> None:
    """Checks that float images are in 0-255 where an augmentation expects it."""
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
                    f"{augmentation.registered_name} needs images with values in 0-255, got {low:.4g} to {high:.4g}: "
                    "store them as uint8, for networks normalise their inputs themselves",
                )
    if problems:
        raise ConfigError(problems)


def _check_targets(config: Config, splits: Splits) -> None:
    """Checks the stored targets against their features."""
    data, name = splits.spec, config.experiment.dataset.registered_name
    for part_name, part in splits.parts.items():
        for key, stored in named(data.targets, part.targets).items() if data.targets else ():
            fault = data.targets[key].fault(stored)
            if fault:
                raise ConfigError([f"dataset {name}: the {part_name} part's {fault}"])


def _check_length(config: Config, splits: Splits) -> None:
    if config.experiment.train.batch_size != "auto":
        plan_for(config, splits)


def _check_batches(config: Config, splits: Splits) -> None:
    check_batches(config, splits, _replicas(config.experiment))


def check_batches(config: Config, splits: Splits, replicas: int) -> None:
    """Checks that a device's batches have what the task's loss is of, as far as their size is known.

    Args:
        config: with the batch size.
        splits: the data.
        replicas: devices that share a batch.

    Raises:
        ConfigError: if they do not.
    """
    train = config.experiment.train
    size = None if train.batch_size == "auto" else train.examples_per_batch // replicas
    with config.blame("train"):
        config.experiment.task.check_batches(splits.spec, splits.train, size, train.oversample)


def plan_for(config: Config, splits: Splits, replicas: int = 1) -> Plan:
    """Computes the number of steps of the run.

    Args:
        config: length and batch size.
        splits: the data.
        replicas: devices that share a batch.

    Raises:
        ConfigError: if batch size, train part and devices do not fit, or the schedule does not fit the length.
    """
    with config.blame("train"):
        examples = oversampling.count(config.experiment, splits.spec, splits.train)
    return _plan(config, examples, replicas)


def _plan(config: Config, examples: int, replicas: int = 1) -> Plan:
    train = config.experiment.train
    with config.blame("train"):
        size = train.examples_per_batch
        if size > examples:
            raise KeyProblem("batch_size", f"must be at most the {examples} training examples, got {size}")
        if train.examples_per_step > examples:
            raise KeyProblem(
                "accumulate_steps",
                f"must be at most {examples // size}: batch_size * accumulate_steps must not exceed the {examples} "
                f"training examples, got {train.accumulate_steps}",
            )
    _check_replicas(config, replicas)
    steps_per_epoch = examples // train.examples_per_step
    plan = Plan(steps_per_epoch, train.steps or steps_per_epoch * (train.epochs or 1))
    with config.blame("schedule"):
        config.experiment.schedule.check(plan)
    return plan


def _check_replicas(config: Config, replicas: int) -> None:
    """Raises ConfigError where the devices cannot share a batch equally."""
    size = config.experiment.train.batch_size
    if size != "auto" and size % replicas:
        nearest = max(size // replicas, 1) * replicas
        with config.blame("train"):
            raise KeyProblem(
                "batch_size", f"must be divisible by the number of devices, {replicas}, got {size}; try {nearest}"
            )


def _replicas(experiment: Experiment) -> int:
    """Returns how many devices the config lists; 1 where it leaves that to the machine."""
    workers = experiment.cluster.workers if experiment.cluster else None
    return len(workers or [""]) * (len(experiment.device) if isinstance(experiment.device, tuple) else 1)


def _check_monitors(config: Config, splits: Splits) -> None:
    """Checks that every column of metrics.csv that the config names will exist.

    Raises:
        ConfigError: at each key that names one which will not.
    """
    task, validated = config.experiment.task, splits.validation is not None
    undefined = task.undefined(splits.spec, task.training_part(splits.spec, splits.train))
    missing = {name: _of_part("train", why) for name, why in undefined.items()}
    if splits.validation is not None:
        undefined = task.undefined(splits.spec, splits.validation)
        missing |= {f"val_{name}": _of_part("validation", why) for name, why in undefined.items()}
    columns = [name for name in _columns(task, validated) if name not in missing]
    _refuse_strange_monitors(config, columns, missing, validated)


def _of_part(name: str, why: str) -> str:
    """Returns why a metric is undefined, with the name of the part that it is undefined for."""
    return why.replace("the part", f"the {name} part", 1)


def _refuse_strange_monitors(config: Config, columns: list[str], missing: dict[str, str], validated: bool) -> None:
    """Raises ConfigError at each key that names none of the columns.

    Args:
        config: the experiment.
        columns: the columns of metrics.csv.
        missing: why others are undefined.
        validated: whether there are validation data.
    """
    experiment, problems = config.experiment, Problems()
    stopping = None if experiment.early_stopping is None else experiment.early_stopping.monitor
    best = experiment.checkpoint.monitor or (experiment.task.monitor if validated else "loss")
    watched = {"checkpoint": best, "early_stopping": stopping}
    for path, monitor in {**watched, "schedule": experiment.schedule.monitor}.items():
        if monitor is not None and monitor not in columns:
            reason = "" if validated else "; there are no validation data"
            reason = f": {missing[monitor]}" if monitor in missing else reason
            with gathered(problems), config.blame(path):
                raise KeyProblem("monitor", f"must be one of {', '.join(columns)}, got {monitor!r}{reason}")
    if problems:
        raise ConfigError(problems)


def _columns(task: Any, validated: bool) -> list[str]:
    """Returns the columns of metrics.csv that may be monitored, those that may be undefined among them."""
    measured = [f"val_{name}" for name in ["loss", *task.monitored_names]] if validated else []
    return ["loss", *task.training_names, *measured]


def monitor_of(block: Any, experiment: Experiment, splits: Splits) -> str:
    """Returns the column that a block of the config monitors: its own choice, else the task's."""
    if block.monitor is not None:
        return block.monitor
    return experiment.task.monitor if splits.validation is not None else "loss"
