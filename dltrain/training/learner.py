"""What a run trains, and how far it is: Learner."""

from collections.abc import Callable, Mapping

from dltrain.assembly.batches import evaluation_feed, preparation, training_order, weight_means, weighted
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
from dltrain.wording import number

RESTORE_FACTOR = 0.5
"""Factor of the learning rate each time that a run returns to a checkpoint because the loss is not finite."""


class Learner:
    """A network, the data that it is trained on, and the state of the training.

    `measured` holds the names of the loss and of all metrics.

    Args:
        config: the experiment.
        splits: the data, loaded.
        devices: the devices to train on.
        reporter: for messages and progress.
        fresh: no checkpoint will be restored: the network gets its initial weights.
        stage: the stage to start in, counted from 0.

    Raises:
        ConfigError: if config, data and devices do not fit together.
        UserError: if the initial weights cannot be used.
    """

    def __init__(
        self,
        config: Config,
        splits: Splits,
        devices: Devices,
        reporter: Reporter,
        fresh: bool = False,
        stage: int = 0,
    ) -> None:
        self.experiment, self.splits, self.devices, self.reporter = config.experiment, splits, devices, reporter
        self.plan = plan_for(config, splits, devices.replicas)
        self._validation = self.evaluation_feed(splits.validation) if splits.validation else None
        self.network = StagedNetwork(config, splits, devices, self.plan, stage, fresh)
        targets = targets_digest(splits.train)
        self.state = TrainingState(splits.spec.plain(), len(splits.train), targets, fingerprint=splits.fingerprint)
        self.state.stage = stage
        self._check_monitor()
        self._weight_means = weight_means(self.experiment, splits.train)
        for target, mean in self._weight_means.items():
            reporter.say(
                f"sample weights{f' of {target}' * bool(target)} are divided by their mean over the train part, "
                f"{number(mean)}; train.normalize_weights=false takes them as they are"
            )
        for part in PARTS:
            for sentence in words(part, self.undefined(part)):
                reporter.warn(sentence)

    def _check_monitor(self) -> None:
        """Checks that the network's own steps report the monitored metric, as a user's `train_step` may not.

        Raises:
            ConfigError: if they do not.
        """
        task = self.experiment.task
        self.measured = list(dict.fromkeys([*self.network.engine.metrics(), *task.part_metrics]))
        columns = list(self.network.engine.metrics())
        if self._validation is not None:
            neither = {*task.metric_names} - {*task.monitored_names}
            columns += [f"val_{name}" for name in self.measured if name not in neither]
        if self.monitor not in columns:
            reports = f"which is what {self.experiment.model.registered_name} reports"
            words = f"must be one of {', '.join(columns)}, {reports}, got {self.monitor!r}"
            raise ConfigError([KeyProblem("checkpoint.monitor", words)])

    @property
    def monitor(self) -> str:
        """The column of metrics.csv by which the best epoch is chosen."""
        return monitor_of(self.experiment.checkpoint, self.experiment, self.splits)

    @property
    def latest_is_best(self) -> bool:
        """Whether the latest epoch counts as the best: without validation data, unless the config names a monitor."""
        return self._validation is None and self.experiment.checkpoint.monitor is None

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train, and no epoch whose row is still to be written."""
        state = self.state
        return state.stopped or (state.step >= self.plan.total_steps and state.means is None)

    def undefined(self, part: str) -> dict[str, str]:
        """Returns the metrics that are undefined on a part, and why; of the train part those of training."""
        split, task, data = self.splits.part(part), self.experiment.task, self.splits.spec
        if split is None:
            return {}
        return task.undefined(data, task.training_part(data, split) if part == "train" else split)

    def patience(self) -> Patience | None:
        """Returns the state of early stopping; none where nothing stops early."""
        settings = self.experiment.early_stopping
        if settings is None:
            return None
        monitor = monitor_of(settings, self.experiment, self.splits)
        larger = self.experiment.task.larger_is_better(monitor)
        return Patience(settings.patience, settings.min_delta, monitor, larger, self.state.patience)

    def training_feed(self, part: Split | None = None) -> Feed:
        """Returns the train part's batches, starting after the finished steps.

        Args:
            part: train only on this part of the training data.
        """
        train = self.experiment.task.training_part(self.splits.spec, part or self.splits.train)
        train = weighted(train, self._weight_means)
        order = training_order(self.experiment, self.splits.spec, train, self.devices)
        prepare = preparation(self.experiment, self.splits, self.network.span.settings)
        return feed(train, order, prepare, self.devices.strategy, self.state.step)

    def evaluation_feed(self, split: Split) -> Feed:
        """Returns a part's batches, in their order and as they are."""
        return evaluation_feed(self.experiment, self.splits.spec, split, self.devices)

    def evaluated(self, part: str, feed: Feed, stopped: Callable[[], bool]) -> dict[str, float | None] | None:
        """Returns loss and metrics of a part with the present weights; none once `stopped` is true.

        Args:
            part: "train", "validation" or "test".
            feed: its batches.
            stopped: asked now and then.
        """
        task, data, split = self.experiment.task, self.splits.spec, self.splits.parts[part]
        return evaluated(self.network.measured, task, data, part, split, feed, stopped)

    def validate(self, stopped: Callable[[], bool]) -> dict[str, float | None] | None:
        """Measures the validation part; returns columns of metrics.csv, {} where there is no such part.

        Args:
            stopped: asked now and then; once true, it is given up, and returns none.
        """
        if self._validation is None:
            return {}
        with self.network.engine.averaged():
            metrics = self.evaluated("validation", self._validation, stopped)
        return None if metrics is None else {f"val_{name}": value for name, value in metrics.items()}

    def enter(self, stage: int) -> None:
        """Continues with another stage, counted from 0."""
        self.network.enter(stage)
        self.state.stage = stage

    def restore(self, saved: store.Checkpoint) -> None:
        """Restores variables and state from a checkpoint."""
        state = TrainingState.of(saved)
        if state.stage != self.state.stage:
            self.network.build(state.stage)
        store.restore(saved, self.network.variables)
        self.state = state
        state.fingerprint = self.splits.fingerprint  # of what is trained on from here on
        initial = self.experiment.schedule.initial_state()
        if state.plateau is not None and (initial is None or not _are_alike(initial, state.plateau)):
            state.plateau = None  # of a schedule that the run no longer has
        self.set_scale()
        patience = self.patience()  # which may be larger now than when it was used up
        if state.halted_by != to_plain(self.experiment.callbacks):
            state.halted_by = None
        state.stopped = state.halted_by is not None or (patience is not None and patience.exhausted)

    def set_scale(self) -> None:
        """Applies the reductions by plateaus and restores to the learning rate."""
        plateau = 1.0 if self.state.plateau is None else self.state.plateau["scale"] or 0.0
        self.network.scale_rate(plateau * RESTORE_FACTOR**self.state.restores)

    def check_weights(self) -> None:
        """Checks that all weights are finite before a checkpoint is made: the loss shows it only one step later.

        Raises:
            NotFinite: if a weight is NaN or infinite.
        """
        if (path := self.network.lost_weight) is not None:
            raise self.not_finite(f"the weight {path}")

    def not_finite(self, what: str) -> NotFinite:
        """Returns the error for a value that is not finite."""
        step = self.state.step
        return not_finite(what, self.experiment, self.plan, step, self.network.rate_at(step - 1))


def _are_alike(initial: Mapping[str, float | None], state: Mapping[str, float | None]) -> bool:
    """Whether a state has the numbers that a schedule's first one has."""
    return initial.keys() == state.keys() and all(initial[key] is None or state[key] is not None for key in state)
