"""Which anchor stands for which object."""

from __future__ import annotations

from typing import Any, NamedTuple

from dltrain.features._boxes.columns import CLASS, CORNERS, CROWD
from dltrain.lazy import keras

CROWDED = 0.5
"""The share of an anchor within a crowd from which on it is no background."""


class Matches(NamedTuple):
    """What each anchor is to learn.

    Args:
        positive: whether it stands for an object, (batch, anchors), bool.
        negative: whether it stands for the background, likewise; some are neither.
        objects: the place of its object, or of the one that it overlaps most, (batch, anchors), int32.
    """

    positive: Any
    negative: Any
    objects: Any


def matched(objects: Any, anchors: Any, positive_iou: float, negative_iou: float) -> Matches:
    """Returns what each anchor is to learn of an image's objects.

    W. Liu et al., "SSD: single shot multibox detector", 2016, section 2.2: first the largest overlap of all decides,
    and takes its object and its anchor out, and so on, until each object has an anchor; then each anchor left takes the
    object that it overlaps most, from `positive_iou` on. An object without an area, or that none touches, has none.

    Args:
        objects: rows of boxes, (batch, objects, 7), those that are none of class -1.
        anchors: corners, (batch, anchors, 4).
        positive_iou: intersection over union.
        negative_iou: below which an anchor without an object is background.
    """
    from dltrain.layers.box_selection import overlap

    ops = keras.ops
    objects = ops.pad(objects, ((0, 0), (0, 1), (0, 0)), constant_values=-1.0)  # in a batch without any there is one
    boxes = objects[..., CORNERS]
    is_known, is_crowd = objects[..., CLASS] >= 0, objects[..., CROWD] > 0
    has_area = ops.all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    is_object = ops.logical_and(ops.logical_and(is_known, has_area), ops.logical_not(is_crowd))
    overlaps = ops.where(is_object[..., None], overlap(boxes, anchors), 0.0)  # (batch, objects, anchors)
    owner = _bipartite(overlaps)
    best = ops.cast(ops.argmax(overlaps, axis=1), "int32")
    most = ops.max(overlaps, axis=1)
    positive = ops.logical_or(owner >= 0, most >= positive_iou)
    within = overlap(boxes, anchors, over_others=True)
    crowded = ops.any(ops.logical_and(ops.logical_and(is_known, is_crowd)[..., None], within >= CROWDED), axis=1)
    negative = ops.logical_not(ops.logical_or(ops.logical_or(positive, crowded), most >= negative_iou))
    return Matches(positive, negative, ops.where(owner >= 0, owner, best))


def _bipartite(overlaps: Any) -> Any:
    """Returns the object of each anchor where the largest overlaps decide one by one, else -1; (batch, anchors), int32.

    All pairs at once that are the largest of both their object and their anchor: the same as one by one, in few rounds.

    Args:
        overlaps: (batch, objects, anchors), 0 where they do not touch.
    """
    ops, anchors = keras.ops, overlaps.shape[2]
    objects = ops.shape(overlaps)[1]
    places = ops.arange(anchors, dtype="int32")

    def goes_on(left: Any, owner: Any) -> Any:
        return ops.any(left > 0)

    def one_round(left: Any, owner: Any) -> tuple[Any, Any]:
        anchor = ops.cast(ops.argmax(left, axis=2), "int32")  # that each object wants
        wanted_by = ops.cast(ops.argmax(left, axis=1), "int32")  # the object that each anchor wants
        agreed = ops.equal(ops.take_along_axis(wanted_by, anchor, axis=1), ops.arange(objects, dtype="int32"))
        agreed = ops.logical_and(agreed, ops.max(left, axis=2) > 0)
        pairs = ops.logical_and(agreed[..., None], ops.equal(anchor[..., None], places))
        taken = ops.any(pairs, axis=1)
        owner = ops.where(taken, ops.cast(ops.argmax(pairs, axis=1), "int32"), owner)
        open_pairs = ops.logical_not(ops.logical_or(agreed[..., None], taken[:, None, :]))
        return ops.where(open_pairs, left, 0.0), owner

    nobody = ops.zeros_like(overlaps[:, 0, :], dtype="int32") - 1
    return ops.while_loop(goes_on, one_round, (overlaps, nobody))[1]
