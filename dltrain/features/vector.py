"""Numbers of which nothing is known but how many there are."""

from __future__ import annotations

from dltrain.data.feature import Feature
from dltrain.features._channels import Channels
from dltrain.features.image import Image
from dltrain.registry import FEATURES


@FEATURES.register("vector")
class Vector(Channels):
    """Numbers, the same for each example.

    Args:
        shape: how many, or several axes of them; the last is normalised number by number.
    """

    shape: tuple[int, ...]


def of_shape(shape: tuple[int, ...]) -> Feature:
    """Returns what examples of such a shape are where nothing else is known: images if it has three axes."""
    return Image(shape=shape) if len(shape) == 3 else Vector(shape=shape)
