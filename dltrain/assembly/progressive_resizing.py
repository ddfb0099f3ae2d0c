"""Training images shrunk for a stage: first small and fast, later large, the same network."""

import dataclasses
from collections.abc import Callable
from typing import Any

from dltrain.config.blocks import Stage
from dltrain.data import Batch, Change, DataSpec, Features, named, unnamed


def seen(spec: DataSpec, stage: Stage | None) -> DataSpec:
    """Returns what the network is trained on in a stage: the data, or smaller images of them."""
    if stage is None or stage.image_size is None:
        return spec
    size = (stage.image_size,) * 2 if isinstance(stage.image_size, int) else stage.image_size
    resized = {name: feature.resized(size) for name, feature in spec.inputs.items()}
    inputs = {name: feature if (other := resized[name]) is None else other[0] for name, feature in spec.inputs.items()}
    return dataclasses.replace(spec, inputs=Features(inputs))


def shrinking(spec: DataSpec, smaller: DataSpec) -> list[Change]:
    """Returns the change that brings a batch to smaller images; none if the size is the same."""
    functions: dict[str, Callable[[Any], Any]] = {}
    for name, feature in spec.inputs.items():
        height, width, *_ = (*smaller.inputs[name].shape, None, None)
        if smaller.inputs[name] != feature and height and width and (found := feature.resized((height, width))):
            functions[name] = found[1]
    if not functions:
        return []

    def shrink(batch: Batch, seed: Any) -> Batch:
        values = {name: function(named(spec.inputs, batch.inputs)[name]) for name, function in functions.items()}
        return batch._replace(inputs=unnamed({**named(spec.inputs, batch.inputs), **values}))

    return [shrink]
