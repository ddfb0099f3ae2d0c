"""The epochs of a run: train, validate, note, save, until the end or until told to stop."""

import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.config.experiment import Config
from dltrain.data import Split, Splits
from dltrain.errors import Interrupted, TrainingError
from dltrain.lazy import tf
from dltrain.runs.folder import Run
from dltrain.schedules import learning_rate
from dltrain.training import checkpoints, profiling
from dltrain.training.callbacks import Best, MetricsFile, Patience
from dltrain.training.device import Devices
from dltrain.training.engine import shortest
from dltrain.training.pipeline import Feed, Order, Preparation, feed
from dltrain.training.progress import Reporter, clock, words_for
from dltrain.training.setup import assemble, check_monitors, monitor_of, plan_for
from dltrain.training.signals import StopRequest
from dltrain.training.speed import Speed


@dataclass
class State:
    """What a run needs, beside its variables, to go on exactly where it is; part of every checkpoint.

    Args:
        data: what the dataset says of itself, its statistics included: the model is built again from this.
        step: steps done.
        epoch: epochs done.
        seconds: time spent, over all resumes.
        means: the epoch's training loss and metrics, once its last step is done and until its row is written.
        best: what `Best` keeps.
        patience: what `Patience` keeps.
        plateau: what the plateau schedule keeps.
        stopped: early stopping has ended the run.
    """

    data: dict[str, Any]
    step: int = 0
    epoch: int = 0
    seconds: float = 0.0
    means: dict[str, float] | None = None
    best: dict[str, Any] | None = None
    patience: dict[str, Any] | None = None
    plateau: dict[str, Any] | None = None
    stopped: bool = False


