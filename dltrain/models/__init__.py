"""Networks: one architecture per file, the file's stem its registered name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.registry import Choice


@dataclass(frozen=True, kw_only=True)
class Model(Choice):
    """What every architecture is: a builder of Keras networks, with the keys that say how training begins.

    Args:
        weights: none for a random start; a run (its folder, name or stem in the folder of runs), whose best weights are
            taken; or a file: a run's checkpoint, or one that ends in .weights.h5 or .keras, of which only weights are
            read. The head begins anew where classes or targets are others. Read when a run begins, not after.
        freeze: layers whose weights stay as they are, by name, as in `stage1_*`; batch normalisation then goes by its
            moving statistics.
    """

    weights: Path | None = None
    freeze: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        """Refuses a network's own key of such a name, which would be taken for this one.

        Only `weights` may be its own, where it has a method `initialize` that takes up what is no path.

        Raises:
            ValueError: if there is one.
        """
        own = {
            key for each in cls.__mro__ if each not in Model.__mro__ for key in vars(each).get("__annotations__", {})
        }
        initializes = cls.initialize is not Model.initialize
        for key in ("weights", "freeze"):
            if key in own and not (key == "weights" and initializes):
                raise KeyProblem(
                    cls.__name__,
                    f"must call its `{key}` otherwise: every network has a key of that name, "
                    "which says how training begins",
                )

    def check(self, data: DataSpec) -> None:
        """Makes sure that the network can take the data; needs no TensorFlow. By default it takes all.

        Raises:
            KeyProblem: if it cannot; several in an ExceptionGroup.
        """

    def build(self, data: DataSpec) -> Any:
        """Returns the Keras network with random weights, from raw inputs to the outputs that the data ask for.

        Args:
            data: what the network will be trained on, its statistics included.

        Raises:
            Misfit: if it cannot be built as the block says.
        """
        raise NotImplementedError

    def initialize(self, model: Any) -> None:
        """Gives a network that was just built the weights that `weights` names, where that is no path.

        Args:
            model: as `build` returned it.

        Raises:
            UserError: if they cannot be had or do not fit.
        """
        raise NotImplementedError
