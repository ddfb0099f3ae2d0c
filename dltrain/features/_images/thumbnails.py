"""Images small and grey, as they are compared."""

from __future__ import annotations

from typing import Any

from dltrain.lazy import np

THUMBNAIL = 32
"""Height and width that images are compared at, at most, in pixels."""
READ_AT_ONCE = 64


def thumbnails(images: Any) -> np.ndarray:
    """Returns each image small and grey, (images, height, width), float32 in the range of the pixels.

    Args:
        images: (images, height, width, channels), read some at a time.
    """
    starts = range(0, len(images), READ_AT_ONCE)
    return np.concatenate([_small(np.asarray(images[start : start + READ_AT_ONCE])) for start in starts])


def _small(images: np.ndarray) -> np.ndarray:
    """Returns images as means of boxes of their pixels, grey."""
    grey = images.mean(axis=-1, dtype=np.float32)
    for axis in (1, 2):
        side = grey.shape[axis]
        if side > THUMBNAIL:
            starts = np.arange(THUMBNAIL) * side // THUMBNAIL
            widths = np.diff(np.append(starts, side)).astype(np.float32)
            shape = [1, 1, 1]
            shape[axis] = THUMBNAIL
            grey = np.add.reduceat(grey, starts, axis=axis) / widths.reshape(shape)
    return grey
