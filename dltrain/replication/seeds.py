"""The same experiment with several seeds: how much of a result is chance."""

from typing import Any

from dltrain.replication.series import Series, spread


def train_seeds(series: Series, count: int, command: str) -> dict[str, Any]:
    """Trains one run for each of several seeds: the config's, and those that follow it.

    Only `seed` differs: weights, order, augmentation and dropout. Data are cut by `dataset.split_seed`, which stays.

    Args:
        series: of what, and where.
        count: how many seeds, at least 2.
        command: what to type so that those that are left are trained.

    Returns:
        {"seeds": [seed]}, and what `spread` returns.

    Raises:
        UserError, TrainingError, Interrupted: as `fit`.
    """
    first = series.config.experiment.seed
    seeds = [*range(first, first + count)]
    members = [series.member(f"seed{seed}", f"seed={seed}") for seed in seeds]
    return {"seeds": seeds, **spread(series.train(members, command))}
