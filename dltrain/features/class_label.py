"""One class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data.feature import Encoded, Feature, Groups, fitted, shortened
from dltrain.features._names import listed
from dltrain.features._one_of_names import OneOfNames
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.figures.page import Panel


@FEATURES.register("class_label")
class ClassLabel(OneOfNames):
    """One class per example, stored as its position among the classes, int32.

    Args:
        class_names: the classes, in the order of their integer labels.
    """

    task: ClassVar[str] = "classification"
    plural: ClassVar[str] = "classes"

    class_names: tuple[str, ...] = fitted(())

    def encode(self, raws: Any) -> Encoded:
        """Returns the positions of class names; a name that is no class cannot be used."""
        places = {name: place for place, name in enumerate(self.class_names)}
        labels = [places.get(raw) if isinstance(raw, str) else None for raw in raws]
        problems = {row: f"no class {shortened(raws[row])}" for row, label in enumerate(labels) if label is None}
        return Encoded(np.array([label for label in labels if label is not None], np.int32), problems)

    def decode(self, stored: Any) -> list[str]:
        """Returns the classes' names."""
        return [self.class_names[label] for label in np.asarray(stored).tolist()]

    def fault(self, stored: Any) -> str | None:
        """Returns which label is no class."""
        count = len(self.class_names)
        if stored.ndim != 1:
            return f"targets must be {count} numbers each, got {list(stored.shape[1:])}"
        if len(stored) and not 0 <= stored.min() <= stored.max() < count:
            wrong = stored.min() if stored.min() < 0 else stored.max()
            where = int(np.flatnonzero(stored == wrong)[0])
            return f"labels must be 0 to {count - 1}, got {wrong} at position {where}"
        return None

    def mismatch(self, other: Feature) -> str | None:
        """Returns which class is unknown, or that they are in another order; none where classes are the same."""
        return differing_names(self, other)

    def groups(self, stored: Any) -> Groups:
        """Returns the examples of each class."""
        return Groups(self.class_names, np.asarray(stored))

    def column(self, index: int) -> str:
        """Returns what a class is called in messages."""
        return "the class"

    @property
    def caption(self) -> str:
        """What a column of classes is called."""
        return "label"

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how many examples each class has, in each part."""
        from dltrain.figures.distributions import counts

        return [counts("Classes", {part: self.groups(stored) for part, stored in parts.items()})]

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how many classes there are, and the place of each."""
        return [f"{len(self.class_names):,} classes", *listed("class", self.class_names)]

    def corners(self) -> list[np.ndarray]:
        """Returns the first class and the last one."""
        return [*np.unique(np.array([0, len(self.class_names) - 1], np.int32))] if self.class_names else []


def differing_names(known: Any, other: Any) -> str | None:
    """Returns in which way another feature's classes are not those that a network knows; none if they are."""
    if type(known) is not type(other):
        return f"it knows {known.plural}, got {other.plural}"
    if known.class_names == other.class_names:
        return None
    strange = [name for name in other.class_names if name not in known.class_names]
    words = (
        f"{strange[0]!r} is not one of its classes"
        if strange
        else "the classes are in another order, or some are missing"
    )
    return f"{words} ({', '.join(known.class_names[:10])})"
