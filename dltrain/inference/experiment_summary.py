"""A summary of an experiment: dataset, augmentation, network, optimizer, length."""

import dataclasses
from typing import Any

import numpy as np

from dltrain.config.experiment import Experiment, to_plain
from dltrain.data import Splits, named
from dltrain.registry import Choice
from dltrain.schedules import Plan
from dltrain.wording import number


def summary(experiment: Experiment, splits: Splits, plan: Plan, weights: int) -> dict[str, str]:
    """Returns lines about an experiment, by name; `weights` is how many are trained."""
    spec, train = splits.spec, experiment.train
    sizes = ", ".join(f"{len(split):,} {part}" for part, split in splits.parts.items())
    what = experiment.task.describe(spec)[0]
    inputs = named(spec.inputs, splits.train.inputs)
    shapes = " and ".join(f"{each.describe()[0]}, {inputs[name].dtype}" for name, each in spec.inputs.items())
    left = f"; {len(splits.skipped):,} unusable examples skipped" if splits.skipped else ""
    found = {
        "Dataset": f"{experiment.dataset.registered_name}: {sizes} examples; {what}{left}",
        "One example": shapes,
        "Augmentation": "; ".join(_words(block) for block in experiment.augment) or "none",
        "Network": f"{_words(experiment.model)}: {weights:,} trainable weights",
        "Optimizer": _words(experiment.optimizer),
        "Length": f"{plan.total_steps:,} steps of {train.examples_per_step:,} examples, {plan.steps_per_epoch:,} per "
        f"epoch: {plan.total_steps / plan.steps_per_epoch:.4g} epochs"
        + (f"; each step accumulates {train.accumulate_steps} batches" if train.accumulate_steps > 1 else ""),
    }
    if splits.noticed:
        found["Reading"] = "; ".join(each.words for each in splits.noticed)
    if weighted := _weighting(experiment, splits):
        found["Weighting"] = weighted
    return found


def _words(block: Any) -> str:
    """Returns the name of a chosen block with those of its settings that are not the defaults."""
    settings = _settings(block)
    return f"{block.registered_name} ({settings})" if settings else block.registered_name


def _settings(block: Any) -> str:
    """Returns the fields of a block that are not the defaults, as a config has them."""
    values = {field.name: getattr(block, field.name) for field in dataclasses.fields(block) if _is_set(block, field)}
    return ", ".join(f"{name}: {_plain(value)}" for name, value in values.items())


def _is_set(block: Any, field: dataclasses.Field) -> bool:
    made = field.default_factory
    default = field.default if made is dataclasses.MISSING else made()
    return getattr(block, field.name) != default


def _plain(value: Any) -> str:
    """Returns a value as YAML writes it in one line."""
    if dataclasses.is_dataclass(value):
        name = value.registered_name if isinstance(value, Choice) else None
        return f"{{{', '.join(filter(None, (name and f'name: {name}', _settings(value))))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_plain(item)}' for key, item in value.items())}}}"
    plain = to_plain(value)
    return str(plain).lower() if isinstance(plain, bool) else str(plain)


def _weighting(experiment: Experiment, splits: Splits) -> str:
    """Returns how examples and classes are weighted in the loss; nothing where all count the same."""
    said, data, train = list[str](), splits.spec, splits.train
    weights = {} if train.weights is None else train.weights if isinstance(train.weights, dict) else {"": train.weights}
    for name, each in weights.items():
        of = f" for {name}" if name else ""
        said.append(f"examples count {number(each.min())} to {number(each.max())} times{of}")
    of_classes = experiment.task.weights(data, train.targets)
    if of_classes is None:
        return "; ".join(said)
    targets = named(data.targets, train.targets)
    for name, each in named(data.targets, of_classes).items():
        groups = data.targets[name].groups(targets[name])
        if groups is None or each is None:
            continue
        low, high = int(np.argmin(each)), int(np.argmax(each))
        said.append(
            f"{'classes' if len(targets) == 1 else f'classes of {name}'} count from {number(each[low])} times "
            f"({groups.names[low]}) to {number(each[high])} times ({groups.names[high]})"
        )
    return "; ".join(said)
