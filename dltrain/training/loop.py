"""The epochs of a run: train, validate, note, save, until the end or until told to stop."""

import dataclasses
import math
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from dltrain.config.experiment import Config
from dltrain.data import Split, Splits
from dltrain.errors import ConfigError, Interrupted, TrainingError
from dltrain.lazy import tf
from dltrain.runs.folder import Run
from dltrain.schedules import learning_rate
from dltrain.training import checkpoints, profiling, stages
from dltrain.training.callbacks import Best, Due, MetricsFile, Patience
from dltrain.training.contract import plan_for
from dltrain.training.device import Devices
from dltrain.training.distillation import teach
from dltrain.training.engine import Engine, shortest
from dltrain.training.feeds import evaluation_feed, preparation, training_order
from dltrain.training.listeners import Listeners
from dltrain.training.pipeline import Feed, Preparation, feed
from dltrain.training.progress import Reporter, clock, words_for
from dltrain.training.setup import assemble, monitor_of
from dltrain.training.shrinking import seen, shrinking
from dltrain.training.signals import StopRequest
from dltrain.training.speed import Speed
from dltrain.training.state import State, digest

RESTORE_FACTOR = 0.5
"""What the learning rate is multiplied by each time that a run goes back because of a loss that is not finite."""

SLOW_SECONDS = 3.0
"""After a call that took longer the state is copied: the next may keep the main thread from saving in time."""


class NotFinite(TrainingError):
    """The loss or a weight is NaN or infinite."""


