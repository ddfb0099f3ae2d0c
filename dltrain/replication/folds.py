"""Cross-validation: one run per fold, each with another share of the examples held out."""

from typing import Any

from dltrain.assembly import data as assembled
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.errors import ConfigError
from dltrain.replication.series import Series, spread


def cross_validate(series: Series, count: int, command: str) -> dict[str, Any]:
    """Trains one run for each fold; each share of the examples is the test part once.

    Where the data have their own test part, it is kept, and the shares are validation parts.

    Args:
        series: the config and the folder of the runs.
        count: how many shares, at least 2.
        command: the command that trains the remaining runs.

    Returns:
        {"folds", "held_out": "test" or "validation"}, and what `spread` returns.

    Raises:
        ConfigError: if the data cannot be divided into so many shares.
        UserError, TrainingError, Interrupted: as `fit`.
    """
    held_out = _held_out(series.config, count, series.reporter())
    members = []
    for number in range(1, count + 1):
        keys = series.config.experiment.dataset.fold(held_out, number, count)
        members.append(series.member(f"fold{number}of{count}", *(f"dataset.{key}={keys[key]}" for key in keys)))
    return {"folds": count, "held_out": held_out, **spread(series.train(members, command))}


def _held_out(config: Config, count: int, reporter: Reporter) -> str:
    """Returns the part that each share becomes: the first of test and validation that the data do not bring."""
    assembled.start(config, reporter)  # before a dataset may import TensorFlow
    dataset = config.experiment.dataset
    with config.blame("dataset"):
        whole = dataset.undivided().load()
    for part in dataset.fractions():
        if whole.part(part) is not None:
            continue
        if count > len(whole.train):
            raise ConfigError([f"--folds must be at most the {len(whole.train)} examples, got {count}"])
        return part
    name = dataset.registered_name
    raise ConfigError([f"--folds needs data that can be divided: dataset {name} has its own validation and test part"])
