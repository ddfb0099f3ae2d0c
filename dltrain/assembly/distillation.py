"""A trained network as a teacher: training also uses its outputs for each example, beside the label."""

import logging
from typing import Any

from dltrain.assembly.pretrained import trained
from dltrain.config.experiment import Config
from dltrain.data import DataSpec
from dltrain.errors import KeyProblem, TrainingError, UserError
from dltrain.lazy import keras
from dltrain.runs.folder import Run

_log = logging.getLogger("dltrain")


def teach(config: Config, data: DataSpec, model: Any, replicas: int) -> None:
    """Adds the config's teacher, if there is one, to the training loss of a compiled network.

    The loss of an evaluation stays that of the task.

    Args:
        config: the experiment with its `teacher`.
        data: the data that the network is trained on.
        model: the network; its `train_step` must take its loss from `compute_loss`, as Keras's does, or it fails.
        replicas: devices that share a batch.

    Raises:
        ConfigError: if the run cannot be used, or is of other inputs or classes.
    """
    settings = config.experiment.teacher
    if settings is None:
        return
    from dltrain.layers.fusion import fuse

    with config.blame("teacher"):
        try:
            teacher, known, saved = trained(Run(settings.run))
        except (UserError, OSError) as error:
            raise KeyProblem("run", f"{settings.run} cannot be used: {error}") from None
        for name, feature in known.inputs.items():
            if words := feature.mismatch(data.inputs[name]) if name in data.inputs else f"it takes {name}":
                raise KeyProblem("run", f"must take the same inputs; {settings.run.name} does not: {words}")
        targets = data.targets
        for name, feature in known.targets.items():
            if words := feature.mismatch(targets[name]) if name in targets else f"it knows {name}":
                raise KeyProblem("run", f"must know the same classes; {settings.run.name} does not: {words}")
    teacher.trainable = False
    fuse(teacher)
    _log.info("%s", f"teacher: the best weights of {settings.run.name} (step {saved.state['step']})")
    task = config.experiment.task
    own_loss, own_step, asked = model.compute_loss, model.train_step, []

    def compute_loss(
        x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        asked.append(training)
        loss = own_loss(x, y, y_pred, sample_weight, training=training)
        if not training:
            return loss
        penalties = sum(keras.ops.sum(penalty) for penalty in model.losses) / replicas
        losses = task.distillation_loss(data, teacher(x, training=False), y_pred, settings.temperature)
        if sample_weight is not None:
            losses = losses * keras.ops.reshape(sample_weight, (-1,))
        taught = keras.ops.mean(losses) / replicas
        return (1 - settings.weight) * (loss - penalties) + settings.weight * taught + penalties

    def train_step(data: Any) -> Any:
        asked.clear()
        logs = own_step(data)
        if not asked:
            words = (
                "the network's own train_step must take its loss from self.compute_loss, or the teacher has no effect"
            )
            raise TrainingError(f"teacher: {words}")
        return logs

    for method in (compute_loss, train_step):
        object.__setattr__(model, method.__name__, method)  # past Keras's tracking of attributes
