"""The state from which a run resumes exactly where it stopped."""

import types
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin, get_type_hints

from dltrain.checkpoints.store import Checkpoint
from dltrain.data import DataSpec
from dltrain.errors import CheckpointError
from dltrain.features._earlier import data_of

_BEST = {"monitor", "value", "epoch", "step"}


_PATIENCE = {"monitor", "best", "wait"}


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
    best: dict[str, Any] | None = None
    patience: dict[str, Any] | None = None
    plateau: dict[str, Any] | None = None
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
            state = cls(**saved.state)
            for name, hint in get_type_hints(cls).items():
                if not _fits(getattr(state, name), hint):
                    raise TypeError(f"TrainingState.{name} is of another type")
            for value, keys in ((state.best, _BEST), (state.patience, _PATIENCE)):
                if value is not None and value.keys() != keys:
                    raise TypeError(f"TrainingState must have {sorted(keys)}")
            data_of(state.data)
        except (TypeError, AttributeError) as error:
            words = str(error).replace("__init__() ", "")
            raise CheckpointError(f"{saved.path}: was written by another version of dltrain: {words}") from None
        return state

    @property
    def spec(self) -> DataSpec:
        """The description of the data."""
        return data_of(self.data)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value that was read as JSON has a type; a whole number counts as a number."""
    if isinstance(hint, types.UnionType):
        return any(_fits(value, alternative) for alternative in get_args(hint))
    kind = get_origin(hint) or hint
    return isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
