"""Why predicted boxes are wrong, and which objects are missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from dltrain.lazy import np
from dltrain.tasks._precision import Detections, Objects, Pairs, Verdicts

KINDS = {
    "place": "its class is right, it overlaps the object by 0.1 to 0.5",
    "class": "it overlaps an object of another class by 0.5 or more",
    "double": "a surer box has found its object already",
    "background": "it overlaps no object by more than 0.1",
    "both": "it overlaps an object of another class by 0.1 to 0.5",
}
"""Of false positives, in the order in which they are asked."""

_TOUCHES, _FINDS = 0.1, 0.5


@dataclass(frozen=True)
class BoxKinds:
    """What is right and wrong about some boxes.

    D. Hoiem, Y. Chodpathumwan and Q. Dai, "Diagnosing error in object detectors", 2012, with the kinds and limits of
    D. Bolya, S. Foley, J. Hays and J. Hoffman, "TIDE: a general toolbox for identifying object detection errors", 2020,
    section 2.2.

    Args:
        kinds: the place in `KINDS` of each predicted box; -1 for one that is right, -2 for one that counts not.
        found: which objects were found, bool, (objects,).
    """

    kinds: np.ndarray
    found: np.ndarray

    @classmethod
    def of(cls, predicted: Detections, actual: Objects) -> Self:
        """Returns them, at an intersection over union of 0.5."""
        verdicts, count = Verdicts.of(predicted, actual), len(predicted.images)
        found = np.zeros(len(actual.images), bool)
        found[verdicts.objects[verdicts.hits]] = True
        _, same = Pairs.of(predicted, actual).best(count)
        nearest, most = Pairs.of(predicted, actual, any_class=True).best(count)
        is_other = np.zeros(count, bool)
        if len(actual.images):
            is_other = (nearest >= 0) & (actual.classes[nearest] != predicted.classes)
        questions = {
            "place": (same >= _TOUCHES) & (same < _FINDS),
            "class": is_other & (most >= _FINDS),
            "double": same >= _FINDS,
            "background": most <= _TOUCHES,
            "both": np.ones(count, bool),
        }
        kinds = np.select([*questions.values()], [*range(len(KINDS))])
        kinds[verdicts.hits] = -1
        kinds[~verdicts.counts] = -2
        return cls(kinds, found)
