"""Any number of labels per example."""

from __future__ import annotations

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.fields import Fraction
from dltrain.lazy import keras, np
from dltrain.registry import TASKS
from dltrain.tasks._choices import OwnLoss, OwnMetric, build, larger_is_better, names
from dltrain.tasks._metrics import auc, f1


@TASKS.register("multilabel")
class Multilabel:
    """Any number of labels per example: binary cross-entropy on a logit for each label.

    Args:
        metrics: what is measured beside the loss: accuracy (labels that are right, at a probability of 0.5), auc (area
            under the ROC curve, mean of the labels), f1 (mean of the labels'). The first decides what is best.
        loss_function: none for cross-entropy; or a block of a plugin's, of labels and logits, both (batch, labels).
        label_smoothing: share of each label that is moved towards one half, 0 to below 1.
    """

    metrics: tuple[Literal["accuracy", "auc", "f1"] | OwnMetric, ...] = ("auc", "accuracy", "f1")
    loss_function: OwnLoss | None = None
    label_smoothing: Fraction = 0.0

    def __post_init__(self) -> None:
        names(self.metrics)
        if self.loss_function is not None and self.label_smoothing:
            raise ValueError("label_smoothing must be 0 beside a loss_function, which may smooth by itself")

    def check(self, data: DataSpec) -> None:
        """Raises ValueError where the task does not fit the data."""
        if data.targets or not data.class_names:
            raise ValueError("name: multilabel needs columns of 0 and 1, the data have numbers: regression")
        if data.exclusive:
            raise ValueError("name: multilabel needs columns of 0 and 1, the data have one class each: classification")

    @property
    def monitor(self) -> str:
        """The column of metrics.csv that says which epoch is best, where there are validation data."""
        return f"val_{names(self.metrics)[0]}" if self.metrics else "val_loss"

    def larger_is_better(self, column: str) -> bool:
        """Whether more is better in a column of metrics.csv."""
        return larger_is_better(self.metrics, column, not column.endswith("loss"))

    def loss(self, data: DataSpec) -> Any:
        """Returns the loss of (labels of 0 and 1, logits), both (batch, labels)."""
        if self.loss_function is not None:
            return self.loss_function.build()
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=self.label_smoothing)

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the Keras metrics, named as in the config."""
        labels = len(data.class_names)
        made = {
            "accuracy": lambda name: keras.metrics.BinaryAccuracy(name=name, threshold=0.0),
            "auc": lambda name: auc(name, labels, lambda wanted, logits: (wanted, logits)),
            "f1": lambda name: f1(name, labels, lambda wanted, logits: (wanted, logits > 0)),
        }
        return build(self.metrics, made)

    def weights(self, data: DataSpec, targets: np.ndarray) -> None:
        """Returns none: there are no classes to weight."""
