"""Whether a detector's anchors are of the sizes of the objects that it is to find."""

from __future__ import annotations

from typing import Any

from dltrain.data import DataSpec, Ragged, Split, spaced
from dltrain.features._boxes.columns import CLASS, CORNERS, CROWD
from dltrain.features._boxes.overlaps import overlaps
from dltrain.figures.anchors import AnchorSizes
from dltrain.lazy import np

_MOST = 2000
"""Objects that are looked at, evenly spaced ones of more."""


def anchor_panel(data: DataSpec, train: Split, model: Any, least: float) -> AnchorSizes:
    """Returns the sizes of objects and anchors, and which objects no anchor overlaps by so much.

    Args:
        data: what the data are.
        train: the train part.
        model: the network, whose outputs hold its anchors.
        least: the intersection over union from which on an anchor stands for an object.
    """
    targets = train.targets
    rows = targets.values if isinstance(targets, Ragged) else np.asarray(targets).reshape(-1, targets.shape[-1])
    rows = rows[(rows[:, CLASS] >= 0) & (rows[:, CROWD] <= 0)]
    boxes = rows[spaced(len(rows), _MOST)][:, CORNERS].astype(np.float64)
    feature = data.image("detection")
    outputs = np.asarray(model(np.zeros((1, *feature.shape), feature.dtype), training=False))
    anchors = outputs[0, :, -8:-4].astype(np.float64)
    corners = np.concatenate([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], axis=1)
    most = np.array([overlaps(box, corners).max(initial=0.0) for box in boxes])
    is_matched = most >= least
    share = 1 - is_matched.mean() if len(boxes) else 0.0
    note = f"{share:.1%} of {len(boxes):,} objects overlap none of {len(anchors):,} anchors by {least:g}"
    kinds = np.unique(anchors[:, 2:].round(4), axis=0)
    return AnchorSizes("Objects and anchors", note, boxes[:, 2:] - boxes[:, :2], is_matched, kinds)
