"""What a run must know to resume exactly where it is."""

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
    """All of it beside the variables; part of every checkpoint.

    Args:
        data: what the dataset says of itself, its statistics included: the model is built again from this.
        examples: of the training part: with another number, steps would be others.
        targets: a digest of the training part's targets.
        step: steps done.
        epoch: epochs done.
        stage: of which the variables are, counted from 0; the stage before the one that begins with the next step,
            until that begins.
        seconds: time spent, over all resumes.
        means: the epoch's training loss and metrics, once its last step is done and until its row is written.
        best: what `Best` keeps.
        patience: what `Patience` keeps.
        plateau: what the plateau schedule keeps.
        stopped: early stopping, or a callback, has ended the run.
        halted_by: the callbacks of which one asked to stop, as the config has them; none where none did.
        restores: how often a loss that was not finite sent the run back.
        fingerprint: a hash of the content of each part of the data, by its name; empty where it is not known.
        changes: what was changed when the run went on: {"step": steps done, key: [before, after]}.
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
        """Returns the state that a checkpoint holds.

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
        """What the dataset says of itself."""
        return data_of(self.data)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value that was read as JSON is of a type: a whole number may stand for a number."""
    if isinstance(hint, types.UnionType):
        return any(_fits(value, alternative) for alternative in get_args(hint))
    kind = get_origin(hint) or hint
    return isinstance(value, (int, float) if kind is float else kind) and (kind is bool or not isinstance(value, bool))
