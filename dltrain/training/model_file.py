"""model.keras: the trained network as Keras itself opens it."""

from typing import Any

import numpy as np

from dltrain.config.experiment import Config
from dltrain.lazy import keras
from dltrain.plugins import loading as plugins
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.training.learner import Learner


def write_model(config: Config, learner: Learner, run: Run) -> Any:
    """Writes model.keras: the network with its present weights, without optimizer and loss; returns it."""
    plain = config.build_model(learner.splits.spec)
    for weight, trained in zip(plain.weights, learner.network.engine.model.weights, strict=True):
        weight.assign(np.array(trained))
    try:
        with folder.replacing(run.model) as aside:
            plain.save(aside)
            if plugins.loaded:  # a class of the user's may be saved in a way that nothing can read
                keras.models.load_model(aside)
    except Exception as error:
        if not plugins.loaded or isinstance(error, OSError):
            raise
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        learner.reporter.warn(
            f"{run.model}: not written, the network cannot be exported ({reason}); eval and --resume rebuild it "
            "from config.yaml and checkpoint. Keras needs get_config and @keras.saving.register_keras_serializable()"
        )
    return plain
