"""Metrics in the graph: means over parts of examples, and those of labels that an example has or has not, on logits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from dltrain.lazy import keras, np

BINS = 4096
"""Of each label's scores: scores in one bin count as equal, so that those that are very near each other are too."""
LEVEL = 10.0
"""The logit at which bins are four times as wide as about 0; no logit is so large that it has no bin."""

Read = Callable[[Any, Any], tuple[Any, Any]]


def reading(metric: Any, prepare: Read) -> Any:
    """Returns a Keras metric that sees targets and outputs as `prepare` makes them."""
    update = metric.update_state

    def update_state(targets: Any, outputs: Any, sample_weight: Any = None) -> Any:
        return update(*prepare(targets, outputs), sample_weight)

    metric.update_state = update_state
    return metric


def mean(name: str, measured: Callable[[Any, Any, Any], tuple[Any, Any]], finish: Callable[[Any], Any] | None) -> Any:
    """Returns a Keras metric: the mean of a number of parts of examples, such as tokens or steps, over all of these.

    Args:
        name: the metric's.
        measured: returns of targets, outputs and weights, or none, the sum of the numbers and how many these are.
        finish: what is done to the mean; none for nothing.
    """
    ops = keras.ops

    class Mean(keras.Metric):
        def __init__(self) -> None:
            super().__init__(name=name, dtype="float32")
            self.total = self.add_weight(shape=(), initializer="zeros", name="total")
            self.count = self.add_weight(shape=(), initializer="zeros", name="count")

        def update_state(self, targets: Any, outputs: Any, sample_weight: Any = None) -> None:
            total, count = measured(targets, outputs, sample_weight)
            self.total.assign_add(total)
            self.count.assign_add(count)

        def result(self) -> Any:
            found = self.total / ops.maximum(self.count, 1e-12)
            return found if finish is None else finish(found)

    return Mean()


def auc(name: str, labels: int, read: Read) -> Any:
    """Returns a Keras metric: the area under the ROC curve, mean of the labels that some examples have and some not.

    It is what training shows of an epoch; `area` measures whole parts exactly. Counts scores in bins that are narrow
    about a probability of one half and grow with the logit, so that probabilities near 0 and 1 are kept apart; Keras's
    own thresholds are even in the probability.

    Args:
        name: the metric's.
        labels: how many.
        read: returns of targets and outputs which labels each example has, 0 or 1, and logits, both (batch, labels).
    """
    ops = keras.ops

    class Area(keras.Metric):
        def __init__(self) -> None:
            super().__init__(name=name, dtype="float32")
            self.having = self.add_weight(shape=(labels, BINS), initializer="zeros", name="having")
            self.others = self.add_weight(shape=(labels, BINS), initializer="zeros", name="others")

        def update_state(self, targets: Any, outputs: Any, sample_weight: Any = None) -> None:
            wanted, logits = (ops.cast(values, "float32") for values in read(targets, outputs))
            places = ops.cast((1.0 + logits / (LEVEL + ops.abs(logits))) * (BINS / 2), "int32")
            places = ops.clip(places, 0, BINS - 1) + BINS * ops.arange(labels, dtype="int32")
            for counts, values in ((self.having, wanted), (self.others, 1.0 - wanted)):
                values = ops.reshape(_weighted(values, sample_weight), (-1,))
                added = ops.segment_sum(values, ops.reshape(places, (-1,)), labels * BINS)
                counts.assign_add(ops.reshape(added, (labels, BINS)))

        def result(self) -> Any:
            having, others = ops.convert_to_tensor(self.having), ops.convert_to_tensor(self.others)
            pairs = ops.sum(having, axis=1) * ops.sum(others, axis=1)
            below = ops.cumsum(others, axis=1) - others / 2  # those in the same bin count half
            return _mean(_ratio(ops.sum(having * below, axis=1), pairs), pairs)

    return Area()


