"""Networks: one architecture per file, the file's stem its registered name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.registry import Choice


@dataclass(frozen=True, kw_only=True)
class Model(Choice):
    """The contract of every architecture: a builder of Keras networks, with the keys for initial and frozen weights.

    Args:
        weights: none for a random start; or pretrained weights: a run (its folder, its name, or the stem of its name),
            whose best weights are loaded; or a file: a run's checkpoint, or one that ends in .weights.h5 or .keras,
            from which only weights are read. The head starts at random if classes or targets differ. Read only when a
            run starts.
        freeze: layers that keep their weights, by name, for example `stage1_*`; their batch normalisation uses its
            moving statistics.
    """

    may_lack: ClassVar[tuple[str, ...]] = ()
    """Layers before the head that pretrained weights of another task may lack: they then start at random too."""

    weights: Path | None = None
    freeze: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        """Refuses a network's own key named `weights` or `freeze`, which would be mistaken for these.

        Only `weights` may be its own, if it has a method `initialize` for values that are not paths.

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
                    f"must rename its key `{key}`: every network has a key of that name, for initial or frozen weights",
                )

    def check(self, data: DataSpec) -> None:
        """Checks that the network accepts the data; needs no TensorFlow. By default it accepts all.

        Raises:
            KeyProblem: if it does not; several in an ExceptionGroup.
        """

    def build(self, data: DataSpec) -> Any:
        """Builds the Keras network with random weights, from raw inputs to the outputs that the data need.

        Args:
            data: the description of the training data, statistics included.

        Raises:
            Misfit: if the network cannot be built as the block says.
        """
        raise NotImplementedError

    def hint(self, word: str) -> str:
        """Returns what to say of a word for `weights` that is no run and no file, such as the nearest known one."""
        return ""

    def reads(self, path: Path) -> bool:
        """Whether `initialize` loads what is at a path that exists, which is then no run and no file of Keras's."""
        return False

    def weight_files(self, path: Path) -> list[Path]:
        """Returns the files that decide what `initialize` loads, at a path that it `reads`; for a digest."""
        return [path]

    def initialize(self, model: Any, data: DataSpec) -> None:
        """Loads the weights that `weights` names into a new network, where that is no path, or one that it `reads`.

        Args:
            model: as `build` returned it.
            data: what it was built for.

        Raises:
            UserError: if the weights cannot be downloaded or do not fit.
        """
        raise NotImplementedError
