"""Which keys may change when a run resumes: safely, with --force, or not at all."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.config.experiment import Experiment, to_plain

SAFE = ("name", "device", "cluster", "strict", "train.epochs", "train.steps", "train.on_nan", "train.max_restores",
        "early_stopping", "checkpoint", "trackers", "report")  # fmt: skip
"""Length, device, stopping and saving: changing them leaves the finished steps as they were."""

BATCH = ("train.batch_size", "train.accumulate_steps", "train.effective_batch_size")
"""Safe to change as long as a step sees the same examples."""

REFUSED = ("model", "optimizer.name", "task.name", "train.oversample", "stages")
"""Changing them asks for other weights than the checkpoint holds, or for epochs of another length."""


@dataclass(frozen=True)
class Changes:
    """The values that differ, before and after, by key path.

    Args:
        all: every difference, in the order of the config.
        forced: those that turn the run into another experiment; allowed with --force.
        refused: those with which the run cannot resume.
    """

    all: dict[str, tuple[Any, Any]]
    forced: tuple[str, ...]
    refused: tuple[str, ...]

    @property
    def lengthens(self) -> bool:
        """Whether the length of the run changes, and with it the learning-rate schedule."""
        return any(key in ("train.epochs", "train.steps") for key in self.all)


def classify(before: Experiment, after: Experiment) -> Changes:
    """Compares two experiments and classifies each difference."""
    found = differences(before, after)
    refused = [key for key in found if is_under(key, REFUSED) or key in _other_slots(before, after)]
    if after.train.planned_examples_per_step != before.train.planned_examples_per_step:
        refused += [key for key in found if key in BATCH]
    safe = (*SAFE, *BATCH, *_places(before, after))
    forced = [key for key in found if key not in refused and not is_under(key, safe)]
    return Changes(found, tuple(forced), tuple(refused))


def _places(before: Experiment, after: Experiment) -> list[str]:
    """Returns the keys that say where the data lie: whether they are the same is seen when they are loaded."""
    old, new = before.dataset, after.dataset
    names = [field.name for field in dataclasses.fields(old)] if type(old) is type(new) else []
    return [f"dataset.{name}" for name in names if isinstance(getattr(old, name), Path)]


def _other_slots(before: Experiment, after: Experiment) -> list[str]:
    """Returns the keys whose change gives the optimizer other variables than the checkpoint holds."""
    old, new = before.optimizer, after.optimizer
    keys = ["centered", "amsgrad", "exclude_layers", "exclude_embeddings"]
    keys += ["momentum"] if not old.momentum or not new.momentum else []
    keys += ["ema_momentum"] if (old.ema_momentum is None) != (new.ema_momentum is None) else []
    slots = [f"optimizer.{key}" for key in keys]
    # Only 16-bit floats come with a scale of the loss.
    return slots + ["train.precision"] * ("mixed_float16" in (before.train.precision, after.train.precision))


def differences(before: Experiment, after: Experiment) -> dict[str, tuple[Any, Any]]:
    """Returns the values that differ, before and after, by key path; an absent key is none."""
    old, new = flat(to_plain(before)), flat(to_plain(after))
    keys = [*old, *(key for key in new if key not in old)]
    return {key: (old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)}


def is_under(key: str, paths: tuple[str, ...]) -> bool:
    """Whether a key path is one of `paths`, or lies below one of them."""
    return any(key == path or key.startswith(f"{path}.") for path in paths)


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Returns the values of nested mappings by key path; a list is one value."""
    if not isinstance(value, dict):
        return {path: value}
    prefix = f"{path}." if path else ""
    return {key: leaf for name, below in value.items() for key, leaf in flat(below, prefix + name).items()}