def area(scores: np.ndarray, has: np.ndarray) -> float:
    """Returns the area under the ROC curve exactly, mean of the labels that some examples have and some not.

    It is how often an example with the label scores more than one without it; equal scores count half (H. B. Mann and
    D. R. Whitney, 1947).

    Args:
        scores: more means rather, (examples, labels).
        has: which labels each example has, bool, likewise.

    Returns:
        NaN where there is no such label, or a score is NaN.
    """
    if np.isnan(scores).any():
        return math.nan
    found = []
    for values, having in zip(scores.T, has.T, strict=True):
        _, places = np.unique(values, return_inverse=True)
        right, wrong = (np.bincount(places, each).astype(np.float64) for each in (having, ~having))
        below = np.cumsum(wrong) - wrong / 2
        if right.any() and wrong.any():
            found.append(float(right @ below / (right.sum() * wrong.sum())))
    return float(np.mean(found)) if found else math.nan


def odds(logits: np.ndarray) -> np.ndarray:
    """Returns the logit of each class against all others together, log(p / (1 - p)), (examples, classes), float64.

    It is rounded to 12 decimals: what is equal but for rounding is equal.
    """
    exact = logits.astype(np.float64)
    if exact.shape[1] == 2:
        return exact - exact[:, ::-1]
    rows, top = np.arange(len(exact)), exact.argmax(axis=1)
    rivals = exact.copy()
    rivals[rows, top] = -np.inf
    shares = exact - _log_sum(exact)[:, None]
    with np.errstate(divide="ignore"):
        found = shares - np.log1p(-np.exp(shares))
    # 1 - p of the first class would be lost in rounding; its rivals' own sum is not.
    found[rows, top] = exact[rows, top] - _log_sum(rivals)
    return np.round(found, 12)


def _log_sum(logits: np.ndarray) -> np.ndarray:
    """Returns log(sum(exp(logits))) of each row."""
    largest = logits.max(axis=1)
    return np.asarray(largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1)))


def f1(name: str, labels: int, read: Read) -> Any:
    """Returns a Keras metric: the harmonic mean of precision and recall, mean of the labels that some examples have.

    Args:
        name: the metric's.
        labels: how many.
        read: returns the actual and the predicted labels from targets and outputs, both (batch, labels).
    """
    ops = keras.ops

    class F1(keras.Metric):
        def __init__(self) -> None:
            super().__init__(name=name, dtype="float32")
            self.right = self.add_weight(shape=(labels,), initializer="zeros", name="right")
            self.wanted = self.add_weight(shape=(labels,), initializer="zeros", name="wanted")
            self.predicted = self.add_weight(
                shape=(labels,), initializer="zeros", name="told"
            )  # as checkpoints have it

        def update_state(self, targets: Any, outputs: Any, sample_weight: Any = None) -> None:
            wanted, predicted = (ops.cast(values, "float32") for values in read(targets, outputs))
            for counts, values in (
                (self.right, wanted * predicted),
                (self.wanted, wanted),
                (self.predicted, predicted),
            ):
                counts.assign_add(ops.sum(_weighted(values, sample_weight), axis=0))

        def result(self) -> Any:
            return _mean(_ratio(2.0 * self.right, self.wanted + self.predicted), self.wanted)

    return F1()


def class_logits(logits: Any) -> Any:
    """Returns the logit of each class against all others together, log(p / (1 - p)), (batch, classes)."""
    ops = keras.ops
    logits = ops.cast(logits, "float32")
    is_top = ops.one_hot(ops.argmax(logits, axis=-1), logits.shape[-1], dtype="bool")
    shares = ops.log_softmax(logits)
    # 1 - p of the first class would be lost in rounding; its rivals' own sum is not.
    rivals = ops.logsumexp(ops.where(is_top, -1e30, logits), axis=-1, keepdims=True)
    return ops.where(is_top, logits - rivals, shares - ops.log1p(-ops.where(is_top, 0.0, ops.exp(shares))))


def _weighted(values: Any, sample_weight: Any) -> Any:
    return values if sample_weight is None else values * keras.ops.reshape(sample_weight, (-1, 1))


def _ratio(part: Any, whole: Any) -> Any:
    return part / keras.ops.where(whole > 0, whole, 1.0)


def _mean(values: Any, counts: Any) -> Any:
    """Returns the mean of the values whose count is not 0; NaN where there is none."""
    known = keras.ops.cast(counts > 0, "float32")
    return keras.ops.sum(values * known) / keras.ops.sum(known)
