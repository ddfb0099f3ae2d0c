"""What forecasting networks begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.features.series import Series
from dltrain.lazy import keras
from dltrain.models import Model


@dataclass(frozen=True, kw_only=True)
class ForecastingNetwork(Model):
    """A network over windows of series: `Series` says what it may ask of them, `Forecasting.head` how it ends."""

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no windows of series that are to be forecast."""
        self._series(data)

    def _series(self, data: DataSpec) -> Series:
        """Returns the only input, which must be windows of series."""
        if is_forecast(data):
            return data.input
        there = " and ".join(f"{name} of shape {each.model_shape}" for name, each in data.inputs.items())
        raise KeyProblem("name", f"{self.registered_name} needs one input of series to forecast, got {there}")

    def _covariates(self, x: Any, series: Series) -> Any:
        """Returns all steps of all channels but the targets beside each target, (batch, targets, numbers); else none.

        Args:
            x: windows as `preprocess` makes them.
            series: what they are.
        """
        if x.shape[-1] == series.targets:
            return None
        beside = keras.layers.Flatten(name="covariates")(x[..., series.targets :])
        return keras.layers.RepeatVector(series.targets, name="for_each_target")(beside)


def is_forecast(data: DataSpec) -> bool:
    """Whether the only input is windows of series that are to be forecast."""
    found = [*data.inputs.values()]
    return len(found) == 1 and isinstance(found[0], Series) and found[0].horizon > 0
