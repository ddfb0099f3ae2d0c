"""Average precision of detections: Pascal VOC's and COCO's rules."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from dltrain.features._boxes.overlaps import overlaps
from dltrain.lazy import np

MOST_OF_A_CLASS = 100
"""Boxes of one class in one image that COCO's rules look at, the surest."""

SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""COCO's areas, from and up to, in pixels of the original image."""


@dataclass(frozen=True)
class Detections:
    """Predicted boxes of some images, the surest of an image first.

    Args:
        images: the position of the image of each, rising, (boxes,).
        classes: (boxes,).
        scores: (boxes,).
        boxes: corners in pixels of the original image, (boxes, 4).
    """

    images: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class Objects:
    """Actual boxes of some images.

    Args:
        images: the position of the image of each, rising, (boxes,).
        classes: (boxes,).
        boxes: corners in pixels of the original image, (boxes, 4).
        difficult: which count neither as found nor as missed, bool, (boxes,).
        crowd: which are groups: likewise, and found by as many boxes as lie in them, bool, (boxes,).
    """

    images: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray
    difficult: np.ndarray
    crowd: np.ndarray

    @cached_property
    def counts(self) -> np.ndarray:
        """Whether each counts."""
        return ~(self.difficult | self.crowd)


@dataclass(frozen=True)
class Pairs:
    """Each detection beside each object of its class in its image, or of any class.

    Args:
        detections: the place of the detection, rising, (pairs,).
        objects: that of the object, (pairs,).
        overlaps: (pairs,).
    """

    detections: np.ndarray
    objects: np.ndarray
    overlaps: np.ndarray

    @classmethod
    def of(cls, detections: Detections, objects: Objects, any_class: bool = False) -> Pairs:
        """Returns the pairs."""
        classes = 1 + max(int(detections.classes.max(initial=0)), int(objects.classes.max(initial=0)))
        factor = 0 if any_class else 1
        mine = detections.images * classes + factor * detections.classes
        theirs = objects.images * classes + factor * objects.classes
        order = np.argsort(theirs, kind="stable")
        first, last = (np.searchsorted(theirs[order], mine, side) for side in ("left", "right"))
        each = np.repeat(np.arange(len(mine)), last - first)
        within = np.arange(len(each)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
        found = order[first[each] + within]
        return cls(each, found, overlaps(detections.boxes[each], objects.boxes[found], objects.crowd[found]))

    def best(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the object that each of so many detections overlaps most, and how much; -1 and 0 where none is.

        Of several alike it is the first.
        """
        objects, most = np.full(count, -1), np.zeros(count)
        if len(self.detections):
            order = np.lexsort((-self.overlaps, self.detections))
            detections, first = np.unique(self.detections[order], return_index=True)
            objects[detections], most[detections] = self.objects[order][first], self.overlaps[order][first]
        return objects, most


@dataclass(frozen=True)
class Verdicts:
    """What Pascal VOC's rules say of each detection.

    Args:
        hits: whether it is right, bool, (boxes,).
        counts: whether it counts at all: not where it finds what is difficult, or a crowd.
        objects: the place of the object that it found, or that it overlaps most; -1 for none.
    """

    hits: np.ndarray
    counts: np.ndarray
    objects: np.ndarray

    @classmethod
    def of(cls, detections: Detections, objects: Objects, iou: float = 0.5) -> Verdicts:
        """Returns the verdicts: of several that find one object the surest is right.

        M. Everingham et al., "The Pascal visual object classes challenge", 2010, section 4.2.
        """
        count = len(detections.images)
        found, most = Pairs.of(detections, objects).best(count)
        reaches = (found >= 0) & (most >= iou)
        counts = ~reaches | objects.counts[found] if len(objects.images) else np.ones(count, bool)
        candidates = np.flatnonzero(reaches & counts)
        surest = candidates[np.argsort(-detections.scores[candidates], kind="stable")]
        _, first = np.unique(found[surest], return_index=True)
        hits = np.zeros(count, bool)
        hits[surest[first]] = True
        return cls(hits, counts, found)


def curve(hits: np.ndarray, scores: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns recall and precision at each score from the surest on, (boxes,) each.

    Args:
        hits: which are right.
        scores: of those.
        total: objects that there are.
    """
    found = np.cumsum(hits[np.argsort(-scores, kind="stable")])
    return found / max(total, 1), found / np.arange(1, len(found) + 1)


def average_precision(recall: np.ndarray, precision: np.ndarray, rule: Literal["area", "11_point"]) -> float:
    """Returns the average precision of a curve, as Pascal VOC has it.

    Args:
        recall: rising.
        precision: at these.
        rule: area, under the curve whose precision never rises (VOC 2010 and later); 11_point, the mean of its heights
            at recalls of 0, 0.1, ..., 1 (VOC 2007), which are NumPy's: as in the evaluators that people compare with,
            3 of 5 found do not reach 0.6.
    """
    if not len(recall):
        return 0.0
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    if rule == "area":
        return float(np.sum(np.diff(recall, prepend=0.0) * falling))
    at = np.searchsorted(recall, np.arange(0.0, 1.1, 0.1))
    return float(np.append(falling, 0.0)[at].mean())


def voc_average_precisions(
    detections: Detections, objects: Objects, classes: int, rule: Literal["area", "11_point"]
) -> np.ndarray:
    """Returns the average precision of each class at an intersection over union of 0.5; NaN of one without objects."""
    verdicts = Verdicts.of(detections, objects)
    totals = np.bincount(objects.classes[objects.counts], minlength=classes)
    found = np.full(classes, np.nan)
    for place in np.flatnonzero(totals):
        mine = verdicts.counts & (detections.classes == place)
        recall, precision = curve(verdicts.hits[mine], detections.scores[mine], int(totals[place]))
        found[place] = average_precision(recall, precision, rule)
    return found
