"""The state from which a run resumes exactly where it stopped."""

from dataclasses import dataclass, field
from typing import Any, TypedDict

from dltrain.checkpoints.store import Checkpoint
from dltrain.data import DataSpec
from dltrain.data.plain_types import misfit
from dltrain.errors import CheckpointError
from dltrain.features._earlier import data_of
from dltrain.untrusted import Unreadable, parsing


class BestState(TypedDict):
    """The state of `Best`: what was best, by which column, and when."""

    monitor: str
    value: float
    epoch: int
    step: int


class PatienceState(TypedDict):
    """The state of `Patience`: by which column, the best value, and for how many epochs there was none."""

    monitor: str
    best: float | None
    wait: int


@dataclass
class TrainingState:
    """The state beside the variables; part of every checkpoint.

    Args:
        data: the description of the data with its statistics, from which the model is rebuilt.
        examples: number of training examples; another number would change the steps.
        targets: a digest of the train part's targets.
        step: steps done.
        epoch: epochs done.
        stage: the stage of the variables, counted from 0; between two stages, the earlier one until the next one
            starts.
        seconds: time spent, over all resumes.
        means: the epoch's training loss and metrics, once its last step is done and until its row is written.
        best: the state of `Best`.
        patience: the state of `Patience`.
        plateau: the state of the plateau schedule.
        stopped: early stopping, or a callback, has ended the run.
        halted_by: the config's `callbacks` if one of them asked to stop; otherwise none.
        restores: how often the run returned to a checkpoint because the loss was not finite.
        fingerprint: a hash of the content of each part of the data, by the part's name; empty where unknown.
        changes: the keys that were changed when the run resumed: {"step": steps done, key: [before, after]}.
    """

    data: dict[str, Any]
    examples: int
    targets: str
    step: int = 0
    epoch: int = 0
    stage: int = 0
    seconds: float = 0.0
    means: dict[str, float] | None = None
    best: BestState | None = None
    patience: PatienceState | None = None
    plateau: dict[str, float | None] | None = None
    stopped: bool = False
    halted_by: list[dict[str, Any]] | None = None
    restores: int = 0
    fingerprint: dict[str, str] = field(default_factory=dict)
    changes: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, saved: Checkpoint) -> "TrainingState":
        """Reads the training state of a checkpoint.

        Raises:
            CheckpointError: if it is not as this version of dltrain writes it.
        """
        try:
            with parsing():
                state = cls(**saved.state)
                if (path := misfit(state, cls, cls.__name__)) is not None:
                    raise TypeError(f"{path} is of another type")
                counts = (state.examples, state.step, state.epoch, state.stage, state.restores)
                if min(counts) < 0 or any(not isinstance(change.get("step"), int) for change in state.changes):
                    raise TypeError(f"{cls.__name__} has a count that is none")
                data_of(state.data)
        except Unreadable as error:
            words = str(error).replace("__init__() ", "")
            raise CheckpointError(f"{saved.path}: was written by another version of dltrain: {words}") from None
        return state

    @property
    def spec(self) -> DataSpec:
        """The description of the data."""
        return data_of(self.data)
