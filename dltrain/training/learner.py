"""A network, its data and its state: what is trained, in whichever stage."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dltrain.assembly import stages
from dltrain.assembly.batches import evaluation_feed, preparation, training_order
from dltrain.assembly.contract import monitor_of, plan_for
from dltrain.assembly.data import targets_digest
from dltrain.assembly.distillation import teach
from dltrain.assembly.network import assemble
from dltrain.assembly.progressive_resizing import seen
from dltrain.checkpoints import store
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config.experiment import Config, to_plain
from dltrain.console import Reporter
from dltrain.data import PARTS, Split, Splits
from dltrain.engine.compiled_loop import Engine, shortest
from dltrain.engine.device import Devices
from dltrain.engine.feeds import Feed, feed
from dltrain.errors import ConfigError, KeyProblem
from dltrain.inference.part_metrics import evaluated, words
from dltrain.lazy import tf
from dltrain.schedules import learning_rate
from dltrain.training.early_stopping import Patience
from dltrain.training.finiteness import NotFinite, not_finite

RESTORE_FACTOR = 0.5
"""What the learning rate is multiplied by each time that a run goes back because of a loss that is not finite."""


class Learner:
    """A network, its data and its state: set up once, and anew for each stage.

    Args:
        config: what to do.
        splits: the data, loaded.
        devices: where to do it.
        reporter: what says how it goes.
        anew: no checkpoint will be restored: the network gets the weights that it is to begin with.
        stage: in which to begin, counted from 0.

    Raises:
        ConfigError: if config, data and devices do not fit together.
        UserError: if the weights to begin with cannot be used.
    """

    def __init__(
        self,
        config: Config,
        splits: Splits,
        devices: Devices,
        reporter: Reporter,
        anew: bool = False,
        stage: int = 0,
    ) -> None:
        self.config, self.experiment = config, config.experiment
        self.splits, self.devices, self.reporter = splits, devices, reporter
        self.plan = plan_for(config, splits, devices.replicas)
        self.spans = stages.spans(self.experiment, self.plan)
        targets = targets_digest(splits.train)
        self.state = TrainingState(splits.spec.plain(), len(splits.train), targets, fingerprint=splits.fingerprint)
        with devices.strategy.scope():
            self._scale = tf.Variable(1.0, trainable=False)  # what plateaus and restores leave of the learning rate
        self.validation = self.evaluation_feed(splits.validation) if splits.validation else None
        self._measured: Engine | None = None
        trained = stages.require(config, splits.spec) if self.experiment.stages else None
        self._assemble(stage, anew)
        self.parameters = trained or sum(math.prod(weight.shape) for weight in self.engine.model.trainable_weights)
        self._require_monitors()
        for part in PARTS:
            for sentence in words(part, self.undefined(part)):
                reporter.warn(sentence)

    def undefined(self, part: str) -> dict[str, str]:
        """Returns which metrics a part cannot have, and why."""
        split = self.splits.part(part)
        return self.experiment.task.undefined(self.splits.spec, split) if split else {}

    def _assemble(self, number: int, anew: bool = False) -> None:
        """Builds the network as a stage trains it, with an optimizer that begins anew."""
        self.state.stage, self.span = number, self.spans[number]
        stage, full = self.span.settings, self.splits.spec
        spec = seen(full, stage)
        peak, schedule = stage.learning_rate or self.experiment.optimizer.learning_rate, self.experiment.schedule
        self._rate = learning_rate(schedule, peak, self.plan, self._scale)
        counted = learning_rate(schedule, peak, self.plan, self._scale, self.span.first_step)
        self.engine = assemble(self.config, spec, self.devices, counted, anew, stage)
        with self.devices.strategy.scope():
            teach(self.config, spec, self.engine.model, self.devices.replicas)
        if spec != full and self._measured is None:
            self._measured = assemble(self.config, full, self.devices, learning_rate=0.0)
        if spec == full:
            self._measured = None
            self.engine.build(self.validation or self.evaluation_feed(self.splits.train))
        else:
            size = self.experiment.train.examples_per_batch
            part = self.splits.train.first(size)
            self.engine.build(evaluation_feed(self.experiment, full, part, self.devices, stage))

    def _require_monitors(self) -> None:
        """Makes sure that the network's own steps report what decides on the best epoch, as a user's may not.

        Raises:
            ConfigError: if they do not.
        """
        columns = list(self.engine.metrics())
        if self.validation is not None:
            columns += [f"val_{name}" for name in [*columns, *self.experiment.task.part_metrics]]
        monitor = monitor_of(self.experiment.checkpoint, self.experiment, self.splits)
        if monitor not in columns:
            reports = f"which is what {self.experiment.model.registered_name} reports"
            words = f"must be one of {', '.join(columns)}, {reports}, got {monitor!r}"
            raise ConfigError([KeyProblem("checkpoint.monitor", words)])

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
        if self._measured is None:
            return self.engine
        for weight, trained in zip(self._measured.model.variables, self.engine.model.variables, strict=True):
            weight.assign(np.array(trained))
        return self._measured

    def evaluated(self, part: str, feed: Feed, stopped: Callable[[], bool]) -> dict[str, float] | None:
        """Returns loss and metrics of a part with the present weights; none once `stopped` is true.

        Args:
            part: "train", "validation" or "test".
            feed: its batches.
            stopped: asked now and then.
        """
        split, task = self.splits.parts[part], self.experiment.task
        return evaluated(self.measured, task, self.splits.spec, part, split, feed, stopped)

    def validate(self, stopped: Callable[[], bool]) -> dict[str, float] | None:
        """Returns loss and metrics of the validation part, as columns of metrics.csv; {} where there is no such part.

        Args:
            stopped: asked now and then; once true, it is given up, and returns none.
        """
        if self.validation is None:
            return {}
        with self.engine.averaged():
            metrics = self.evaluated("validation", self.validation, stopped)
        return None if metrics is None else {f"val_{name}": value for name, value in metrics.items()}

    @property
    def latest_is_best(self) -> bool:
        """A loss on the training data cannot tell which weights are better on others: unless asked to, none tries."""
        return self.validation is None and self.experiment.checkpoint.monitor is None

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train, and no epoch whose row is still to be written."""
        state = self.state
        return state.stopped or (state.step >= self.plan.total_steps and state.means is None)

    def restore(self, saved: store.Checkpoint) -> None:
        """Puts variables and state where they were when the checkpoint was made."""
        state = TrainingState.of(saved)
        if state.stage != self.state.stage:
            self._assemble(state.stage)
        store.restore(saved, self.variables)
        self.state = state
        state.fingerprint = self.splits.fingerprint  # of what is trained on from here on
        if self.experiment.schedule.initial_state() is None:
            state.plateau = None  # of a schedule that the run no longer has
        self.set_scale()
        patience = self.patience()  # which may be larger now than when it was used up
        if state.halted_by != to_plain(self.experiment.callbacks):
            state.halted_by = None
        self.state.stopped = state.halted_by is not None or (patience is not None and patience.exhausted)

    def training_feed(self, part: Split | None = None) -> Feed:
        """Returns the training part's batches, from the one after the steps that are done.

        Args:
            part: train on this share of it alone.
        """
        train = part or self.splits.train
        order = training_order(self.experiment, self.splits.spec, train, self.devices)
        prepare = preparation(self.experiment, self.splits, self.span.settings)
        return feed(train, order, prepare, self.devices.strategy, self.state.step)

    def evaluation_feed(self, split: Split) -> Feed:
        """Returns a part's batches, in their order and as they are."""
        return evaluation_feed(self.experiment, self.splits.spec, split, self.devices)

    def enter(self, number: int) -> None:
        """Goes on with another stage: the weights and their averages as they are, the optimizer anew."""
        kept = {name: np.array(variable) for name, variable in self.variables.items() if _is_of_network(name)}
        del self.engine  # else both stages' would be in memory at once
        self._assemble(number)
        for name, variable in self.variables.items():
            if name in kept:
                variable.assign(kept[name])

    def patience(self) -> Patience | None:
        """Returns what early stopping remembers; none where nothing stops early."""
        settings = self.experiment.early_stopping
        if settings is None:
            return None
        monitor = monitor_of(settings, self.experiment, self.splits)
        larger = self.experiment.task.larger_is_better(monitor)
        return Patience(settings.patience, settings.min_delta, monitor, larger, self.state.patience)

    def set_scale(self) -> None:
        """Brings the learning rate to what plateaus and restores have left of it."""
        plateau = 1.0 if self.state.plateau is None else self.state.plateau["scale"]
        self._scale.assign(plateau * RESTORE_FACTOR**self.state.restores)

    def rate_at(self, step: int) -> float:
        """Returns the learning rate after `step` steps of the run, in the present stage."""
        return shortest(self._rate(step))

    def check_weights(self) -> None:
        """Makes sure that no checkpoint is made of weights that are lost: the loss shows it one step later only.

        Raises:
            NotFinite: if a weight is NaN or infinite.
        """
        for variable in self.engine.model.variables:
            value = tf.convert_to_tensor(variable)
            if value.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(value)):
                raise self.not_finite(f"the weight {variable.path}")

    def not_finite(self, what: str) -> NotFinite:
        """Returns the error that says that something is not finite."""
        step = self.state.step
        return not_finite(what, self.experiment, self.plan, step, self.rate_at(step - 1))


def _is_of_network(name: str) -> bool:
    return name.partition("/")[0] in ("model", store.AVERAGE)
