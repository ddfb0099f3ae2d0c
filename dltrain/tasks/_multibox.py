"""The loss of a single-shot detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from dltrain.features._boxes.columns import CLASS, CORNERS
from dltrain.lazy import keras
from dltrain.tasks._matching import matched


@dataclass(frozen=True)
class MultiboxLoss:
    """Cross-entropy of anchors that stand for objects and of the hardest of the others, and how far offsets are off.

    W. Liu et al., "SSD: single shot multibox detector", 2016, equations 1 to 3: both sums over the anchors of an image,
    divided by how many of them stand for objects. One difference: the paper divides the sums over a batch by the count
    over a batch, which images with many objects weigh more in; `hard_negatives` batch does so too.

    Args:
        positive_iou: see `matched`.
        negative_iou: likewise.
        negatives_per_positive: the paper's 3.
        least_negatives: of an image, however few objects it has.
        hard_negatives: whether the hardest are those of each image, or of the batch that a device sees.
        location_weight: of the offsets; the paper's alpha.
    """

    positive_iou: float
    negative_iou: float
    negatives_per_positive: float
    least_negatives: int
    hard_negatives: Literal["image", "batch"]
    location_weight: float

    def __call__(self, objects: Any, outputs: Any) -> Any:
        """Returns the loss of each image, (batch,).

        Args:
            objects: rows of boxes, (batch, objects, 7).
            outputs: logits, offsets, anchors and variances, (batch, anchors, classes + 1 + 12).
        """
        from dltrain.layers.box_selection import corners, encoded

        ops = keras.ops
        outputs = ops.cast(outputs, "float32")
        objects = ops.cast(objects, "float32")
        logits, offsets = outputs[..., :-12], outputs[..., -12:-8]
        anchors, variances = (ops.stop_gradient(each) for each in (outputs[..., -8:-4], outputs[..., -4:]))
        found = matched(objects, corners(anchors), self.positive_iou, self.negative_iou)
        positive = ops.cast(found.positive, "float32")
        filled = ops.pad(objects, ((0, 0), (0, 1), (0, 0)), constant_values=-1.0)
        of_anchor = ops.take_along_axis(filled, found.objects[..., None], axis=1)
        labels = ops.where(found.positive, ops.cast(of_anchor[..., CLASS], "int32") + 1, 0)
        entropy = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        counted = ops.logical_or(found.positive, self._hardest(entropy, found.negative, positive))
        # Of the others, whose box may have no area, its own anchor stands there: log(0) has no gradient.
        boxes = ops.where(found.positive[..., None], of_anchor[..., CORNERS], corners(anchors))
        off = ops.abs(offsets - encoded(boxes, anchors, variances))
        smooth = ops.sum(ops.where(off < 1, 0.5 * ops.square(off), off - 0.5), axis=-1)
        sums = ops.sum(ops.where(counted, entropy, 0.0), axis=1)
        sums = sums + self.location_weight * ops.sum(positive * smooth, axis=1)
        if self.hard_negatives == "batch":
            share = ops.cast(ops.shape(sums)[0], "float32") / ops.maximum(ops.sum(positive), 1.0)
            return sums * share
        return sums / ops.maximum(ops.sum(positive, axis=1), 1.0)

    def _hardest(self, entropy: Any, negative: Any, positive: Any) -> Any:
        """Returns which negatives count: those of the largest cross-entropy, (batch, anchors), bool."""
        ops = keras.ops
        most = self.negatives_per_positive * ops.sum(positive, axis=1, keepdims=True)
        most = ops.maximum(most, float(self.least_negatives))
        hardness = ops.where(negative, ops.stop_gradient(entropy), -1.0)
        if self.hard_negatives == "batch":
            hardness, most = ops.reshape(hardness, (1, -1)), ops.sum(most, axis=0, keepdims=True)
        rank = ops.argsort(ops.argsort(-hardness, axis=1), axis=1)
        chosen = ops.cast(rank, "float32") < most
        return ops.logical_and(ops.reshape(chosen, ops.shape(entropy)), negative)
