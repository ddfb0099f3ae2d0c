"""Smaller training images for a stage: first small and fast, later large, with the same network."""

from collections.abc import Callable
from typing import Any

from dltrain.config.blocks import Stage
from dltrain.data import DataSpec


def seen(spec: DataSpec, stage: Stage | None) -> DataSpec:
    """Returns the description of the data in a stage: with the stage's image size, where it sets one."""
    if stage is None or stage.image_size is None:
        return spec
    return spec.with_input(spec.input.resized(size_of(stage))[0])


def size_of(stage: Stage) -> tuple[int, int]:
    """Returns height and width of the images of a stage that sets `image_size`."""
    height, width = (stage.image_size,) * 2 if isinstance(stage.image_size, int) else stage.image_size or (0, 0)
    return height, width


def shrinking(spec: DataSpec, smaller: DataSpec) -> list[Callable[[Any, Any], Any]]:
    """Returns, in a list, the function of (images, seed) that resizes images; an empty list if the size is the same."""
    if spec.input.shape == smaller.input.shape:
        return []
    _, shrink = spec.input.resized(smaller.input.shape[:2])
    return [lambda images, seed: shrink(images)]
