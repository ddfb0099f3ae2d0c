"""Any number of labels."""

from __future__ import annotations

from typing import Any, ClassVar

from dltrain.data.feature import Encoded, Feature, Groups, fitted
from dltrain.lazy import np
from dltrain.registry import FEATURES


@FEATURES.register("labels")
class Labels(Feature):
    """Labels of which an example may have any, stored as 0 or 1 for each, float32.

    Args:
        class_names: the labels.
    """

    task: ClassVar[str] = "multilabel"

    class_names: tuple[str, ...] = fitted(())

    @property
    def shape(self) -> tuple[int]:
        """How many labels there are."""
        return (len(self.class_names),)

    def encode(self, raws: Any) -> Encoded:
        """Returns 0 or 1 for each label; an example with a name that is no label cannot be used."""
        places = {name: place for place, name in enumerate(self.class_names)}
        problems = {
            row: f"no label {unknown[0]!r}"
            for row, raw in enumerate(raws)
            if (unknown := [name for name in raw if name not in places])
        }
        usable = [raw for row, raw in enumerate(raws) if row not in problems]
        stored = np.zeros((len(usable), len(self.class_names)), np.float32)
        for row, raw in enumerate(usable):
            stored[row, [places[name] for name in raw]] = 1.0
        return Encoded(stored, problems)

    def decode(self, stored: Any) -> list[list[str]]:
        """Returns the names of the labels that each example has."""
        return [[self.class_names[place] for place in np.flatnonzero(row > 0.5)] for row in stored]

    def groups(self, stored: Any) -> Groups:
        """Returns the examples that have each label."""
        return Groups(self.class_names, np.asarray(stored) > 0.5)

    @property
    def has_columns(self) -> bool:
        """Always."""
        return True

    def column(self, index: int) -> str:
        """Returns what a label is called in messages."""
        return f"target {self.class_names[index]!r}"

    def columns_of(self, stored: Any) -> np.ndarray:
        """Returns 0 or 1 for each label, (examples, labels), int32."""
        return (np.asarray(stored) > 0.5).astype(np.int32)

    def identity(self) -> tuple[str, ...]:
        """Returns the names."""
        return self.class_names
