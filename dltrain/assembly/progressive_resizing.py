"""Smaller training images for a stage: first small and fast, later large, with the same network."""

import dataclasses
from collections.abc import Callable
from typing import Any

from dltrain.config.blocks import Stage
from dltrain.data import Batch, Change, DataSpec, Features, named, unnamed


def stage_data(spec: DataSpec, stage: Stage | None) -> DataSpec:
    """Returns the description of the data in a stage: with the stage's image size, where it sets one.

    Raises:
        ValueError: if images of this size are impossible.
    """
    if stage is None or stage.image_size is None:
        return spec
    smaller = {name: spec.inputs[name].resized(size_of(stage))[0] for name in _images(spec)}
    return dataclasses.replace(spec, inputs=Features({**spec.inputs, **smaller}))


def size_of(stage: Stage) -> tuple[int, int]:
    """Returns height and width of the images of a stage that sets `image_size`."""
    height, width = (stage.image_size,) * 2 if isinstance(stage.image_size, int) else stage.image_size or (0, 0)
    return height, width


def resizing(spec: DataSpec, smaller: DataSpec) -> list[Change]:
    """Returns, in a list, the change that resizes the images of a batch; an empty list if the size is the same."""
    functions: dict[str, Callable[[Any], Any]] = {}
    for name, feature in spec.inputs.items():
        height, width, *_ = (*smaller.inputs[name].shape, 0, 0)
        if smaller.inputs[name].shape != feature.shape and height and width:
            functions[name] = feature.resized((height, width))[1]
    if not functions:
        return []

    def shrink(batch: Batch, seed: Any) -> Batch:
        inputs = named(spec.inputs, batch.inputs)
        changed = {name: function(inputs[name]) for name, function in functions.items()}
        return batch._replace(inputs=unnamed({**inputs, **changed}))

    return [shrink]


def _images(spec: DataSpec) -> list[str]:
    """Returns the names of the inputs that have a height and a width; all of them where none has."""
    return [name for name, feature in spec.inputs.items() if len(feature.model_shape) == 3] or [*spec.inputs]
