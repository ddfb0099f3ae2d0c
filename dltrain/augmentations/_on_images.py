"""What changes images, as a change of batches."""

from collections.abc import Callable
from typing import Any

from dltrain.data import Batch, Change, DataSpec, named, unnamed


def on_images(data: DataSpec, function: Callable[[Any, Any], Any]) -> Change:
    """Returns the change of a batch that changes its images; several inputs of an example in the same way.

    Args:
        data: which inputs are images.
        function: of (images, seed), images (batch, height, width, channels), float32; returns such images.
    """
    names = [name for name, feature in data.inputs.items() if len(feature.model_shape) == 3]

    def change(batch: Batch, seed: Any) -> Batch:
        inputs = named(data.inputs, batch.inputs)
        return batch._replace(inputs=unnamed({**inputs, **{name: function(inputs[name], seed) for name in names}}))

    return change
