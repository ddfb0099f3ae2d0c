"""How much boxes overlap, as arrays have them."""

from __future__ import annotations

from dltrain.lazy import np


def areas(boxes: np.ndarray) -> np.ndarray:
    """Returns the areas of boxes, (...,)."""
    return np.prod(np.maximum(boxes[..., 2:] - boxes[..., :2], 0), axis=-1)


def overlaps(boxes: np.ndarray, others: np.ndarray, crowd: np.ndarray | bool = False) -> np.ndarray:
    """Returns intersection over union of pairs of boxes; with a crowd, over the area of the first; (...,)."""
    low, high = np.maximum(boxes[..., :2], others[..., :2]), np.minimum(boxes[..., 2:], others[..., 2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    union = np.where(crowd, areas(boxes), areas(boxes) + areas(others) - common)
    return np.divide(common, union, out=np.zeros(common.shape), where=union > 0)
