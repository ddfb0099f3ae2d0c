"""What a run trains, and how far it is: Learner."""

from collections.abc import Callable

from dltrain.assembly.batches import evaluation_feed, preparation, training_order
from dltrain.assembly.contract import monitor_of, plan_for
from dltrain.assembly.data import targets_digest
from dltrain.checkpoints import store
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config.experiment import Config, to_plain
from dltrain.console import Reporter
from dltrain.data import PARTS, Split, Splits
from dltrain.engine.device import Devices
from dltrain.engine.feeds import Feed, feed
from dltrain.errors import ConfigError, KeyProblem
from dltrain.inference.part_metrics import evaluated, words
from dltrain.training.early_stopping import Patience
from dltrain.training.finiteness import NotFinite, not_finite
from dltrain.training.staged_network import StagedNetwork

RESTORE_FACTOR = 0.5
"""What the learning rate is multiplied by each time that a run goes back because of a loss that is not finite."""


class Learner:
    """A network, the data that it learns from, and the state that is saved of both.

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
        self.experiment, self.splits, self.devices, self.reporter = config.experiment, splits, devices, reporter
        self.plan = plan_for(config, splits, devices.replicas)
        self._validation = self.evaluation_feed(splits.validation) if splits.validation else None
        self.network = StagedNetwork(config, splits, devices, self.plan, stage, anew)
        targets = targets_digest(splits.train)
        self.state = TrainingState(splits.spec.plain(), len(splits.train), targets, fingerprint=splits.fingerprint)
        self.state.stage = stage
        self._require_monitor()
        for part in PARTS:
            for sentence in words(part, self.undefined(part)):
                reporter.warn(sentence)

    def _require_monitor(self) -> None:
        """Makes sure that the network's own steps report what decides on the best epoch, as a user's may not.

        Raises:
            ConfigError: if they do not.
        """
        columns = list(self.network.engine.metrics())
        if self._validation is not None:
            columns += [f"val_{name}" for name in [*columns, *self.experiment.task.part_metrics]]
        if self.monitor not in columns:
            reports = f"which is what {self.experiment.model.registered_name} reports"
            words = f"must be one of {', '.join(columns)}, {reports}, got {self.monitor!r}"
            raise ConfigError([KeyProblem("checkpoint.monitor", words)])

    @property
    def monitor(self) -> str:
        """The column of metrics.csv that says which epoch is best."""
        return monitor_of(self.experiment.checkpoint, self.experiment, self.splits)

    @property
    def latest_is_best(self) -> bool:
        """A loss on the training data cannot tell which weights are better on others: unless asked to, none tries."""
        return self._validation is None and self.experiment.checkpoint.monitor is None

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train, and no epoch whose row is still to be written."""
        state = self.state
        return state.stopped or (state.step >= self.plan.total_steps and state.means is None)

    def undefined(self, part: str) -> dict[str, str]:
        """Returns which metrics a part cannot have, and why."""
        split = self.splits.part(part)
        return self.experiment.task.undefined(self.splits.spec, split) if split else {}

    def patience(self) -> Patience | None:
        """Returns what early stopping remembers; none where nothing stops early."""
        settings = self.experiment.early_stopping
        if settings is None:
            return None
        monitor = monitor_of(settings, self.experiment, self.splits)
        larger = self.experiment.task.larger_is_better(monitor)
        return Patience(settings.patience, settings.min_delta, monitor, larger, self.state.patience)

    def training_feed(self, part: Split | None = None) -> Feed:
        """Returns the training part's batches, from the one after the steps that are done.

        Args:
            part: train on this share of it alone.
        """
        train = part or self.splits.train
        order = training_order(self.experiment, self.splits.spec, train, self.devices)
        prepare = preparation(self.experiment, self.splits, self.network.span.settings)
        return feed(train, order, prepare, self.devices.strategy, self.state.step)

    def evaluation_feed(self, split: Split) -> Feed:
        """Returns a part's batches, in their order and as they are."""
        return evaluation_feed(self.experiment, self.splits.spec, split, self.devices)

    def evaluated(self, part: str, feed: Feed, stopped: Callable[[], bool]) -> dict[str, float] | None:
        """Returns loss and metrics of a part with the present weights; none once `stopped` is true.

        Args:
            part: "train", "validation" or "test".
            feed: its batches.
            stopped: asked now and then.
        """
        task, data, split = self.experiment.task, self.splits.spec, self.splits.parts[part]
        return evaluated(self.network.measured, task, data, part, split, feed, stopped)

    def validate(self, stopped: Callable[[], bool]) -> dict[str, float] | None:
        """Returns loss and metrics of the validation part, as columns of metrics.csv; {} where there is no such part.

        Args:
            stopped: asked now and then; once true, it is given up, and returns none.
        """
        if self._validation is None:
            return {}
        with self.network.engine.averaged():
            metrics = self.evaluated("validation", self._validation, stopped)
        return None if metrics is None else {f"val_{name}": value for name, value in metrics.items()}

    def enter(self, stage: int) -> None:
        """Goes on with another stage."""
        self.network.enter(stage)
        self.state.stage = stage

    def restore(self, saved: store.Checkpoint) -> None:
        """Puts variables and state where they were when the checkpoint was made."""
        state = TrainingState.of(saved)
        if state.stage != self.state.stage:
            self.network.build(state.stage)
        store.restore(saved, self.network.variables)
        self.state = state
        state.fingerprint = self.splits.fingerprint  # of what is trained on from here on
        if self.experiment.schedule.initial_state() is None:
            state.plateau = None  # of a schedule that the run no longer has
        self.set_scale()
        patience = self.patience()  # which may be larger now than when it was used up
        if state.halted_by != to_plain(self.experiment.callbacks):
            state.halted_by = None
        state.stopped = state.halted_by is not None or (patience is not None and patience.exhausted)

    def set_scale(self) -> None:
        """Brings the learning rate to what plateaus and restores have left of it."""
        plateau = 1.0 if self.state.plateau is None else self.state.plateau["scale"]
        self.network.scale_rate(plateau * RESTORE_FACTOR**self.state.restores)

    def check_weights(self) -> None:
        """Makes sure that no checkpoint is made of weights that are lost: the loss shows it one step later only.

        Raises:
            NotFinite: if a weight is NaN or infinite.
        """
        if (path := self.network.lost_weight) is not None:
            raise self.not_finite(f"the weight {path}")

    def not_finite(self, what: str) -> NotFinite:
        """Returns the error that says that something is not finite."""
        step = self.state.step
        return not_finite(what, self.experiment, self.plan, step, self.network.rate_at(step - 1))
