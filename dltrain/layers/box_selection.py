"""What a detector found: offsets decoded, probabilities, and of boxes of one object the surest."""

from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="dltrain")
class BoxSelection(keras.layers.Layer):
    """The surest boxes of an image, of those of one class that overlap each other the surest alone.

    W. Liu et al., "SSD: single shot multibox detector", 2016, section 3.1. One difference: candidates are the surest
    pairs of an anchor and a class over all classes together, not those of each class. The suppression is greedy, as
    always, but found at once for all: a box is kept unless one of its class that is kept, surer and overlapping, is
    there, which is decided again for all boxes until nothing changes.

    Input: (batch, anchors, classes + 1 + 12): logits, the background's first, offsets, anchors as centre x and y, width
    and height, variances. Output: a dict of `boxes` (batch, most, 4), x_min, y_min, x_max, y_max in shares of the
    image; `scores` (batch, most), probabilities, falling; `classes` (batch, most), int32, from 0 on; `count` (batch,),
    int32: how many boxes there are. Behind them boxes and scores are 0, classes -1.

    Args:
        score_threshold: the probability that a candidate has at least.
        iou_threshold: the intersection over union above which two boxes overlap.
        candidates: pairs of an anchor and a class that are looked at, the surest.
        most: boxes of an image.
    """

    def __init__(
        self,
        score_threshold: float = 0.01,
        iou_threshold: float = 0.45,
        candidates: int = 400,
        most: int = 200,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.score_threshold, self.iou_threshold = score_threshold, iou_threshold
        self.candidates, self.most = candidates, most

    def call(self, inputs: Any) -> dict[str, Any]:
        """Returns the boxes of each image."""
        ops, anchors, classes = keras.ops, inputs.shape[1], inputs.shape[2] - 13
        batch, candidates = ops.shape(inputs)[0], min(self.candidates, anchors * classes)
        shares = ops.softmax(inputs[..., : classes + 1], axis=-1)[..., 1:]
        scores, places = ops.top_k(ops.reshape(shares, (batch, anchors * classes)), candidates)
        of_class = ops.cast(places % classes, "int32")
        boxes = decoded(inputs[..., classes + 1 :])
        boxes = ops.take_along_axis(boxes, ops.cast(places // classes, "int32")[..., None], axis=1)
        kept = self._kept(boxes, scores, of_class)
        most = min(self.most, candidates)
        left, order = ops.top_k(ops.where(kept, scores, -1.0), most)  # falling already: only gaps go
        is_there = left >= 0.0
        found = {
            "boxes": ops.where(is_there[..., None], ops.take_along_axis(boxes, order[..., None], axis=1), 0.0),
            "scores": ops.where(is_there, left, 0.0),
            "classes": ops.where(is_there, ops.take_along_axis(of_class, order, axis=1), -1),
        }
        if missing := self.most - most:
            border = ((0, 0), (0, missing))
            found = {
                name: ops.pad(
                    each, (*border, (0, 0))[: len(each.shape)], constant_values=-1 if name == "classes" else 0
                )
                for name, each in found.items()
            }
        return {**found, "count": ops.sum(ops.cast(is_there, "int32"), axis=1)}

    def _kept(self, boxes: Any, scores: Any, of_class: Any) -> Any:
        """Returns which candidates no surer one of their class suppresses, (batch, candidates), bool.

        Args:
            boxes: corners, (batch, candidates, 4).
            scores: falling, (batch, candidates).
            of_class: the class of each, likewise.
        """
        ops, count = keras.ops, scores.shape[1]
        is_same = ops.equal(of_class[:, :, None], of_class[:, None, :])
        common, mine, theirs = _common(boxes, boxes)
        limit = self.iou_threshold  # common / (mine + theirs - common) > limit, without the division
        overlaps = ops.logical_and(is_same, common * (1 + limit) > (mine + theirs) * limit)
        surer = np.triu(np.ones((1, count, count), bool), 1)  # [i, j]: i is surer than j
        suppresses = ops.cast(ops.logical_and(overlaps, surer), "float32")
        valid = ops.cast(scores >= self.score_threshold, "float32")

        def changed(kept: Any, before: Any) -> Any:
            return ops.any(ops.not_equal(kept, before))

        def again(kept: Any, before: Any) -> tuple[Any, Any]:
            is_hit = ops.matmul(kept[:, None, :], suppresses)[:, 0, :] > 0.5
            return ops.where(is_hit, 0.0, valid), kept

        kept, _ = ops.while_loop(changed, again, (valid, valid - 1.0), maximum_iterations=count + 1)
        return kept > 0.5

    def compute_output_spec(self, inputs: Any) -> dict[str, Any]:
        """Returns the shapes: of the loop inside, Keras knows none."""
        batch = inputs.shape[0]
        shapes = {
            "boxes": ((batch, self.most, 4), "float32"),
            "scores": ((batch, self.most), "float32"),
            "classes": ((batch, self.most), "int32"),
            "count": ((batch,), "int32"),
        }
        return {name: keras.KerasTensor(shape, dtype) for name, (shape, dtype) in shapes.items()}

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
            "candidates": self.candidates,
            "most": self.most,
        }


def corners(boxes: Any) -> Any:
    """Returns x_min, y_min, x_max, y_max of boxes as centre x and y, width and height; (..., 4)."""
    half = boxes[..., 2:4] / 2
    return keras.ops.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def overlap(boxes: Any, others: Any, over_others: bool = False) -> Any:
    """Returns the intersection over union of boxes with others, (batch, boxes, others); 0 of a box without area.

    Args:
        boxes: corners, (batch, boxes, 4).
        others: likewise.
        over_others: give the intersection as a share of the other box instead, as of a crowd with what may be in it.
    """
    common, mine, theirs = _common(boxes, others)
    area = theirs if over_others else mine + theirs - common
    return keras.ops.where(area > 0, common / keras.ops.maximum(area, 1e-12), 0.0)


def _common(boxes: Any, others: Any) -> tuple[Any, Any, Any]:
    """Returns the area that boxes have in common with others, (batch, boxes, others), and the areas of both."""
    ops = keras.ops
    # Coordinate by coordinate: four times faster than pairs of corners, which lie apart in memory.
    left, top, right, bottom = (boxes[:, :, None, place] for place in range(4))
    other_left, other_top, other_right, other_bottom = (others[:, None, :, place] for place in range(4))
    wide = ops.maximum(ops.minimum(right, other_right) - ops.maximum(left, other_left), 0.0)
    high = ops.maximum(ops.minimum(bottom, other_bottom) - ops.maximum(top, other_top), 0.0)
    areas = (right - left) * (bottom - top), (other_right - other_left) * (other_bottom - other_top)
    return wide * high, *areas


def encoded(boxes: Any, anchors: Any, variances: Any) -> Any:
    """Returns boxes as offsets of anchors, (..., 4): the inverse of `decoded`, within the image.

    Args:
        boxes: corners, of boxes with an area.
        anchors: centre x and y, width and height.
        variances: what offsets are divided by.
    """
    ops = keras.ops
    centres, sizes = (boxes[..., :2] + boxes[..., 2:4]) / 2, boxes[..., 2:4] - boxes[..., :2]
    moved = (centres - anchors[..., :2]) / anchors[..., 2:4]
    return ops.concatenate([moved, ops.log(sizes / anchors[..., 2:4])], axis=-1) / variances


def decoded(parts: Any) -> Any:
    """Returns the corners of boxes, within the image, (..., 4).

    Args:
        parts: offsets, anchors and variances, (..., 12).
    """
    ops = keras.ops
    offsets, anchors = parts[..., :4] * parts[..., 8:12], parts[..., 4:8]
    centres = offsets[..., :2] * anchors[..., 2:] + anchors[..., :2]
    # What overflows is as large as the image anyway.
    sizes = ops.exp(ops.minimum(offsets[..., 2:], 20.0)) * anchors[..., 2:]
    return ops.clip(corners(ops.concatenate([centres, sizes], axis=-1)), 0.0, 1.0)