class Training:
    """A network, its data and its state: set up once, used in every epoch.

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
        self._config, self.experiment = config, config.experiment
        self.splits, self.devices, self.reporter = splits, devices, reporter
        self.plan = plan_for(config, splits, devices.replicas)
        self._spans = stages.spans(self.experiment, self.plan)
        targets = digest(splits.train.targets)
        self.state = State(dataclasses.asdict(splits.spec), len(splits.train), targets, fingerprint=splits.fingerprint)
        self.speed = Speed(self.experiment.train.examples_per_step)
        self._profile: Path | None = None
        self._went_back_to: int | None = None
        self._saving = threading.Lock()
        self._copy: tuple[dict[str, np.ndarray], dict[str, Any]] | None = None
        with devices.strategy.scope():
            self._scale = tf.Variable(1.0, trainable=False)  # what plateaus and restores leave of the learning rate
        self._validation = self.evaluation_feed(splits.validation) if splits.validation else None
        self._measured: Engine | None = None
        trained = stages.require(config, splits.spec) if self.experiment.stages else None
        self._assemble(stage, anew)
        self.parameters = trained or sum(math.prod(weight.shape) for weight in self.engine.model.trainable_weights)
        self._require_monitors()

    def _assemble(self, number: int, anew: bool = False) -> None:
        """Builds the network as a stage trains it, with an optimizer that begins anew."""
        self.state.stage, self._span = number, self._spans[number]
        stage, full = self._span.settings, self.splits.spec
        spec = seen(full, stage)
        peak, schedule = stage.learning_rate or self.experiment.optimizer.learning_rate, self.experiment.schedule
        self._rate = learning_rate(schedule, peak, self.plan, self._scale)
        counted = learning_rate(schedule, peak, self.plan, self._scale, self._span.first_step)
        self.engine = assemble(self._config, spec, self.devices, counted, anew, stage)
        with self.devices.strategy.scope():
            teach(self._config, spec, self.engine.model, self.devices.replicas)
        if spec != full and self._measured is None:
            self._measured = assemble(self._config, full, self.devices, learning_rate=0.0)
        if spec == full:
            self._measured = None
            self.engine.build(self._validation or self.evaluation_feed(self.splits.train))
        else:
            size = self.experiment.train.examples_per_batch
            shrunk = Preparation(shrinking(full, spec))
            self.engine.build(evaluation_feed(self.splits.train.first(size), size, self.devices, shrunk))

    def _require_monitors(self) -> None:
        """Makes sure that the network's own steps report what decides on the best epoch, as a user's may not.

        Raises:
            ConfigError: if they do not.
        """
        columns = list(self.engine.model.get_metrics_result())
        if self._validation is not None:
            columns += [f"val_{name}" for name in columns]
        monitor = monitor_of(self.experiment.checkpoint, self.experiment, self.splits)
        if monitor not in columns:
            raise ConfigError(
                [f"checkpoint.monitor must be one of {', '.join(columns)}, which is what "
                 f"{self.experiment.model.registered_name} reports, got {monitor!r}"]
            )  # fmt: skip

    @property
    def variables(self) -> dict[str, Any]:
        """All variables that training changes, by name."""
        model = self.engine.model
        average_of = {id(weight): average for weight, average in self.engine.averages()}
        averages = {id(average) for average in average_of.values()}
        weights = checkpoints.named_variables(model=model.variables)
        return {
            **weights,
            **checkpoints.named_variables(
                optimizer=[variable for variable in model.optimizer.variables if id(variable) not in averages],
                metrics=model.metrics_variables,
            ),
            **{
                name.replace("model", checkpoints.AVERAGE, 1): average_of[id(weight)]
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

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train, and no epoch whose row is still to be written."""
        state = self.state
        return state.stopped or (state.step >= self.plan.total_steps and state.means is None)

    def restore(self, saved: checkpoints.Saved) -> None:
        """Puts variables and state where they were when the checkpoint was made."""
        state = State.of(saved)
        if state.stage != self.state.stage:
            self._assemble(state.stage)
        checkpoints.restore(saved, self.variables)
        self.state, self._copy = state, None
        state.fingerprint = self.splits.fingerprint  # of what is trained on from here on
        if not hasattr(self.experiment.schedule, "after_epoch"):
            state.plateau = None  # of a schedule that the run no longer has
        self._set_scale()
        patience = self._patience()  # which may be larger now than when it was used up
        self.state.stopped = patience is not None and patience.exhausted

    def training_feed(self, part: Split | None = None) -> Feed:
        """Returns the training part's batches, from the one after the steps that are done.

        Args:
            part: train on this share of it alone.
        """
        train = part or self.splits.train
        order = training_order(self.experiment, train, self.devices)
        prepare = preparation(self.experiment, self.splits, self._span.settings)
        return feed(train, order, prepare, self.devices.strategy, self.state.step)

    def evaluation_feed(self, split: Split) -> Feed:
        """Returns a part's batches, in their order and as they are."""
        return evaluation_feed(split, self.experiment.train.examples_per_batch, self.devices)

    def run(self, run: Run, began: float, stop: StopRequest, profile: bool = False) -> None:
        """Trains from the present state to the end.

        Args:
            run: the folder that metrics and checkpoints go to.
            began: when this process began to work for the run, by time.monotonic().
            stop: tells when a signal asked to stop.
            profile: record some steps after the first.

        Raises:
            Interrupted: a signal asked to stop; the state is saved.
            TrainingError: the loss is not finite, or something cannot be written.
        """
        began -= self.state.seconds
        settings = self.experiment.train
        self._profile = run.profile if profile else None
        self._listeners = Listeners(self.experiment.callbacks, run, self.engine.model, self.plan, self.state.epoch)
        if self._latest_is_best:
            self.reporter.say("no validation data: the last weights are the best")
        if settings.on_nan == "restore" and run.saved is None:
            self._save(run, is_best=True)  # else there would be nothing to go back to before the first epoch's end
        self._batches = self.training_feed()
        with self.reporter:
            self._say_stage()
            while True:
                try:
                    self._train(run, began, stop)
                    break
                except NotFinite as error:
                    if settings.on_nan == "stop":
                        raise
                    self._go_back(run, error)
        self._listeners.end()
        if self._profile is not None:
            self.reporter.warn("too short to be profiled: nothing runs after the first step, which compiles")
        if self.state.stopped:
            why = "a callback said so" if self._listeners.stopped else "early_stopping.patience is used up"
            self.reporter.say(f"stopped early, after epoch {self.state.epoch}: {why}")

    def save_copy(self, run: Run) -> bool:
        """Saves the last state that was copied, from another thread, where the main one is stuck in a long step.

        Returns:
            whether something is saved to go on with.
        """
        with self._saving:
            if self._copy is not None:
                variables, state = self._copy
                keep = self.experiment.checkpoint.keep
                checkpoints.save(run, variables, state, state["best"] is None, keep, is_planned=False)
        return run.saved is not None

    def _train(self, run: Run, began: float, stop: StopRequest) -> None:
        """Does epoch after epoch."""
        state, task = self.state, self.experiment.task
        monitor = monitor_of(self.experiment.checkpoint, self.experiment, self.splits)
        best = Best(monitor, task.larger_is_better(monitor), state.best, self._latest_is_best)
        patience = self._patience()
        metrics_file = MetricsFile(run, state.epoch)
        due = Due(self.experiment.checkpoint.every_steps, self.experiment.checkpoint.every_minutes)
        while not self.is_finished:
            if state.means is None:
                if (number := stages.number_at(self._spans, state.step)) != state.stage:
                    self._enter(number)
                self._train_epoch(run, began, stop, due)
            validated = None if stop else self._validate(stop)
            state.seconds = time.monotonic() - began
            if state.means is None or validated is None:
                stop.heed()
                self._check_weights()
                self._save(run, is_best=state.best is None, is_planned=False)
                raise Interrupted(
                    f"stopped after step {state.step}, all saved; go on with: dltrain fit --resume {run.path}",
                    stop.exit_code or 130,
                )
            row = self._row(state.means, validated)
            is_best = best.update(row)
            state.epoch, state.means, state.best = state.epoch + 1, None, best.state
            if patience is not None and self._span is self._spans[-1]:
                patience.update(row)
                state.patience, state.stopped = patience.state, patience.exhausted
            self._follow_plateau(row)
            metrics_file.append(row)
            state.stopped |= self._listeners.epoch_ended(row)
            is_planned = (
                (is_best and not self._latest_is_best)
                or self.is_finished
                or state.epoch % self.experiment.checkpoint.every_epochs == 0
                or due.has_come(state.step)
            )
            if is_planned or due.is_late:
                self._save(run, is_best, is_planned)
                due.saved()
            self._say_epoch(row)

    def _enter(self, number: int) -> None:
        """Goes on with another stage: the weights and their averages as they are, the optimizer anew."""
        kept = {name: np.array(variable) for name, variable in self.variables.items() if _is_of_network(name)}
        del self._batches, self.engine  # else both stages' would be in memory at once
        self._assemble(number)
        for name, variable in self.variables.items():
            if name in kept:
                variable.assign(kept[name])
        self._batches, self._copy = self.training_feed(), None
        self._listeners.look_at(self.engine.model)
        self._say_stage()

    def _train_epoch(self, run: Run, began: float, stop: StopRequest, due: Due) -> None:
        """Does the rest of the epoch; its means stay unset if it is stopped before the end."""
        state = self.state
        first = state.step - state.step % self.plan.steps_per_epoch
        end = min(first + self.plan.steps_per_epoch, self.plan.total_steps)
        while state.step < end and not stop:
            if self._profile is not None and self.speed.has_begun:
                place, self._profile = self._profile, None
                finite = self._record(place, min(profiling.STEPS, end - state.step))
            else:
                count = min(self.speed.next_count, end - state.step, due.steps_left(state.step))
                with self.speed.doing(count):
                    state.step, finite = self.engine.train(self._batches, state.step, count)
            if not finite:
                raise self._not_finite("the loss")
            if state.step < end and (due.has_come(state.step) or due.is_late):
                state.seconds = time.monotonic() - began
                self._check_weights()
                self._save(run, is_best=state.best is None, is_planned=due.has_come(state.step))
                due.saved()
            self._copy_if_slow()
            if self._listeners:
                self._listeners.steps_done(state.step, self.engine.metrics())
            if self.reporter.shows_steps:
                words = f"{words_for(self.engine.metrics())}  {self._pace()}"
                self.reporter.step(self._title(state.epoch + 1), state.step - first, end - first, words)
        if state.step == end:
            self._check_weights()
            state.means = self.engine.metrics()
            self.engine.reset()
            if self.devices.replicas > 1:
                self.engine.share_statistics()
            self._copy_if_slow()

    def _copy_if_slow(self) -> None:
        """Keeps a copy of the state where the next call may take longer than there is time to save after a signal."""
        self._copy = None
        if self.speed.last_seconds > SLOW_SECONDS:
            self._check_weights()
            variables = {name: np.array(variable) for name, variable in self.variables.items()}
            self._copy = variables, dataclasses.asdict(self.state)

    def _go_back(self, run: Run, error: NotFinite) -> None:
        """Returns to the last checkpoint with a smaller learning rate.

        Raises:
            NotFinite: if that was done too often already.
        """
        restores, most = self.state.restores + 1, self.experiment.train.max_restores
        if restores > most:
            raise NotFinite(f"{error}\nIt went back {most} times, as often as train.max_restores allows.") from None
        # To a planned one: where a signal or the clock had the state saved is not the same in every run.
        saved = checkpoints.latest_planned(run)
        if saved is not None and saved.state["step"] == self._went_back_to:
            # The harm was done before it: huge weights, though finite.
            saved = checkpoints.latest_planned(run, before=saved.state["step"]) or saved
        if saved is None:
            raise NotFinite(f"{error}\nThere is no good checkpoint to go back to.") from None
        self._went_back_to, stage = saved.state["step"], self.state.stage
        self.restore(saved)
        if self.state.stage == stage:
            self.engine.forget(self._batches)
            self._batches = self._batches.at(self.state.step)
        else:
            self._batches = self.training_feed()
            self._listeners.look_at(self.engine.model)
        if not checkpoints.settle(run, saved):
            self.state.best = None
            self.reporter.warn("the best weights are lost: what is best is looked for from here on")
        self.state.restores = restores
        self._set_scale()
        self.reporter.warn(
            f"{str(error).partition(';')[0]}; back to the state after step {self.state.step}, learning rate now "
            f"{self._rate_at(self.state.step):.4g} (train.on_nan: restore, {restores} of {most})"
        )

    def _record(self, place: Path, count: int) -> bool:
        """Trains for some steps, recorded; says where the time went and returns whether the loss is finite."""
        before = self.state.step
        with profiling.recorded(place) as files:
            self.state.step, finite = self.engine.train(self._batches, before, count)
        self.reporter.say(profiling.words(place, files, self.state.step - before))
        return finite

    def _validate(self, stop: StopRequest) -> dict[str, float] | None:
        if self._validation is None:
            return {}
        with self.engine.averaged():
            metrics = self.measured.evaluate(self._validation, stop.__bool__)
        return None if metrics is None else {f"val_{name}": value for name, value in metrics.items()}

    @property
    def _latest_is_best(self) -> bool:
        """A loss on the training data cannot tell which weights are better on others: unless asked to, none tries."""
        return self._validation is None and self.experiment.checkpoint.monitor is None

    def _row(self, means: dict[str, float], validated: dict[str, float]) -> dict[str, Any]:
        state = self.state
        return {
            "epoch": state.epoch + 1,
            "step": state.step,
            "seconds": round(state.seconds, 3),
            "learning_rate": self._rate_at(state.step - 1),
            **means,
            **validated,
        }

    def _patience(self) -> Patience | None:
        settings = self.experiment.early_stopping
        if settings is None:
            return None
        monitor = monitor_of(settings, self.experiment, self.splits)
        larger = self.experiment.task.larger_is_better(monitor)
        return Patience(settings.patience, settings.min_delta, monitor, larger, self.state.patience)

    def _follow_plateau(self, row: dict[str, Any]) -> None:
        schedule = self.experiment.schedule
        if not hasattr(schedule, "after_epoch"):
            return
        before = self.state.plateau or schedule.initial_state()
        larger = self.experiment.task.larger_is_better(schedule.monitor)
        self.state.plateau = after = schedule.after_epoch(row[schedule.monitor], before, larger)
        if after["scale"] != before["scale"]:
            self._set_scale()
            self.reporter.say(f"plateau: learning rate now {self._rate_at(self.state.step):.4g}")

    def _set_scale(self) -> None:
        plateau = 1.0 if self.state.plateau is None else self.state.plateau["scale"]
        self._scale.assign(plateau * RESTORE_FACTOR**self.state.restores)

    def note_changes(self, run: Run, saved: checkpoints.Saved, changes: dict[str, list[Any]]) -> None:
        """Makes what was changed part of the state, and of the checkpoint that the run goes on from."""
        self.state.changes = [*self.state.changes, {"step": self.state.step, **changes}]
        best = self.state.best
        is_best = best is None or (best["step"], best["epoch"]) == (self.state.step, self.state.epoch)
        self._save(run, is_best, checkpoints.is_planned(checkpoints.own_name(run, saved)))

    def _save(self, run: Run, is_best: bool, is_planned: bool = True) -> None:
        state, keep = dataclasses.asdict(self.state), self.experiment.checkpoint.keep
        with self._saving:
            checkpoints.save(run, self.variables, state, is_best, keep, is_planned)
        self.reporter.detail(f"saved the state after step {self.state.step}" + (", the best so far" if is_best else ""))

    def _rate_at(self, step: int) -> float:
        return shortest(self._rate(step))

    def _check_weights(self) -> None:
        """Makes sure that no checkpoint is made of weights that are lost: the loss shows it one step later only.

        Raises:
            NotFinite: if a weight is NaN or infinite.
        """
        for variable in self.engine.model.variables:
            value = tf.convert_to_tensor(variable)
            if value.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(value)):
                raise self._not_finite(f"the weight {variable.path}")

    def _not_finite(self, what: str) -> NotFinite:
        step = self.state.step
        return NotFinite(
            f"{what} is not finite at step {step} (epoch {self.state.epoch + 1}), "
            f"learning rate {self._rate_at(step - 1):.4g}; the last checkpoint stands.\n"
            f"Try a smaller optimizer.learning_rate{self._warm_up_words()} or optimizer.global_clipnorm=1; "
            "look for NaN and huge values in the data."
            + (" Or train.on_nan=restore, which goes back by itself." if self.experiment.train.on_nan == "stop" else "")
        )

    def _warm_up_words(self) -> str:
        """Returns how to ask for a warm-up, nothing where there is one or the schedule takes none."""
        schedule = self.experiment.schedule
        if getattr(schedule, "warmup_epochs", None) != 0:
            return ""
        try:
            dataclasses.replace(schedule, warmup_epochs=1.0).check(self.plan)
        except ValueError:
            return ""
        # The name too: the config may have left the whole block to its defaults.
        return f", schedule.name={schedule.registered_name} schedule.warmup_epochs=1"

    def _title(self, epoch: int) -> str:
        return f"epoch {epoch}/{math.ceil(self.plan.total_steps / self.plan.steps_per_epoch)}"

    def _pace(self) -> str:
        left = self.speed.seconds_for(self.plan.total_steps - self.state.step)
        if left is None or self.speed.examples_per_second is None:
            return ""
        return f"{self.speed.examples_per_second:,.0f} examples/s  {clock(left)} left"

    def _say_stage(self) -> None:
        if self._span.name:
            self.reporter.say(stages.words(self._span, self.engine.model, self._rate_at(self.state.step)))

    def _say_epoch(self, row: dict[str, Any]) -> None:
        measured = {
            name: value for name, value in row.items() if name not in ("epoch", "step", "seconds", "learning_rate")
        }
        self.reporter.say(f"{self._title(row['epoch'])}  {words_for(measured)}  {self._pace()}".rstrip())


def _is_of_network(name: str) -> bool:
    return name.partition("/")[0] in ("model", checkpoints.AVERAGE)
