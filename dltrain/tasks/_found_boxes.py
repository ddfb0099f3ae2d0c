"""What `inference` of a detector returned, and what is right, in pixels of the original images."""

from __future__ import annotations

from collections.abc import Mapping

from dltrain.data import Outcome, Ragged
from dltrain.features._boxes.columns import CLASS, CORNERS, CROWD, DIFFICULT, SIZE, WINDOW, of_original
from dltrain.features._boxes.overlaps import areas, overlaps
from dltrain.lazy import np
from dltrain.tasks._precision import SIZES, Detections, Objects

_AS_SURE, _IN_PLACE = 1e-3, 0.9
"""How far scores of the same box may differ; the intersection over union from which on a box is in the same place."""


def windows(outcome: Outcome) -> np.ndarray:
    """Returns where the corners of each image lie in its original, (images, 4); the image where that is unknown."""
    count = len(outcome.outputs["count"])
    if WINDOW in outcome.metadata:
        return np.asarray(outcome.metadata[WINDOW], np.float64).reshape(count, 4)
    height, width = outcome.data.image("detection").model_shape[:2]
    return np.tile(np.array([0, 0, width, height], np.float64), (count, 1))


def detections(outcome: Outcome) -> Detections:
    """Returns the predicted boxes, cut at the edges of the original."""
    outputs, frames = outcome.outputs, windows(outcome)
    images, ranks = np.nonzero(np.arange(outputs["scores"].shape[1]) < np.asarray(outputs["count"])[:, None])
    boxes = of_original(np.asarray(outputs["boxes"], np.float64)[images, ranks], frames[images])
    if SIZE in outcome.metadata:
        size = np.asarray(outcome.metadata[SIZE], np.float64).reshape(-1, 2)[images][:, [1, 0, 1, 0]]
        boxes = np.clip(boxes, 0, size)
    scores = np.asarray(outputs["scores"], np.float64)[images, ranks]
    return Detections(images, np.asarray(outputs["classes"], np.int64)[images, ranks], scores, boxes)


def objects(outcome: Outcome) -> Objects:
    """Returns the actual boxes; raises ValueError where they are not known."""
    targets, frames = outcome.targets, windows(outcome)
    if isinstance(targets, Ragged):
        rows, images = targets.values, np.repeat(np.arange(len(targets)), targets.lengths)
    else:
        values = np.asarray(targets)
        rows, images = values.reshape(-1, values.shape[-1]), np.repeat(np.arange(len(values)), values.shape[1])
    known = rows[:, CLASS] >= 0
    rows, images = rows[known], images[known]
    boxes = of_original(rows[:, CORNERS].astype(np.float64), frames[images])
    return Objects(images, rows[:, CLASS].astype(np.int64), boxes, rows[:, DIFFICULT] > 0, rows[:, CROWD] > 0)


def sizes(actual: Objects) -> np.ndarray:
    """Returns which objects are of each of COCO's sizes, (sizes, objects), bool."""
    area = areas(actual.boxes)
    return np.array([(low <= area) & (area <= high) for low, high in SIZES.values()])


def aligned(outputs: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns boxes in the order of others: each beside the nearest of its class that is as sure.

    Args:
        outputs: boxes, scores, classes and count of some images.
        others: of the same images.
    """
    found = {name: np.array(values) for name, values in outputs.items()}
    for image, count in enumerate(np.asarray(others["count"], np.int64).tolist()):
        left = [*range(int(found["count"][image]))]
        order = []
        for place in range(count):
            alike = [
                at
                for at in left
                if outputs["classes"][image][at] == others["classes"][image][place]
                and abs(outputs["scores"][image][at] - others["scores"][image][place]) < _AS_SURE
            ]
            if alike:
                off = np.abs(outputs["boxes"][image][alike] - others["boxes"][image][place]).max(axis=1)
                order.append(alike[int(off.argmin())])
                left.remove(order[-1])
        order += left
        for name in ("boxes", "scores", "classes"):
            found[name][image, : len(order)] = np.asarray(outputs[name])[image][order]
    return found


def agree(outputs: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray], threshold: float) -> np.ndarray:
    """Returns which images have boxes of the same classes in the same places, (images,), bool.

    Args:
        outputs: boxes, scores, classes and count.
        others: of the same images.
        threshold: the score from which on a box counts.
    """
    found = []
    for image in range(len(outputs["count"])):
        one, other = ([np.asarray(each[name][image]) for name in ("boxes", "scores", "classes")]
                      for each in (outputs, others))  # fmt: skip
        mine, theirs = one[1] >= threshold, other[1] >= threshold
        share = overlaps(one[0][mine][:, None], other[0][theirs][None])
        is_pair = (share >= _IN_PLACE) & (one[2][mine][:, None] == other[2][theirs][None])
        found.append(bool(mine.sum() == theirs.sum() and is_pair.any(axis=1).all() and is_pair.any(axis=0).all()))
    return np.array(found, bool)
