"""What colours are changed by: grey, blending, turning hues."""

from typing import Any

from dltrain.lazy import tf

RED_GREEN_BLUE = (0.299, 0.587, 0.114)
"""How bright the three look: the weights of ITU-R recommendation BT.601."""


def grey(images: Any) -> Any:
    """Returns how bright each pixel is, (batch, height, width, 1); of other than three channels it is their mean."""
    if images.shape[-1] != 3:
        return tf.reduce_mean(images, axis=-1, keepdims=True)
    red, green, blue = RED_GREEN_BLUE
    return red * images[..., 0:1] + green * images[..., 1:2] + blue * images[..., 2:3]


def mean_grey(images: Any) -> Any:
    """Returns the mean brightness of each image, (batch, 1, 1, 1)."""
    return tf.reduce_mean(grey(images), axis=(1, 2, 3), keepdims=True)


def blended(images: Any, others: Any, factors: Any) -> Any:
    """Returns images at factor 1, the others at 0, what lies between or beyond at others; kept in 0-255."""
    return tf.clip_by_value(images * factors + others * (1.0 - factors), 0.0, 255.0)


def turned_hue(images: Any, turns: Any) -> Any:
    """Returns images in red, green and blue whose hue was turned, at the same value and saturation (HSV).

    Args:
        images: (batch, height, width, 3).
        turns: (batch,) or (batch, 1, 1); 1 is once around the circle of colours, 1/3 makes green of red.
    """
    red, green, blue = (images[..., channel] for channel in range(3))
    value = tf.reduce_max(images, axis=-1)
    chroma = value - tf.reduce_min(images, axis=-1)
    # Where the hue lies between red 0, green 2, blue 4 and red 6; that of a grey pixel does not matter.
    between = tf.where(value == red, green - blue, tf.where(value == green, blue - red, red - green)) / tf.where(
        chroma > 0.0, chroma, 1.0
    )
    hue = between + tf.where(value == red, 0.0, tf.where(value == green, 2.0, 4.0)) + 6.0 * turns
    channels = []
    for offset in (5.0, 3.0, 1.0):
        sixths = hue + offset
        place = sixths - 6.0 * tf.floor(sixths * (1 / 6))  # a remainder takes five times as long
        channels.append(value - chroma * tf.clip_by_value(tf.minimum(place, 4.0 - place), 0.0, 1.0))
    return tf.clip_by_value(tf.stack(channels, axis=-1), 0.0, 255.0)