class Training:
    """A network, its data and its state: set up once, used in every epoch.

    Args:
        config: what to do.
        splits: the data, loaded.
        devices: where to do it.
        reporter: what says how it goes.

    Raises:
        ConfigError: if config, data and devices do not fit together.
    """

    def __init__(self, config: Config, splits: Splits, devices: Devices, reporter: Reporter) -> None:
        self.experiment = experiment = config.experiment
        self.splits, self.devices, self.reporter = splits, devices, reporter
        self.plan = plan_for(config, splits, devices)
        check_monitors(config, splits)
        self.state = State(dataclasses.asdict(splits.spec))
        self.speed = Speed(experiment.train.batch_size)
        self._profile: Path | None = None
        with devices.strategy.scope():
            self._scale = tf.Variable(1.0, trainable=False)  # the plateau schedule's share in the learning rate
        self._rate = learning_rate(experiment.schedule, experiment.optimizer.learning_rate, self.plan, self._scale)
        self.engine = assemble(experiment, splits.spec, devices, self._rate)
        self._validation = self.evaluation_feed(splits.validation) if splits.validation else None
        self.engine.build(self._validation or self.evaluation_feed(splits.train))

    @property
    def variables(self) -> dict[str, Any]:
        """All variables that training changes, by name."""
        model = self.engine.model
        return checkpoints.named_variables(
            model=model.variables, optimizer=model.optimizer.variables, metrics=model.metrics_variables
        )

    @property
    def parameters(self) -> int:
        """The number of trainable weights."""
        return sum(math.prod(weight.shape) for weight in self.engine.model.trainable_weights)

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train, and no epoch whose row is still to be written."""
        state = self.state
        return state.stopped or (state.step >= self.plan.total_steps and state.means is None)

    def restore(self, saved: checkpoints.Saved) -> None:
        """Puts variables and state where they were when the checkpoint was made."""
        checkpoints.restore(saved, self.variables)
        self.state = State(**saved.state)
        if self.state.plateau is not None:
            self._scale.assign(self.state.plateau["scale"])
        patience = self._patience()  # which may be larger now than when it was used up
        self.state.stopped = patience is not None and patience.exhausted

    def training_feed(self, part: Split | None = None) -> Feed:
        """Returns the training part's batches, from the one after the steps that are done.

        Args:
            part: train on this share of it alone.
        """
        experiment, spec, train = self.experiment, self.splits.spec, part or self.splits.train
        preparation = Preparation(
            [augmentation.build(spec) for augmentation in experiment.augment],
            experiment.task.weights(spec, self.splits.train.targets),
            experiment.seed,
        )
        order = Order(len(train), experiment.train.batch_size, self.devices.replicas, experiment.seed)
        return feed(train, order, preparation, self.devices.strategy, self.state.step)

    def evaluation_feed(self, split: Split) -> Feed:
        """Returns a part's batches, in their order and as they are."""
        return evaluation_feed(split, self.experiment.train.batch_size, self.devices)

    def run(self, run: Run, began: float, profile: bool = False) -> None:
        """Trains from the present state to the end.

        Args:
            run: the folder that metrics and checkpoints go to.
            began: when this process began to work for the run, by time.monotonic().
            profile: record some steps after the first.

        Raises:
            Interrupted: a signal asked to stop; the state is saved.
            TrainingError: the loss is not finite, or something cannot be written.
        """
        state, task = self.state, self.experiment.task
        self._profile = run.profile if profile else None
        began -= state.seconds
        monitor = monitor_of(self.experiment.checkpoint, self.experiment, self.splits)
        # A loss on the training data alone cannot tell which weights are better on others: unless asked to, none tries.
        is_latest = self._validation is None and self.experiment.checkpoint.monitor is None
        best = Best(monitor, task.larger_is_better(monitor), state.best, is_latest)
        patience = self._patience()
        metrics_file = MetricsFile(run, state.step)
        batches = self.training_feed()
        if is_latest:
            self.reporter.say("no validation data: the last weights are the best")
        with StopRequest() as stop, self.reporter:
            while not self.is_finished:
                if state.means is None:
                    self._train_epoch(batches, stop)
                validated = None if stop else self._validate(stop)
                state.seconds = time.monotonic() - began
                if state.means is None or validated is None:
                    self._save(run, is_best=state.best is None)
                    raise Interrupted(
                        f"stopped after step {state.step}, all saved; go on with: dltrain fit --resume {run.path}",
                        stop.exit_code or 130,
                    )
                row = self._row(state.means, validated)
                is_best = best.update(row)
                state.epoch, state.means, state.best = state.epoch + 1, None, best.state
                if patience is not None:
                    patience.update(row)
                    state.patience, state.stopped = patience.state, patience.exhausted
                self._follow_plateau(row)
                metrics_file.append(row)
                if is_best or self.is_finished or state.epoch % self.experiment.checkpoint.every_epochs == 0:
                    self._save(run, is_best)
                self._say_epoch(row)
        if self._profile is not None:
            self.reporter.warn("too short to be profiled: nothing runs after the first step, which compiles")
        if state.stopped:
            self.reporter.say(f"stopped early, after epoch {state.epoch}: early_stopping.patience is used up")

    def _train_epoch(self, batches: Feed, stop: StopRequest) -> None:
        """Does the rest of the epoch; its means stay unset if it is stopped before the end."""
        state = self.state
        first = state.step - state.step % self.plan.steps_per_epoch
        end = min(first + self.plan.steps_per_epoch, self.plan.total_steps)
        while state.step < end and not stop:
            if self._profile is not None and self.speed.has_begun:
                place, self._profile = self._profile, None
                finite = self._record(place, batches, min(profiling.STEPS, end - state.step))
            else:
                count = min(self.speed.next_count, end - state.step)
                with self.speed.doing(count):
                    state.step, finite = self.engine.train(batches, state.step, count)
            if not finite:
                raise self._not_finite()
            if self.reporter.shows_steps:
                words = f"{words_for(self.engine.metrics())}  {self._pace()}"
                self.reporter.step(self._title(state.epoch + 1), state.step - first, end - first, words)
        if state.step == end:
            state.means = self.engine.metrics()
            self.engine.reset()

    def _record(self, place: Path, batches: Feed, count: int) -> bool:
        """Trains for some steps, recorded; says where the time went and returns whether the loss is finite."""
        before = self.state.step
        with profiling.recorded(place):
            self.state.step, finite = self.engine.train(batches, before, count)
        self.reporter.say(profiling.words(place, self.state.step - before))
        return finite

    def _validate(self, stop: StopRequest) -> dict[str, float] | None:
        if self._validation is None:
            return {}
        metrics = self.engine.evaluate(self._validation, stop.__bool__)
        return None if metrics is None else {f"val_{name}": value for name, value in metrics.items()}

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
            self._scale.assign(after["scale"])
            self.reporter.say(f"plateau: learning rate now {self._rate_at(self.state.step):.4g}")

    def _save(self, run: Run, is_best: bool) -> None:
        checkpoints.save(run, self.variables, dataclasses.asdict(self.state), is_best, self.experiment.checkpoint.keep)
        self.reporter.detail(f"saved the state after step {self.state.step}" + (", the best so far" if is_best else ""))

    def _rate_at(self, step: int) -> float:
        return shortest(self._rate(step))

    def _not_finite(self) -> TrainingError:
        step = self.state.step
        return TrainingError(
            f"the loss is not finite at step {step} (epoch {self.state.epoch + 1}), "
            f"learning rate {self._rate_at(step - 1):.4g}; the last checkpoint stands.\n"
            f"Try a smaller optimizer.learning_rate{self._warm_up_words()} or optimizer.global_clipnorm=1; "
            "look for NaN and huge values in the data."
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

    def _say_epoch(self, row: dict[str, Any]) -> None:
        measured = {
            name: value for name, value in row.items() if name not in ("epoch", "step", "seconds", "learning_rate")
        }
        self.reporter.say(f"{self._title(row['epoch'])}  {words_for(measured)}  {self._pace()}".rstrip())


def evaluation_feed(split: Split, batch_size: int, devices: Devices) -> Feed:
    """Returns a part's batches, in their order and as they are."""
    order = Order(len(split), batch_size, devices.replicas)
    return feed(split, order, Preparation(), devices.strategy)
