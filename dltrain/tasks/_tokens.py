"""What tasks share that ask about some of the tokens of a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dltrain.lazy import keras
from dltrain.tasks._metrics import mean

NOT_ASKED = -1
"""The target of a token that is not asked about, padding among them."""


def mean_of_asked(targets: Any, of_token: Any) -> Any:
    """Returns the mean of a number over the tokens of each text that are asked about, (batch,); 0 where none is.

    Args:
        targets: of each token, (batch, tokens).
        of_token: the number of each, likewise; 0 where it is not asked about.
    """
    ops = keras.ops
    counts = ops.sum(ops.cast(targets != NOT_ASKED, "float32"), axis=1)
    return ops.sum(of_token, axis=1) / ops.maximum(counts, 1.0)


def of_tokens(name: str, measure: Callable[[Any, Any], Any], finish: Callable[[Any], Any] | None = None) -> Any:
    """Returns a Keras metric: the mean of a number over the tokens of all texts that are asked about, finished.

    Args:
        name: of the metric.
        measure: of (targets, outputs), the number of each token, 0 where it is not asked about.
        finish: of the mean; none for nothing.
    """
    ops = keras.ops

    def measured(targets: Any, outputs: Any, sample_weight: Any) -> tuple[Any, Any]:
        of_text = ops.sum(measure(targets, outputs), axis=1)
        counts = ops.sum(ops.cast(targets != NOT_ASKED, "float32"), axis=1)
        if sample_weight is not None:
            of_text, counts = of_text * sample_weight, counts * sample_weight
        return ops.sum(of_text), ops.sum(counts)

    return mean(name, measured, finish)


def accuracy() -> Any:
    """Returns the Keras metric: the share of the tokens asked about whose largest logit is that of their target."""

    def right(targets: Any, logits: Any) -> Any:
        ops = keras.ops
        # What a baseline ends in may be as long as the longest text of all, or the same at each place.
        chosen = ops.argmax(logits, axis=-1)[:, : ops.shape(targets)[1]]
        return ops.cast(chosen == targets, "float32")

    return of_tokens("accuracy", right)
