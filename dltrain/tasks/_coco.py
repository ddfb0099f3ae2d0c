"""Mean average precision and recall as COCO counts them."""

from __future__ import annotations

from dltrain.features._boxes.overlaps import areas, overlaps
from dltrain.lazy import np
from dltrain.tasks._precision import MOST_OF_A_CLASS, SIZES, Detections, Objects

IOUS = 10
"""Thresholds of intersection over union: 0.5, 0.55, ..., 0.95."""
_RECALLS = 101


def coco_metrics(detections: Detections, objects: Objects, classes: int) -> dict[str, np.ndarray]:
    """Returns average precision and recall by size of objects, threshold and class.

    T.-Y. Lin et al., "Microsoft COCO: common objects in context", 2014, and the rules of its evaluation, as pycocotools
    has them: precision at 101 recalls; the 100 surest boxes of each class in an image; of several objects that a box
    reaches it finds the one that it overlaps most; objects of other sizes, and boxes of other sizes that find none,
    count neither way. One more rule: so do objects that are difficult, however many boxes find them.

    Args:
        detections: what was predicted.
        objects: what is there.
        classes: how many there are.

    Returns:
        {"precision", "recall"}: (sizes, thresholds, classes), in the order of `SIZES`; NaN where there is no object.
    """
    thresholds, limits = 0.5 + 0.05 * np.arange(IOUS), np.array([*SIZES.values()])
    kept = _surest(detections, classes)
    mine, sizes = areas(kept.boxes), areas(objects.boxes)
    is_other = (sizes < limits[:, :1]) | (sizes > limits[:, 1:])  # (sizes, objects)
    ignored = is_other | ~objects.counts
    hits, passes = _decided(kept, objects, ignored, thresholds, classes)
    passes |= ~hits & ((mine < limits[:, :1]) | (mine > limits[:, 1:]))[:, None, :]
    found = {name: np.full((len(limits), IOUS, classes), np.nan) for name in ("precision", "recall")}
    recalls = np.linspace(0, 1, _RECALLS)
    order = np.argsort(-kept.scores, kind="stable")
    for place in range(classes):
        of_class = order[kept.classes[order] == place]
        for size in range(len(limits)):
            total = np.count_nonzero(~ignored[size] & (objects.classes == place))
            if not total:
                continue
            for at in range(IOUS):
                right = hits[size, at, of_class][~passes[size, at, of_class]]
                got = np.cumsum(right)
                recall, precision = got / total, got / np.arange(1, len(got) + 1)
                falling = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
                found["precision"][size, at, place] = falling[np.searchsorted(recall, recalls)].mean()
                found["recall"][size, at, place] = recall[-1] if len(recall) else 0.0
    return found


def _surest(detections: Detections, classes: int) -> Detections:
    """Returns the surest boxes of each class in each image, class by class, the surest first."""
    keys = detections.images * classes + detections.classes
    order = np.lexsort((-detections.scores, keys))
    rank = _rank(keys[order])
    order = order[rank < MOST_OF_A_CLASS]
    parts = (detections.images, detections.classes, detections.scores, detections.boxes)
    return Detections(*(each[order] for each in parts))


def _rank(keys: np.ndarray) -> np.ndarray:
    """Returns how many before each have the same key, of keys that rise, (keys,)."""
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return np.arange(len(keys)) - np.repeat(first, counts)


def _decided(
    detections: Detections, objects: Objects, ignored: np.ndarray, thresholds: np.ndarray, classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which boxes find an object that counts, and which find one that does not, (sizes, thresholds, boxes).

    The first boxes of all classes and images decide at once, then all second ones, and so on.

    Args:
        detections: class by class within each image, the surest first.
        objects: what is there.
        ignored: which objects do not count, by size, (sizes, objects).
        thresholds: of intersection over union.
        classes: how many there are.
    """
    shape = (len(ignored), len(thresholds), len(detections.images))
    hits, passes = np.zeros(shape, bool), np.zeros(shape, bool)
    keys = objects.images * classes + objects.classes
    by_key = np.argsort(keys, kind="stable")
    groups, first, counts = np.unique(keys[by_key], return_index=True, return_counts=True)
    wanted = detections.images * classes + detections.classes
    group = np.searchsorted(groups, wanted)
    has_group = np.append(groups, -1)[group] == wanted
    rank, limit = _rank(wanted), np.minimum(thresholds, 1 - 1e-10)[:, None, None]
    for width in sorted({1 << int(count - 1).bit_length() for count in counts}):  # objects of a group, filled up
        chosen = np.flatnonzero((counts <= width) & (counts > width // 2))
        places = first[chosen][:, None] + np.arange(width)
        is_there = np.arange(width) < counts[chosen][:, None]
        members = np.where(is_there, by_key[np.minimum(places, len(by_key) - 1)], 0)
        endless = objects.crowd[members] | objects.difficult[members]
        free = np.broadcast_to(is_there, (len(ignored), len(thresholds), *is_there.shape)).copy()
        row_of = np.full(len(groups) + 1, -1)
        row_of[chosen] = np.arange(len(chosen))
        row = np.where(has_group, row_of[group], -1)
        mine = np.flatnonzero(row >= 0)
        for turn in range(int(rank[mine].max(initial=-1)) + 1):
            now = mine[rank[mine] == turn]
            rows = row[now]
            objects_of = members[rows]
            share = overlaps(detections.boxes[now][:, None], objects.boxes[objects_of], objects.crowd[objects_of])
            open_now = free[:, :, rows] & (share >= limit)
            for is_ignored, result in ((False, hits), (True, passes)):
                is_kind = (ignored[:, objects_of] == is_ignored)[:, None]
                able = open_now & is_kind if not is_ignored else open_now & is_kind & ~hits[:, :, now, None]
                best = width - 1 - np.argmax(np.where(able, share, -1.0)[..., ::-1], axis=-1)
                finds = able.any(axis=-1)
                result[:, :, now] = finds
                size, at, place = np.nonzero(finds)
                which = best[size, at, place]
                stays = endless[rows[place], which]
                free[size[~stays], at[~stays], rows[place[~stays]], which[~stays]] = False
    return hits, passes
