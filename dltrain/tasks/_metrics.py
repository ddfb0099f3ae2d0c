"""Metrics of probabilities and one-hot rows, on a network's logits."""

from collections.abc import Callable
from typing import Any


def reading(metric: Any, prepare: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
    """Returns a Keras metric that sees targets and outputs as `prepare` makes them."""
    update = metric.update_state

    def update_state(targets: Any, outputs: Any, sample_weight: Any = None) -> Any:
        return update(*prepare(targets, outputs), sample_weight)

    metric.update_state = update_state
    return metric
