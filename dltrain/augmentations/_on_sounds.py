"""What changes sounds, as a change of batches."""

from collections.abc import Callable
from typing import Any

from dltrain.data import Batch, Change, DataSpec, named, unnamed
from dltrain.errors import KeyProblem
from dltrain.features.audio import Audio


def on_sounds(data: DataSpec, function: Callable[[Any, Any, Audio], Any]) -> Change:
    """Returns the change of a batch that changes its sounds; several inputs of an example by the same draws.

    Args:
        data: which inputs are sounds.
        function: of (clips, seed, feature), clips (batch, samples), float32; returns such clips.
    """
    sounds = {name: feature for name, feature in data.inputs.items() if isinstance(feature, Audio)}

    def change(batch: Batch, seed: Any) -> Batch:
        inputs = named(data.inputs, batch.inputs)
        changed = {name: function(inputs[name], seed, feature) for name, feature in sounds.items()}
        return batch._replace(inputs=unnamed({**inputs, **changed}))

    return change


def require_sounds(name: str, data: DataSpec) -> list[Audio]:
    """Returns the inputs that are sounds.

    Raises:
        KeyProblem: if there are none.
    """
    found = [each for each in data.inputs.values() if isinstance(each, Audio)]
    if not found:
        there = " and ".join(f"{key} of shape {each.shape}" for key, each in data.inputs.items())
        raise KeyProblem("name", f"{name} needs sounds, got {there}")
    return found
