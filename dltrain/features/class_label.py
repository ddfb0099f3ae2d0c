"""One class."""

from __future__ import annotations

from typing import Any, ClassVar

from dltrain.data.feature import Encoded, Feature, Groups, fitted
from dltrain.lazy import np
from dltrain.registry import FEATURES


@FEATURES.register("class_label")
class ClassLabel(Feature):
    """One class per example, stored as its position among the classes, int32.

    Args:
        class_names: the classes, in the order of their integer labels.
    """

    dtype: ClassVar = "int32"
    task: ClassVar[str] = "classification"

    class_names: tuple[str, ...] = fitted(())

    @property
    def shape(self) -> tuple[()]:
        """A whole number."""
        return ()

    def encode(self, raws: Any) -> Encoded:
        """Returns the positions of class names; a name that is no class cannot be used."""
        places = {name: place for place, name in enumerate(self.class_names)}
        problems = {row: f"no class {raw!r}" for row, raw in enumerate(raws) if raw not in places}
        return Encoded(np.array([places[raw] for raw in raws if raw in places], np.int32), problems)

    def decode(self, stored: Any) -> list[str]:
        """Returns the classes' names."""
        return [self.class_names[label] for label in np.asarray(stored).tolist()]

    def groups(self, stored: Any) -> Groups:
        """Returns the examples of each class."""
        return Groups(self.class_names, np.asarray(stored))

    @property
    def has_columns(self) -> bool:
        """Always."""
        return True

    def column(self, index: int) -> str:
        """Returns what a class is called in messages."""
        return "the class"

    def columns_of(self, stored: Any) -> np.ndarray:
        """Returns the position of each class, (examples, 1)."""
        return np.asarray(stored)[:, None]

    def identity(self) -> tuple[str, ...]:
        """Returns the names."""
        return self.class_names
