"""Any number of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data.feature import Encoded, Feature, Groups, fitted, shortened
from dltrain.features._names import listed
from dltrain.features.class_label import differing_names
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.figures.page import Panel


@FEATURES.register("labels")
class Labels(Feature):
    """Labels of which an example may have any, stored as 0 or 1 for each, float32.

    Args:
        class_names: the labels.
    """

    task: ClassVar[str] = "multilabel"
    plural: ClassVar[str] = "labels"

    class_names: tuple[str, ...] = fitted(())

    @property
    def shape(self) -> tuple[int]:
        """How many labels there are."""
        return (len(self.class_names),)

    def encode(self, raws: Any) -> Encoded:
        """Returns 0 or 1 for each label; an example with a name that is no label cannot be used."""
        places = {name: place for place, name in enumerate(self.class_names)}
        problems = {row: why for row, raw in enumerate(raws) if (why := _fault(raw, places))}
        usable = [raw for row, raw in enumerate(raws) if row not in problems]
        stored = np.zeros((len(usable), len(self.class_names)), np.float32)
        for row, raw in enumerate(usable):
            stored[row, [places[name] for name in raw]] = 1.0
        return Encoded(stored, problems)

    def decode(self, stored: Any) -> list[list[str]]:
        """Returns the names of the labels that each example has."""
        return [[self.class_names[place] for place in np.flatnonzero(row > 0.5)] for row in stored]

    def fault(self, stored: Any) -> str | None:
        """Returns that there are more or fewer numbers than the feature has."""
        if stored.shape[1:] != self.shape:
            return f"targets must be {self.shape[0]} numbers each, got {list(stored.shape[1:])}"
        return None

    def mismatch(self, other: Feature) -> str | None:
        """Returns which label is unknown, or that they are in another order; none where labels are the same."""
        return differing_names(self, other)

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

    @property
    def caption(self) -> str:
        """What a column of labels is called."""
        return "label"

    def words(self, stored: Any) -> list[str]:
        """Returns the labels that each example has in one line."""
        return [", ".join(names) or "none" for names in self.decode(stored)]

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how many examples have each label, in each part."""
        from dltrain.figures.distributions import counts

        return [counts("Labels", {part: self.groups(stored) for part, stored in parts.items()})]

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how many labels there are, and the place of each."""
        return [f"{len(self.class_names):,} labels", *listed("label", self.class_names)]

    def corners(self) -> list[np.ndarray]:
        """Returns an example without a label, and one with all of them."""
        return [np.zeros(self.shape, np.float32), np.ones(self.shape, np.float32)]


def _fault(raw: Any, places: Mapping[str, int]) -> str | None:
    if not isinstance(raw, list | tuple):
        return f"must be a list of labels, got {shortened(raw)}"
    unknown = [name for name in raw if not isinstance(name, str) or name not in places]
    return f"no label {shortened(unknown[0])}" if unknown else None
