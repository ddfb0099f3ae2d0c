"""Opening a trained run: its config, checkpoint, data, and the network with its weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from dltrain.assembly.data import compare, start, start_and_load
from dltrain.assembly.network import restored
from dltrain.assembly.out_of_memory import enough_memory
from dltrain.checkpoints import store
from dltrain.checkpoints.store import Checkpoint
from dltrain.checkpoints.training_state import TrainingState
from dltrain.config import experiment as experiments
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.data import PARTS, DataSpec, Split, Splits
from dltrain.engine.compiled_loop import Engine
from dltrain.engine.device import Devices
from dltrain.errors import CheckpointError, DataError
from dltrain.plugins import loading as plugins
from dltrain.runs.folder import Run


@dataclass(frozen=True)
class TrainedRun:
    """A run with a checkpoint.

    Args:
        run: its folder.
        config: what it trained, with what is said otherwise now.
        saved: the checkpoint.
        reporter: what says how it goes.
    """

    run: Run
    config: Config
    saved: Checkpoint
    reporter: Reporter

    @classmethod
    def open(cls, run: Run, checkpoint: str, reporter: Reporter, overrides: Sequence[str] = ()) -> Self:
        """Reads config and checkpoint, as a user asks for them.

        Args:
            run: a run.
            checkpoint: "best" or "last".
            reporter: what says how it goes.
            overrides: `key.path=value` arguments, such as device=cpu.

        Raises:
            UserError: if config or checkpoint cannot be used.
        """
        config = experiments.load(run.config, [*overrides], reads_data=False)
        return cls.of(run, config, checkpoint, reporter, is_asked=True)

    @classmethod
    def of(cls, run: Run, config: Config, checkpoint: str, reporter: Reporter, is_asked: bool = False) -> Self:
        """Does the same with a config that was loaded before.

        Args:
            run: a run.
            config: its own.
            checkpoint: "best" or "last".
            reporter: what says how it goes.
            is_asked: the user named the checkpoint, and may name another.

        Raises:
            UserError: if config or checkpoint cannot be used.
        """
        with config.blame("train"):
            config.experiment.train.examples_per_batch  # noqa: B018  (a number in a run's config, or a ValueError)
        warn_of_changed_code(run, config, reporter)
        return cls(run, config, chosen(run, checkpoint, reporter, is_asked), reporter)

    @cached_property
    def state(self) -> TrainingState:
        """What the run knew when the checkpoint was made."""
        return TrainingState.of(self.saved)

    @property
    def spec(self) -> DataSpec:
        """What the network was trained on."""
        return self.state.spec

    def start(self) -> Devices:
        """Makes the devices ready, and reads no data; raises as `assembly.data.start`."""
        return start(self.config, self.reporter)

    def begin(self) -> tuple[Devices, Splits]:
        """Makes devices and data ready; what was learnt of the training data is taken from the checkpoint.

        The data are those that the config names, which may be others by its overrides.

        Raises:
            UserError: if one of them cannot be used.
        """
        return start_and_load(self.config, self.reporter, like=lambda: self.spec)

    def own_data(self, parts: Sequence[str] = PARTS) -> tuple[Devices, Splits]:
        """Makes devices and the run's own data ready; warns where some parts have changed since.

        Raises:
            UserError: if one of them cannot be used.
            DataError: if the data are no longer such as the network takes.
        """
        devices, splits = self.begin()
        self.require_same_kind(splits)
        self.compare(splits, parts)
        return devices, splits

    def own_part(self, name: str) -> tuple[Devices, Splits, Split]:
        """Does the same for one part, "train", "validation" or "test", and returns that too."""
        devices, splits = self.begin()
        part = self.part(splits, name)
        self.require_same_kind(splits)
        self.compare(splits, [name])
        return devices, splits, part

    def part(self, splits: Splits, name: str) -> Split:
        """Returns a part of the data.

        Raises:
            DataError: if there is none of this name.
        """
        part = splits.part(name)
        if part is None:
            raise DataError(
                f"{self.run.path}: its dataset has no {name} part; choose one: --split {' or '.join(splits.parts)}"
            )
        return part

    def require_same_kind(self, splits: Splits, is_other: bool = False) -> None:
        """Makes sure that data are such as the network takes.

        Args:
            splits: the data.
            is_other: they are not meant to be the run's own.

        Raises:
            DataError: if they are not.
        """
        if words := self.spec.mismatch(splits.spec):
            whose = "the other data do not fit" if is_other else "its data have changed"
            raise DataError(f"{self.run.path}: {whose}: {words}")

    def compare(self, splits: Splits, parts: Sequence[str] = PARTS) -> None:
        """Warns of parts whose content has changed since the checkpoint; DataError under `strict`."""
        compare(self.config, splits, self.saved, self.reporter, parts)

    def network(self, devices: Devices) -> Engine:
        """Returns what measures the network, with the checkpoint's weights in place; it is not to be trained.

        Raises:
            UserError: if the checkpoint is not of this network.
            TrainingError: if memory runs out.
        """
        with enough_memory(self.config):
            return restored(self.config, self.saved, devices)


def warn_of_changed_code(run: Run, config: Config, reporter: Reporter) -> None:
    """Warns where a plugin of the run's config is no longer the file that the run began with."""
    for file, content in plugins.of(config.experiment.plugins).items():
        kept = run.plugins / file.name
        if kept.is_file() and not plugins.is_copy(kept, content):
            reporter.warn(f"{file} differs from {kept}, with which the run began: the present file is used")


def chosen(run: Run, checkpoint: str, reporter: Reporter, is_asked: bool = False) -> Checkpoint:
    """Reads a checkpoint; in place of a damaged `last`, with a warning, the one before it.

    Args:
        run: a run.
        checkpoint: "best" or "last".
        reporter: what warns.
        is_asked: the user named the checkpoint, and may name another.

    Raises:
        CheckpointError: if none can be used.
    """
    if checkpoint == "last":
        saved, troubles = store.latest(run)
        for trouble in troubles:
            reporter.warn(f"{trouble}; used instead: {saved.path}" if is_asked else trouble)
        return saved
    try:
        return store.load(run, checkpoint)
    except CheckpointError as error:
        if not is_asked:
            raise
        try:
            store.latest(run)
        except CheckpointError:
            raise CheckpointError(f"{error}; there is no other that can be used: start a new run") from None
        raise CheckpointError(f"{error}\n`--checkpoint last` uses the newest checkpoint that can be read") from None
