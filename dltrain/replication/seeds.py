"""One run per seed: how much of a result is chance."""

from typing import Any

from dltrain.replication.series import Series, spread


def train_seeds(series: Series, count: int, command: str) -> dict[str, Any]:
    """Trains one run for each seed: the config's, and the numbers that follow it.

    Only `seed` differs: weights, order, augmentation and dropout. The data are divided by `dataset.split_seed`, which
    stays.

    Args:
        series: the config and the folder of the runs.
        count: how many seeds, at least 2.
        command: the command that trains the remaining runs.

    Returns:
        {"seeds": [seed]}, and what `spread` returns.

    Raises:
        UserError, TrainingError, Interrupted: as `fit`.
    """
    first = series.config.experiment.seed
    seeds = [*range(first, first + count)]
    members = [series.member(f"seed{seed}", f"seed={seed}") for seed in seeds]
    return {"seeds": seeds, **spread(series.train(members, command))}
