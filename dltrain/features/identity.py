"""Whose an example is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data.feature import Encoded, Feature, Groups, fitted, shortened
from dltrain.features._one_of_names import OneOfNames
from dltrain.features.class_label import differing_names
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.figures.page import Panel

STRANGER = -1
"""How one is stored that is none of those in the train part."""
_STRANGER = "another"
IDENTITY = "identity"
"""The metadata that say whose each example is, strangers too."""
NUMBER, TRIALS = "number", "trials"
"""The metadata of a part that has its own trials: a number of each example, and the trials whose first example it is,
`Ragged` of (trials, 2): the number of the other, and whether they are of one identity."""


@FEATURES.register("identity")
class Identity(OneOfNames):
    """Whose an example is: one of those in the train part, as their positions, int32, or -1 for anyone else.

    A network is trained to tell some apart and asked about others: other parts may have none of the train part's. Who
    these are, the metadata `identity` says, by which pairs of examples are known to be of one or of different ones.

    Args:
        class_names: those in the train part, in the order of their whole numbers.
    """

    task: ClassVar[str] = "verification"
    plural: ClassVar[str] = "identities"
    judged_by: ClassVar[tuple[str, ...]] = (IDENTITY, NUMBER, TRIALS)

    class_names: tuple[str, ...] = fitted(())

    def encode(self, raws: Any) -> Encoded:
        """Returns the positions of names, -1 for one that the train part does not have; others cannot be used."""
        places = {name: place for place, name in enumerate(self.class_names)}
        problems = {
            row: f"must be a name, got {shortened(raw)}" for row, raw in enumerate(raws) if not isinstance(raw, str)
        }
        found = [places.get(raw, STRANGER) for raw in raws if isinstance(raw, str)]
        return Encoded(np.array(found, np.int32), problems)

    def decode(self, stored: Any) -> list[str]:
        """Returns the names; `another` for one that the train part does not have."""
        return [_STRANGER if place == STRANGER else self.class_names[place] for place in np.asarray(stored).tolist()]

    def actual(self, stored: Any, metadata: Mapping[str, Any]) -> list[str]:
        """Returns whose each is, by the metadata that know strangers too where there are some."""
        whose = metadata.get(IDENTITY)
        if whose is None:
            return self.decode(stored)
        pairs = zip(np.asarray(whose).tolist(), self.decode(stored), strict=True)
        return [owner or name for owner, name in pairs]

    def fault(self, stored: Any) -> str | None:
        """Returns which number is nobody's."""
        if stored.ndim != 1 or (len(stored) and not STRANGER <= stored.min() <= stored.max() < len(self.class_names)):
            return f"identities must be {STRANGER} to {len(self.class_names) - 1}"
        return None

    def mismatch(self, other: Feature) -> str | None:
        """Returns that others are no identities; whose they are is for the network to find."""
        return differing_names(self, other) if type(self) is not type(other) else None

    def groups(self, stored: Any) -> Groups:
        """Returns the examples of each that the train part has."""
        return Groups(self.class_names, np.asarray(stored), are_everywhere=False)

    def column(self, index: int) -> str:
        """Returns what an identity is called in messages."""
        return "the identity"

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how many examples of each the train part has; other parts may have others."""
        from dltrain.figures.distributions import counts

        known = {part: self.groups(stored) for part, stored in parts.items() if (np.asarray(stored) >= 0).any()}
        return [counts("Identities", known)]

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how many there are."""
        return [f"{len(self.class_names):,} identities"]

    def corners(self) -> list[np.ndarray]:
        """Returns a stranger, the first and the last."""
        return [*np.unique(np.array([STRANGER, 0, len(self.class_names) - 1], np.int32))] if self.class_names else []
