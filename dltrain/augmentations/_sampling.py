"""Images read at other places than their pixels': the one sampler of all that rotates, moves, stretches and shears.

A map is (batch, 2, 3): the rows of [[a, b, c], [d, e, f]] tell which place of the image each place of the result
shows, row = a y + b x + c and column = d y + e x + f, in pixels from the image's centre.
"""

from typing import Annotated, Any, Literal

from dltrain.fields import Range
from dltrain.lazy import tf

Fill = Annotated[float, Range(minimum=0, maximum=255)] | Literal["nearest"]
"""What is seen where the image ends: a grey level, or the nearest pixel of the border."""


def moved(images: Any, maps: Any, fill: Any) -> Any:
    """Returns images of the same size, each pixel a blend of the four nearest to where its map points (bilinear).

    Args:
        images: (batch, height, width, channels), float32.
        maps: (batch, 2, 3).
        fill: a grey level, one for each channel, or "nearest".
    """
    height, width, channels = images.shape[1:]
    y = (tf.range(height, dtype=tf.float32) - (height - 1) / 2)[:, None]
    x = (tf.range(width, dtype=tf.float32) - (width - 1) / 2)[None, :]
    row, column = (
        maps[:, axis, 0, None, None] * y + maps[:, axis, 1, None, None] * x + maps[:, axis, 2, None, None] + centre
        for axis, centre in enumerate(((height - 1) / 2, (width - 1) / 2))
    )
    rows, columns = _neighbours(row, height, fill), _neighbours(column, width, fill)
    pixels = tf.reshape(images, (-1, height * width, channels))
    blended: Any = 0.0
    seen: Any = 0.0
    for place_down, share_down in rows:
        for place_across, share_across in columns:
            share = share_down * share_across
            found = tf.gather(pixels, place_down * width + place_across, axis=1, batch_dims=1)
            blended, seen = blended + share[..., None] * found, seen + share
    if not isinstance(fill, str):
        blended = blended + (1.0 - seen)[..., None] * fill
    return tf.clip_by_value(blended, 0.0, 255.0)  # shares may add up to more than 1 by a rounding


def _neighbours(places: Any, size: int, fill: Any) -> list[tuple[Any, Any]]:
    """Returns the pixels before and after each place along one axis, and the share of each: 0 outside of the image."""
    if fill == "nearest":
        places = tf.clip_by_value(places, 0.0, size - 1.0)
    before = tf.floor(places)
    share = places - before
    found = []
    for place, part in ((before, 1.0 - share), (before + 1.0, share)):
        inside = (place >= 0.0) & (place <= size - 1.0)
        # Clipped before it is cast: a place may be too far away for a whole number.
        found.append((tf.cast(tf.clip_by_value(place, 0.0, size - 1.0), tf.int32), tf.where(inside, part, 0.0)))
    return found


def maps_of(a: Any = 1.0, b: Any = 0.0, c: Any = 0.0, d: Any = 0.0, e: Any = 1.0, f: Any = 0.0, *, like: Any) -> Any:
    """Returns maps, (batch, 2, 3), of entries that are (batch,) or one number; left out, they change nothing."""
    values = [tf.broadcast_to(tf.cast(value, tf.float32), tf.shape(like)) for value in (a, b, c, d, e, f)]
    return tf.reshape(tf.stack(values, axis=-1), (-1, 2, 3))


def rotation(angles: Any) -> Any:
    """Returns the maps that turn images counter-clockwise by angles in radians, (batch,)."""
    cosine, sine = tf.cos(angles), tf.sin(angles)
    return maps_of(a=cosine, b=sine, d=-sine, e=cosine, like=angles)
