"""Windows of series, each in its own scale, which `prepare` packs for the loss: a micro-task, else signatures alone.

D. Salinas et al., "DeepAR: Probabilistic forecasting with autoregressive recurrent networks", 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data import Feature
from dltrain.lazy import np, tf
from dltrain.registry import FEATURES, TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dltrain.data import Batch, Change, DataSpec, Encoded, Outcome


@FEATURES.register("stub_window")
class StubWindow(Feature):
    """The last steps of a series."""

    shape: tuple[int | None, ...] = (24, 1)
    dtype: ClassVar = "float32"

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns steps, with the series and the time of each window as metadata."""

    def decode(self, stored: Any) -> list[Any]:
        """Returns lists of numbers."""

    def vectors(self, stored: Any) -> Any:
        """Returns the steps in a row."""


@FEATURES.register("stub_future")
class StubFuture(StubWindow):
    """The next steps."""

    task: ClassVar = "stub_forecasting"


@TASKS.register("stub_forecasting")
class StubForecasting(Task):
    """The next steps of a series, in its own units."""

    accepts: ClassVar = (StubFuture,)
    metrics: tuple[str, ...] = ("mae",)
    part_metrics: tuple[str, ...] = ("mase",)

    def output_shape(self, data: DataSpec) -> tuple[int | None, ...]:
        """Returns (steps, variables)."""

    def head(self, data: DataSpec, x: Any, inputs: Any, embedding: Any = None) -> Any:
        """Returns a Dense layer's numbers in the scale of the window that the inputs are."""

    def prepare(self, data: DataSpec) -> Change | None:
        """Returns what packs each window's scale behind its targets, (batch, steps, variables + 1).

        Large series count more: a window's scale is its weight, too.
        """

        def packed(batch: Batch, seed: Any) -> Batch:
            scales = tf.reduce_mean(tf.abs(batch.inputs), axis=(1, 2))
            behind = tf.broadcast_to(scales[:, None, None], tf.concat([tf.shape(batch.targets)[:2], [1]], 0))
            return batch._replace(targets=tf.concat([batch.targets, behind], axis=-1), weights=scales)

        return packed

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the squared error of packed targets, divided by their scale, (batch,)."""
        return lambda targets, outputs: tf.reduce_mean(
            ((targets[..., :-1] - outputs) / targets[..., -1:]) ** 2, axis=(1, 2)
        )

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns the error relative to that of the last value, the mean over the series that the metadata name."""
        error = np.abs(outcome.outputs - outcome.targets).mean(axis=(1, 2))
        naive = np.abs(outcome.known.inputs[:, -1:] - outcome.targets).mean(axis=(1, 2))
        series = outcome.metadata["series"]
        each = [error[series == name].mean() / naive[series == name].mean() for name in np.unique(series)]
        return {"mase": float(np.mean(each))}

    def answers(self, outcome: Outcome, options: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the next steps with their times, which come from the metadata."""
        return [
            {"values": steps[:, 0].tolist(), "times": [int(time) + 1 + step for step in range(len(steps))]}
            for steps, time in zip(outcome.outputs, outcome.metadata["time"], strict=True)
        ]

    def baselines(self, data: DataSpec, train: Any, part: Any) -> dict[str, Any]:
        """Returns the last value, and the last season."""
