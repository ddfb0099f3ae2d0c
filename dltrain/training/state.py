"""What a run must know to go on exactly where it is."""

from dataclasses import dataclass, field
from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import CheckpointError
from dltrain.training.checkpoints import Saved


@dataclass
class State:
    """All of it beside the variables; part of every checkpoint.

    Args:
        data: what the dataset says of itself, its statistics included: the model is built again from this.
        examples: of the training part: with another number, steps would be others.
        step: steps done.
        epoch: epochs done.
        seconds: time spent, over all resumes.
        means: the epoch's training loss and metrics, once its last step is done and until its row is written.
        best: what `Best` keeps.
        patience: what `Patience` keeps.
        plateau: what the plateau schedule keeps.
        stopped: early stopping has ended the run.
        restores: how often a loss that was not finite sent the run back.
        changes: what was changed when the run went on: {"step": steps done, key: [before, after]}.
    """

    data: dict[str, Any]
    examples: int
    step: int = 0
    epoch: int = 0
    seconds: float = 0.0
    means: dict[str, float] | None = None
    best: dict[str, Any] | None = None
    patience: dict[str, Any] | None = None
    plateau: dict[str, Any] | None = None
    stopped: bool = False
    restores: int = 0
    changes: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, saved: Saved) -> "State":
        """Returns the state that a checkpoint holds.

        Raises:
            CheckpointError: if it is not as this version of dltrain writes it.
        """
        try:
            state = cls(**saved.state)
            DataSpec.from_plain(state.data)
        except (TypeError, AttributeError) as error:
            words = str(error).replace("__init__() ", "")
            raise CheckpointError(f"{saved.path}: was written by another version of dltrain: {words}") from None
        return state

    @property
    def spec(self) -> DataSpec:
        """What the dataset says of itself."""
        return DataSpec.from_plain(self.data)
