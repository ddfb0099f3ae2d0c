"""The epochs of a run: train, validate, record, save, until the end or until a signal to stop."""

import dataclasses
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dltrain.assembly import stages
from dltrain.checkpoints import store
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config.experiment import to_plain
from dltrain.distributed.workers import SharedStop
from dltrain.engine.speed import Speed
from dltrain.errors import Interrupted, Pruned
from dltrain.inference.part_metrics import without
from dltrain.runs.folder import Run
from dltrain.signals import StopRequest
from dltrain.training import profiling
from dltrain.training.best import Best
from dltrain.training.callbacks import CallbackRunner
from dltrain.training.checkpoint_schedule import CheckpointSchedule
from dltrain.training.finiteness import NotFinite
from dltrain.training.learner import Learner
from dltrain.training.metrics_file import MetricsFile
from dltrain.training.tracking import Tracking
from dltrain.wording import duration, metric_line

SLOW_SECONDS = 3.0
"""After a call that took longer the state is copied: the next may keep the main thread from saving in time."""


class Loop:
    """Trains a learner epoch by epoch, and keeps its results in a run's folder.

    Args:
        learner: what is trained.
        run: the folder that metrics and checkpoints go to.
        began: when this process started to work on the run, by time.monotonic().
        profile: record some steps after the first.
        prune_reason: of a search: called with each epoch's row; returns why the run is pruned there, or none.
    """

    def __init__(
        self,
        learner: Learner,
        run: Run,
        began: float,
        profile: bool = False,
        prune_reason: Callable[[dict[str, Any]], str | None] | None = None,
    ) -> None:
        self.learner, self.reporter, self._run = learner, learner.reporter, run
        self._network = learner.network
        self._experiment, self._plan = learner.experiment, learner.plan
        self._workers = learner.devices.workers
        self.speed = Speed(learner.experiment.train.examples_per_step, self._workers.exchange)
        self.tracking = Tracking(learner.experiment, run, learner.reporter, self._workers.is_chief)
        self._began = began
        self._profile = run.profile if profile else None
        self._prune_reason = prune_reason
        self._went_back_to: int | None = None
        self._saving = threading.Lock()
        self._copy: tuple[dict[str, np.ndarray], dict[str, Any]] | None = None

    @property
    def _state(self) -> TrainingState:
        return self.learner.state  # another one once it is restored

    def run(self, stop: StopRequest | SharedStop) -> None:
        """Trains from the present state to the end.

        Args:
            stop: true once a signal asked to stop.

        Raises:
            Interrupted: a signal asked to stop; the state is saved.
            Pruned: a search prunes the run.
            TrainingError: the loss is not finite, or something cannot be written.
        """
        self._began -= self._state.seconds
        settings = self._experiment.train
        self._callbacks = CallbackRunner(
            self._experiment.callbacks,
            self._run,
            self._network.engine.model,
            self._plan,
            self._state.epoch,
        )
        if self.learner.latest_is_best:
            self.reporter.say("no validation data: the last weights count as the best")
        if settings.on_nan == "restore" and self._run.saved is None:
            self._save(is_best=True)  # else there would be nothing to go back to before the first epoch's end
        self._batches = self.learner.training_feed()
        with self.reporter:
            self._say_stage()
            while True:
                try:
                    self._train(stop)
                    break
                except NotFinite as error:
                    if settings.on_nan == "stop":
                        raise NotFinite(error.event, error.advice, self._run.kept) from None
                    self._restore_last(error)
        self._callbacks.end()
        if self._profile is not None:
            self.reporter.warn("the run is too short to profile: it has only the first step, which compiles")
        if self._state.stopped:
            why = (
                "a callback asked to stop"
                if self._state.halted_by
                else "no improvement for early_stopping.patience epochs"
            )
            self.reporter.say(f"stopped early, after epoch {self._state.epoch}: {why}")

    def save_copy(self) -> bool:
        """Saves the last copied state, called from another thread while the main one is busy with a long step.

        Returns:
            whether a state is saved that the run can resume from.
        """
        with self._saving:
            if self._copy is not None:
                variables, state = self._copy
                keep = self._experiment.checkpoint.keep
                store.save(self._run, variables, state, state["best"] is None, keep, is_planned=False)
        return self._run.saved is not None

    def _train(self, stop: StopRequest | SharedStop) -> None:
        """Does epoch after epoch."""
        state, task = self._state, self._experiment.task
        monitor = self.learner.monitor
        best = Best(monitor, task.larger_is_better(monitor), state.best, self.learner.latest_is_best)
        patience = self.learner.patience()
        metrics_file = MetricsFile(self._run, state.epoch)
        settings = self._experiment.checkpoint
        due = CheckpointSchedule(settings.every_steps, settings.every_minutes, self._workers.clock)
        while not self.learner.is_finished:
            if state.means is None:
                if (number := stages.number_at(self._network.spans, state.step)) != state.stage:
                    self._enter(number)
                self._train_epoch(stop, due)
            with self.speed.beside():
                validated = None if stop else self.learner.validate(stop.__bool__)
            state.seconds = time.monotonic() - self._began
            if state.means is None or validated is None:
                stop.acknowledge()
                self.learner.check_weights()
                self._save(is_best=state.best is None, is_planned=False)
                raise Interrupted(
                    f"stopped after step {state.step}, everything is saved",
                    stop.exit_code or 130,
                    f"resume with: dltrain fit --resume {self._run.path}",
                )
            row = self._row(state.means, validated)
            is_best = best.update(row)
            state.epoch, state.means, state.best = state.epoch + 1, None, best.state
            if patience is not None and self._network.span is self._network.spans[-1]:
                patience.update(row)
                state.patience, state.stopped = patience.state, patience.exhausted
            self._follow_plateau(row)
            metrics_file.append(row)
            with self.speed.beside():
                self.tracking.epoch(row, self._network.engine.model)
                asked_to_stop = self._workers.any(self._callbacks.epoch_ended(row))
            if asked_to_stop:
                state.stopped, state.halted_by = True, to_plain(self._experiment.callbacks)
            is_planned = (
                (is_best and not self.learner.latest_is_best)
                or self.learner.is_finished
                or state.epoch % self._experiment.checkpoint.every_epochs == 0
                or due.is_due_at(state.step)
            )
            if is_planned or due.is_due_by_clock:
                self._save(is_best, is_planned)
                due.saved()
            self.speed.end_epoch()
            self._say_epoch(row)
            if self._prune_reason is not None and (why := self._prune_reason(row)) and not self.learner.is_finished:
                raise Pruned(why)

    def _enter(self, number: int) -> None:
        """Continues with another stage."""
        del self._batches
        self.learner.enter(number)
        self._copy = None
        self._adopt_network()
        self._say_stage()

    def _adopt_network(self) -> None:
        """Continues with the network that the learner has just built."""
        self._batches = self.learner.training_feed()
        self._callbacks.set_model(self._network.engine.model)

    def _train_epoch(self, stop: StopRequest | SharedStop, due: CheckpointSchedule) -> None:
        """Trains for the rest of the epoch; leaves its means unset if it is stopped before the end."""
        state = self._state
        first = state.step - state.step % self._plan.steps_per_epoch
        end = min(first + self._plan.steps_per_epoch, self._plan.total_steps)
        while state.step < end and not stop:
            if self._profile is not None and self.speed.has_begun:
                place, self._profile = self._profile, None
                finite = self._record(place, min(profiling.STEPS, end - state.step))
            else:
                count = min(self.speed.next_count, end - state.step, due.steps_left(state.step))
                with self.speed.doing(count):
                    state.step, finite = self._network.engine.train(self._batches, state.step, count)
            if not finite:
                raise self.learner.not_finite("the loss")
            if state.step < end and (due.is_due_at(state.step) or due.is_due_by_clock):
                state.seconds = time.monotonic() - self._began
                self.learner.check_weights()
                self._save(is_best=state.best is None, is_planned=due.is_due_at(state.step))
                due.saved()
            self._copy_if_slow()
            if self._callbacks:
                self._callbacks.steps_done(state.step, self._network.engine.metrics())
            if self._workers.shows_steps(self.reporter.shows_steps):
                words = metric_line(self._network.engine.metrics())
                self.reporter.step(self._title(state.epoch + 1), state.step - first, end - first, words, self._pace())
        if state.step == end:
            self.learner.check_weights()
            state.means = self._network.engine.metrics()
            self._network.engine.reset()
            if self.learner.devices.replicas > 1:
                self._network.engine.share_statistics()
            self._copy_if_slow()

    def _copy_if_slow(self) -> None:
        """Keeps a copy of the state where the next call may take longer than there is time to save after a signal."""
        self._copy = None
        if self.speed.last_seconds > SLOW_SECONDS:
            self.learner.check_weights()
            variables = {name: np.array(variable) for name, variable in self._network.variables.items()}
            self._copy = variables, dataclasses.asdict(self._state)

    def _restore_last(self, error: NotFinite) -> None:
        """Restores the last checkpoint with a smaller learning rate.

        Raises:
            NotFinite: if that was done `max_restores` times already.
        """
        restores, most = self._state.restores + 1, self._experiment.train.max_restores
        if restores > most:
            words = f"The run returned to a checkpoint {most} times, the most that train.max_restores allows."
            raise NotFinite(error.event, f"{error.advice}\n{words}", self._run.kept) from None
        # To a planned one: where a signal or the clock had the state saved is not the same in every run.
        saved = store.latest_planned(self._run)
        if saved is not None and saved.state["step"] == self._went_back_to:
            # The harm was done before it: huge weights, though finite.
            saved = store.latest_planned(self._run, before=saved.state["step"]) or saved
        if saved is None:
            words = "There is no good checkpoint to return to."
            raise NotFinite(error.event, f"{error.advice}\n{words}") from None
        self._went_back_to, stage = saved.state["step"], self._state.stage
        self.learner.restore(saved)
        self._copy = None
        if self._state.stage == stage:
            self._network.engine.forget(self._batches)
            self._batches = self._batches.at(self._state.step)
        else:
            self._adopt_network()
        if not store.make_newest(self._run, saved):
            self._state.best = None
            self.reporter.warn("the best weights are lost: the best epoch is chosen from here on")
        self._state.restores = restores
        self.learner.set_scale()
        self.reporter.warn(
            f"{error.event}; returned to the state after step {self._state.step}, the learning rate is now "
            f"{self._network.rate_at(self._state.step):.4g} (train.on_nan: restore, {restores} of {most})"
        )

    def _record(self, place: Path, count: int) -> bool:
        """Profiles some training steps; reports where the time went and returns whether the loss is finite."""
        before = self._state.step
        with profiling.recorded(place) as files:
            self._state.step, finite = self._network.engine.train(self._batches, before, count)
        self.reporter.say(profiling.words(place, files, self._state.step - before))
        return finite

    def _row(self, means: dict[str, float], validated: dict[str, float | None]) -> dict[str, Any]:
        state = self._state
        return {
            "epoch": state.epoch + 1,
            "step": state.step,
            "seconds": round(state.seconds, 3),
            "learning_rate": self._network.rate_at(state.step - 1),
            **without(means, self.learner.undefined("train")),
            **validated,
        }

    def _follow_plateau(self, row: dict[str, Any]) -> None:
        schedule = self._experiment.schedule
        first = schedule.initial_state()
        if first is None:
            return
        before = self._state.plateau or first
        larger = self._experiment.task.larger_is_better(schedule.monitor)
        self._state.plateau = after = schedule.after_epoch(row[schedule.monitor], before, larger)
        if after["scale"] != before["scale"]:
            self.learner.set_scale()
            self.reporter.say(f"plateau: the learning rate is now {self._network.rate_at(self._state.step):.4g}")

    def note_changes(self, saved: store.Checkpoint, changes: dict[str, list[Any]]) -> None:
        """Adds the changes to the state, and to the checkpoint that the run resumes from."""
        self._state.changes = [*self._state.changes, {"step": self._state.step, **changes}]
        best = self._state.best
        is_best = best is None or (best["step"], best["epoch"]) == (self._state.step, self._state.epoch)
        self._save(is_best, store.is_planned(store.own_name(self._run, saved)))

    def _save(self, is_best: bool, is_planned: bool = True) -> None:
        state, keep = dataclasses.asdict(self._state), self._experiment.checkpoint.keep
        with self.speed.beside(), self._saving:
            store.save(self._run, self._network.variables, state, is_best, keep, is_planned)
        self.reporter.detail(
            f"saved the state after step {self._state.step}" + (", the best so far" if is_best else "")
        )

    def _title(self, epoch: int) -> str:
        return f"epoch {epoch}/{math.ceil(self._plan.total_steps / self._plan.steps_per_epoch)}"

    def _pace(self) -> str:
        steps = self._plan.total_steps - self._state.step
        left = self.speed.seconds_for(steps, math.ceil(steps / self._plan.steps_per_epoch))
        if left is None or self.speed.examples_per_second is None:
            return ""
        # Before the first epoch has ended, nobody knows how long validation and checkpoints take.
        least = "" if self.speed.knows_epochs else "over "
        return f"{self.speed.examples_per_second:,.0f} examples/s  {least}{duration(left)} left"

    def _say_stage(self) -> None:
        if self._network.span.name:
            self.reporter.say(
                stages.words(self._network.span, self._network.engine.model, self._network.rate_at(self._state.step))
            )

    def _say_epoch(self, row: dict[str, Any]) -> None:
        measured = {
            name: value for name, value in row.items() if name not in ("epoch", "step", "seconds", "learning_rate")
        }
        self.reporter.say(f"{self._title(row['epoch'])}  {metric_line(measured)}  {self._pace()}".rstrip())
