"""What a step sees, and what may be done to it: Batch and Change."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Batch(NamedTuple):
    """Tensors of some examples; of several inputs, targets or weights, a dict of them by name.

    Args:
        inputs: (batch, *shape).
        targets: likewise; (batch, 0) where there are none.
        weights: how much each example counts, (batch,), float32; none where all count the same.
    """

    inputs: Any
    targets: Any
    weights: Any = None


Change = Callable[[Batch, Any], Batch]
"""What makes another batch of one, by a seed, int32, (2,)."""
