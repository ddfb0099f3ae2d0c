"""Training images shrunk for a stage: first small and fast, later large, the same network."""

import dataclasses
from collections.abc import Callable
from typing import Any

from dltrain.config.blocks import Stage
from dltrain.data import Batch, Change, DataSpec, Features, named, unnamed


def seen(spec: DataSpec, stage: Stage | None) -> DataSpec:
    """Returns what the network is trained on in a stage: the data, or smaller images of them.

    Raises:
        ValueError: if there can be no such images.
    """
    if stage is None or stage.image_size is None:
        return spec
    smaller = {name: spec.inputs[name].resized(size_of(stage))[0] for name in _images(spec)}
    return dataclasses.replace(spec, inputs=Features({**spec.inputs, **smaller}))


def size_of(stage: Stage) -> tuple[int, int]:
    """Returns height and width of the images of a stage that says them."""
    height, width = (stage.image_size,) * 2 if isinstance(stage.image_size, int) else stage.image_size or (0, 0)
    return height, width


def shrinking(spec: DataSpec, smaller: DataSpec) -> list[Change]:
    """Returns the change that brings a batch to smaller images; none if the size is the same."""
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
