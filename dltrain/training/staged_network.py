"""The network of a run as its stages train it: StagedNetwork."""

import math
from typing import Any

import numpy as np

from dltrain.assembly import stages
from dltrain.assembly.batches import evaluation_feed
from dltrain.assembly.distillation import teach
from dltrain.assembly.network import assemble
from dltrain.assembly.progressive_resizing import stage_data
from dltrain.assembly.stages import Span
from dltrain.checkpoints import store
from dltrain.config.experiment import Config
from dltrain.data import Splits
from dltrain.engine.compiled_loop import Engine, shortest
from dltrain.engine.device import Devices
from dltrain.errors import CheckpointError
from dltrain.lazy import tf
from dltrain.schedules import Plan, learning_rate


class StagedNetwork:
    """A network that is built again for each stage of a run, with its weights but with a fresh optimizer.

    Args:
        config: the experiment.
        splits: the data, loaded.
        devices: the devices to train on.
        plan: the length of the run.
        stage: the stage to start in, counted from 0.
        fresh: no checkpoint will be restored: the network gets its initial weights.

    Raises:
        ConfigError: if a stage cannot be done with this network.
        UserError: if the initial weights cannot be used.
    """

    engine: Engine
    """What trains it in the present stage."""

    span: Span
    """The present stage."""

    parameters: int
    """How many weights are trained, in one stage or another."""

    def __init__(
        self, config: Config, splits: Splits, devices: Devices, plan: Plan, stage: int = 0, fresh: bool = False
    ) -> None:
        self.spans = stages.spans(config.experiment, plan)
        self._config, self._splits, self._devices, self._plan = config, splits, devices, plan
        with devices.strategy.scope():
            self._scale = tf.Variable(1.0, trainable=False)
        self._full_size: Engine | None = None
        trained = stages.check(config, splits.spec) if config.experiment.stages else None
        self.build(stage, fresh)
        self.parameters = trained or sum(math.prod(weight.shape) for weight in self.engine.model.trainable_weights)

    def build(self, number: int, fresh: bool = False) -> None:
        """Builds the network as a stage trains it, with a fresh optimizer; its weights are to be restored.

        Args:
            number: the stage, counted from 0.
            fresh: nothing will be restored: the network gets its initial weights.
        """
        if number >= len(self.spans):
            words = f"its checkpoint is of stage {number + 1}, its config has {len(self.spans)}"
            raise CheckpointError(f"the run cannot be resumed: {words}")
        self.span = self.spans[number]
        experiment, stage, full = self._config.experiment, self.span.settings, self._splits.spec
        spec = stage_data(full, stage)
        peak = stage.learning_rate or experiment.optimizer.learning_rate
        self._rate = learning_rate(experiment.schedule, peak, self._plan, self._scale, self.span.first_step)
        self.engine = assemble(self._config, spec, self._devices, self._rate, fresh, stage)
        with self._devices.strategy.scope():
            teach(self._config, spec, self.engine.model, self._devices.replicas)
        if spec == full:
            self._full_size = None
        elif self._full_size is None:
            self._full_size = assemble(self._config, full, self._devices, learning_rate=0.0)
        part = self._splits.train.first(experiment.train.examples_per_batch)
        self.engine.build(evaluation_feed(experiment, full, part, self._devices, stage))

    def enter(self, number: int) -> None:
        """Continues with another stage: keeps the weights and their averages, with a fresh optimizer."""
        kept = {name: np.array(variable) for name, variable in self.variables.items() if _is_kept(name)}
        del self.engine  # else both stages' would be in memory at once
        self.build(number)
        for name, variable in self.variables.items():
            if name in kept:
                variable.assign(kept[name])

    @property
    def variables(self) -> dict[str, Any]:
        """All variables that training changes, by name."""
        model = self.engine.model
        average_of = {id(weight): average for weight, average in self.engine.averages()}
        averages = {id(average) for average in average_of.values()}
        weights = store.named_variables(model=model.variables)
        return {
            **weights,
            **store.named_variables(
                optimizer=[variable for variable in model.optimizer.variables if id(variable) not in averages],
                metrics=model.metrics_variables,
            ),
            **{
                name.replace("model", store.AVERAGE, 1): average_of[id(weight)]
                for name, weight in weights.items()
                if id(weight) in average_of
            },
        }

    @property
    def measured(self) -> Engine:
        """The network with its present weights, for examples as they are: a stage may train on smaller ones."""
        if self._full_size is None:
            return self.engine
        for weight, trained in zip(self._full_size.model.variables, self.engine.model.variables, strict=True):
            weight.assign(np.array(trained))
        return self._full_size

    @property
    def lost_weight(self) -> str | None:
        """The path of the first weight that is NaN or infinite; none if all are finite."""
        for variable in self.engine.model.variables:
            value = tf.convert_to_tensor(variable)
            if value.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(value)):
                return str(variable.path)
        return None

    def rate_at(self, step: int) -> float:
        """Returns the learning rate after `step` steps of the run, in the present stage."""
        return shortest(self._rate(step - self.span.first_step))

    def scale_rate(self, scale: float) -> None:
        """Sets the factor of the scheduled learning rate."""
        self._scale.assign(scale)


def _is_kept(name: str) -> bool:
    return name.partition("/")[0] in ("model", store.AVERAGE)
