"""The fourteen operations of the policies; each image gets one of them, all images at once.

Fourteen passes, of which thirteen would be thrown away, are three: images that move, images that are blended with
another of themselves (brightness with black, contrast with grey ...), images whose grey levels become others.
"""

import math
from typing import Any

from dltrain.augmentations._colours import blended, grey, mean_grey
from dltrain.augmentations._drawing import per_image
from dltrain.augmentations._sampling import maps_of, moved
from dltrain.lazy import tf

MOVING = ("identity", "rotate", "shear_x", "shear_y", "translate_x", "translate_y")
BLENDING = ("brightness", "contrast", "color", "sharpness")
OPERATIONS = (*MOVING, *BLENDING, "posterize", "solarize", "autocontrast", "equalize")
"""As RandAugment's paper calls them. Strengths are degrees for rotate; columns per row for shear_x, rows per column for
shear_y; pixels for translate; what is added to the factor 1 for brightness, contrast, color and sharpness; bits lost
for posterize; grey levels from the top that are inverted for solarize; the others have none."""

SIGNED = (*MOVING[1:], *BLENDING)
"""Those that go to either side."""

LEVELS = 256


def operated(images: Any, chosen: Any, strengths: Any, fill: float | str) -> Any:
    """Returns each image changed by one operation.

    Args:
        images: (batch, height, width, channels), float32.
        chosen: which of `OPERATIONS`, (batch,), int32.
        strengths: in its unit, with its sign, (batch,); 0 changes nothing.
        fill: what is seen where an image ends.
    """
    # Each from the images as they came: a chain would have XLA compute the first links again for each that follows.
    counts, places = _histograms(images)
    changed = _blended(images, chosen, strengths)
    for name, result in (
        ("posterize", _posterized(images, strengths)),
        ("solarize", tf.where(images >= per_image(LEVELS - strengths), 255.0 - images, images)),
        ("autocontrast", _stretched(images, counts)),
        ("equalize", tf.gather(tf.reshape(_equal_levels(counts), (-1,)), places)),
    ):
        changed = tf.where(per_image(_drew(chosen, name)), result, changed)
    is_moved = per_image(chosen < len(MOVING))
    return tf.where(is_moved, moved(images, _maps(chosen, strengths), fill), changed)


def _drew(chosen: Any, name: str) -> Any:
    return chosen == OPERATIONS.index(name)


def _maps(chosen: Any, strengths: Any) -> Any:
    angles, shear_x, shear_y, across, down = (
        tf.where(_drew(chosen, name), strengths, 0.0)
        for name in ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
    )
    angles *= math.pi / 180
    cosine, sine = tf.cos(angles), tf.sin(angles)
    # An image drew at most one of them: the others' strengths are 0.
    return maps_of(a=cosine, b=sine + shear_y, c=down, d=shear_x - sine, e=cosine, f=across, like=angles)


def _blended(images: Any, chosen: Any, strengths: Any) -> Any:
    others = tf.where(per_image(_drew(chosen, "contrast")), mean_grey(images), 0.0)
    others = tf.where(per_image(_drew(chosen, "color")), grey(images), others)
    others = tf.where(per_image(_drew(chosen, "sharpness")), _smoothed(images), others)
    return blended(images, others, per_image(tf.maximum(1.0 + strengths, 0.0)))


def _smoothed(images: Any) -> Any:
    """Returns the mean of each pixel, five times, and its eight neighbours; pixels of the border stay as they are."""
    height, width = images.shape[1:3]
    # Columns, then rows: both at once take twice as long.
    mean = tf.nn.avg_pool2d(tf.nn.avg_pool2d(images, (3, 1), 1, "SAME"), (1, 3), 1, "SAME")
    y, x = tf.range(height)[:, None, None], tf.range(width)[:, None]
    inner = (y > 0) & (y < height - 1) & (x > 0) & (x < width - 1)
    return tf.where(inner, mean * (9 / 13) + images * (4 / 13), images)


def _posterized(images: Any, lost: Any) -> Any:
    """Returns images whose values, 8 bits each, lost so many of the lowest bits: 0 to 7, rounded."""
    bits = tf.cast(tf.clip_by_value(tf.round(lost), 0.0, 7.0), tf.int32)
    step, inverse = (
        per_image(tf.gather(tf.constant([base**power for power in range(8)]), bits)) for base in (2.0, 0.5)
    )
    return tf.floor(images * inverse) * step


def _histograms(images: Any) -> tuple[Any, Any]:
    """Returns how often each grey level occurs, (batch, channels, 256), and which of these each value counts as."""
    channels = images.shape[-1]
    tables = tf.range(tf.shape(images)[0] * channels)
    places = tf.cast(images + 0.5, tf.int32) + LEVELS * tf.reshape(tables, (-1, 1, 1, channels))
    flat = tf.reshape(places, (-1,))
    counts = tf.math.unsorted_segment_sum(tf.ones_like(flat), flat, LEVELS * tf.size(tables))
    return tf.reshape(counts, (-1, channels, LEVELS)), places


def _stretched(images: Any, counts: Any) -> Any:
    """Returns images in which the darkest level of each channel is 0 and the brightest 255; flat channels stay."""
    levels = tf.range(LEVELS, dtype=tf.float32)
    darkest = tf.reduce_min(tf.where(counts > 0, levels, LEVELS), axis=-1)[:, None, None]
    span = tf.reduce_max(tf.where(counts > 0, levels, -1.0), axis=-1)[:, None, None] - darkest
    full = tf.clip_by_value((images - darkest) * (255.0 / tf.maximum(span, 1.0)), 0.0, 255.0)
    return tf.where(span > 0.0, full, images)


def _equal_levels(counts: Any) -> Any:
    """Returns what each level becomes so that all are about equally frequent; flat channels stay."""
    levels = tf.range(LEVELS, dtype=tf.float32)
    # Pixels of the darkest level are left out: without that it would not become 0.
    darkest = tf.reduce_min(tf.where(counts > 0, levels, LEVELS), axis=-1, keepdims=True)
    rises = tf.where(levels > darkest, tf.cast(counts, tf.float32), 0.0)
    total = tf.reduce_sum(rises, axis=-1, keepdims=True)
    rises = tf.where(total > 0.0, rises * (255.0 / tf.maximum(total, 1.0)), tf.cast(levels > 0.0, tf.float32))
    # Sums by a product: XLA computes those of tf.cumsum again for each pixel that looks one up.
    up_to = tf.linalg.band_part(tf.ones((LEVELS, LEVELS)), 0, -1)
    return tf.minimum(tf.linalg.matmul(rises, up_to), 255.0)
