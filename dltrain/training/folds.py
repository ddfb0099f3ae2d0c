"""Cross-validation: the same experiment several times, each with another share of the examples held out."""

import dataclasses
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.errors import ConfigError
from dltrain.lazy import keras
from dltrain.training import setup, trainer
from dltrain.training.progress import Reporter


def cross_validate(
    path: Path, overrides: list[str], count: int, root: Path, reporter: Callable[[], Reporter]
) -> dict[str, Any]:
    """Trains one run for each of several shares, each of which is the test part once.

    Where the data have a test part of their own, that stays what it is, and the shares are validation parts.

    Args:
        path: the config.
        overrides: `key.path=value` arguments.
        count: how many shares, at least 2.
        root: the folder in which each run gets its own.
        reporter: makes what says how it goes, for each run anew.

    Returns:
        {"folds", "held_out": "test" or "validation", "runs": [folder], "validation" and "test": {metric: {"mean",
        "standard_deviation", "values"}}}, none for a part that there is not.

    Raises:
        ConfigError: if the data cannot be cut into so many shares.
        UserError, TrainingError, Interrupted: as `fit`.
    """
    config = experiments.load(path, overrides)
    key, held_out = _key(config, count, reporter())
    summaries = []
    for number in range(1, count + 1):
        fold = experiments.load(path, [*overrides, f"dataset.{key}=fold {number} of {count}"])
        name = f"{str(config.experiment.name)[:80]}-fold{number}of{count}"
        summaries.append(trainer.fit(experiments.renamed(fold, name), reporter(), root))
        keras.backend.clear_session()  # else each network stays in memory
    return {
        "folds": count,
        "held_out": held_out,
        "runs": [summary["run"] for summary in summaries],
        **{part: _spread([summary[part] for summary in summaries]) for part in ("validation", "test")},
    }


def _key(config: Config, count: int, reporter: Reporter) -> tuple[str, str]:
    """Returns the dataset's key that holds out a share, and of which part."""
    setup.start(config, reporter)  # before a dataset may import TensorFlow
    dataset = config.experiment.dataset
    keys = {part: f"{part}_fraction" for part in ("test", "validation") if hasattr(dataset, f"{part}_fraction")}
    with config.blame("dataset"):
        whole = dataclasses.replace(dataset, **dict.fromkeys(keys.values(), 0.0)).load()
    for part, key in keys.items():
        if getattr(whole, part) is not None:
            continue
        if count > len(whole.train):
            raise ConfigError([f"--folds must be at most the {len(whole.train)} examples, got {count}"])
        return key, part
    name = dataset.registered_name
    raise ConfigError([f"--folds: dataset {name} has validation and test parts of its own, or none that can be cut"])


def _spread(measured: list[dict[str, float] | None]) -> dict[str, dict[str, Any]] | None:
    """Returns mean and standard deviation (of a sample) of each metric over the runs; none where none was measured."""
    found = [metrics for metrics in measured if metrics]
    if not found:
        return None
    values = {name: [metrics[name] for metrics in found] for name in found[0]}
    return {
        name: {"mean": statistics.fmean(each), "standard_deviation": statistics.stdev(each), "values": each}
        for name, each in values.items()
    }
