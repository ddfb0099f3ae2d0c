"""Windows of series, each in its own scale, which `prepare` packs for the loss: signatures alone.

D. Salinas et al., "DeepAR: Probabilistic forecasting with autoregressive recurrent networks", 2020.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data import Feature
from dltrain.registry import FEATURES, TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dltrain.data import Change, DataSpec, Encoded, Outcome


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

    def head(self, data: DataSpec, x: Any, inputs: Any) -> Any:
        """Returns a Dense layer's numbers in the scale of the window that the inputs are."""

    def prepare(self, data: DataSpec) -> Change | None:
        """Returns what packs each window's scale behind its targets, (batch, steps, variables + 1)."""

    def weights(self, data: DataSpec, targets: Any) -> Any:
        """Returns the scale of each window: large series count more."""

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the squared error of packed targets, divided by their scale, (batch,)."""

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns the error relative to that of the last season, by series, as the metadata name them."""

    def answers(self, outcome: Outcome, options: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns the next steps with their times, which come from the metadata."""

    def baselines(self, data: DataSpec, train: Any, part: Any) -> dict[str, Any]:
        """Returns the last value, and the last season."""
