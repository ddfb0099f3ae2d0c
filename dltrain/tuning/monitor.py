"""The monitor of a search: the column of metrics.csv that values a trial and chooses its weights."""

import dataclasses

from dltrain.config.experiment import Config
from dltrain.config.tuning import Tune
from dltrain.errors import KeyProblem


def monitored(config: Config, tune: Tune) -> tuple[Config, str]:
    """Returns the config, which keeps the weights of the epoch that a trial is worth, and the column.

    Without it `fit` on best.yaml would keep those of another epoch than the search has found.

    Raises:
        ConfigError: if the config keeps the weights by another column, or by one of the train part.
    """
    experiment = config.experiment
    kept = experiment.checkpoint.monitor
    column = tune.monitor or kept or experiment.task.monitor
    with config.blame("checkpoint"):
        if kept not in (None, column):
            raise KeyProblem(
                "monitor",
                f"must be that of tune.monitor, {column}, by which trials are compared, or be left out, got {kept}",
            )
        if not column.startswith("val_"):
            raise KeyProblem(
                "monitor", f"must be measured on the validation part in a search, such as val_loss, got {kept}"
            )
    if tune.monitor is None:
        return config, column
    checkpoint = dataclasses.replace(experiment.checkpoint, monitor=column)
    return dataclasses.replace(config, experiment=dataclasses.replace(experiment, checkpoint=checkpoint)), column
