"""Measures of predictions: confusion matrix, precision and recall, ROC and PR curves, calibration."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

BINS = 15
"""Of confidence: C. Guo et al., "On calibration of modern neural networks", 2017, section 5."""


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the probability of each class, (examples, classes), float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Returns the probability of each label, float64."""
    return 0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))


def confusion(actual: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Returns the confusion matrix, actual classes as rows and predicted as columns, (classes, classes)."""
    return np.bincount(actual.astype(np.int64) * classes + predicted, minlength=classes * classes).reshape(
        classes, classes
    )


class PerClass(NamedTuple):
    """Measures of each class or label, (classes,); NaN where one is 0 / 0."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray


def per_class(right: np.ndarray, wanted: np.ndarray, predicted: np.ndarray) -> PerClass:
    """Returns precision, recall and F1.

    Args:
        right: how often each class was predicted rightly.
        wanted: how many examples have it.
        predicted: how often it was predicted.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return PerClass(right / predicted, right / wanted, 2 * right / (wanted + predicted))


class Ranking(NamedTuple):
    """ROC and precision-recall curves of the scores of one class or label.

    Args:
        false_alarms: share of those that have it not which score at least as much, rising from 0 to 1.
        found: share of those that have it, the recall, at the same thresholds.
        precision: share of those that have it among all at or above the threshold.
        area: under the ROC curve; equal scores count half.
        average_precision: the mean of precision over recall, by steps.
    """

    false_alarms: np.ndarray
    found: np.ndarray
    precision: np.ndarray
    area: float
    average_precision: float


def ranking(scores: np.ndarray, has: np.ndarray) -> Ranking | None:
    """Returns ROC and precision-recall curves; none where all examples have the label or none has.

    Args:
        scores: more means rather, (examples,).
        has: whether each example has it, bool.
    """
    order = np.argsort(-scores, kind="stable")
    falling, having = scores[order], has[order]
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    right = np.cumsum(having)[ends].astype(float)
    wrong = ends + 1 - right
    if not right[-1] or not wrong[-1]:
        return None
    found, alarms, precision = right / right[-1], wrong / wrong[-1], right / (right + wrong)
    average = float((np.diff(found, prepend=0) * precision).sum())
    alarms, recall = np.append(0, alarms), np.append(0, found)
    area = float(np.trapezoid(recall, alarms))
    return Ranking(alarms, recall, np.append(precision[0], precision), area, average)


class Calibration(NamedTuple):
    """The share of correct predictions in bins of confidence.

    Args:
        confidence: mean in each bin, NaN in an empty one, (bins,).
        right: share of right answers in each bin, likewise.
        counts: answers in each bin.
        error: the expected calibration error: the mean gap, weighted by counts.
    """

    confidence: np.ndarray
    right: np.ndarray
    counts: np.ndarray
    error: float


def calibration(confidence: np.ndarray, is_right: np.ndarray) -> Calibration:
    """Returns the share of correct predictions in bins of confidence, of equal width from 0 to 1.

    Args:
        confidence: of each answer, 0 to 1.
        is_right: whether it is right, or how much of it.
    """
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    with np.errstate(invalid="ignore"):
        mean, right = (np.bincount(places, values, BINS) / counts for values in (confidence, is_right.astype(float)))
    error = float(np.nansum(counts * np.abs(mean - right)) / max(len(confidence), 1))
    return Calibration(mean, right, counts, error)
