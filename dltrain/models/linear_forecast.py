"""Linear maps from the past of a series to its future."""

from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.fields import PositiveInt
from dltrain.lazy import keras
from dltrain.models._forecasting import ForecastingNetwork
from dltrain.registry import MODELS


@MODELS.register("linear_forecast")
class LinearForecast(ForecastingNetwork):
    """A linear map from the window of each target to its horizon, the same for all targets: DLinear or NLinear.

    A. Zeng et al., "Are transformers effective for time series forecasting?", 2022 (AAAI 2023), section 4, whose code
    is https://github.com/cure-lab/LTSF-Linear. DLinear maps a moving average and what remains each by itself; both maps
    share one bias here, where the paper's have one each. NLinear subtracts the window's last value, maps, and adds it
    again. Covariates, which the paper has none of, are mapped too, all steps of all of them, to each target.

    Args:
        variant: dlinear or nlinear.
        moving_average: of dlinear, steps that the average is over, an odd number; the paper's 25. Windows' ends are
            repeated.
        covariates: whether past and known covariates are mapped too, where there are some.
    """

    variant: Literal["dlinear", "nlinear"] = "dlinear"
    moving_average: PositiveInt = 25
    covariates: bool = True

    def __post_init__(self) -> None:
        if self.moving_average % 2 == 0:
            raise KeyProblem("moving_average", f"must be odd, got {self.moving_average}")

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from windows to forecasts."""
        layers, ops, series = keras.layers, keras.ops, self._series(data)
        inputs = data.inputs()
        x = data.preprocess(inputs)
        own = x[..., : series.targets]
        by_target = layers.Permute((2, 1), name="by_target")
        targets = by_target(own)
        last = targets[..., -1:]
        if self.variant == "nlinear":
            features = targets - last
        else:
            trend = by_target(self._trend(own))
            features = layers.Concatenate(name="trend_and_rest")([trend, targets - trend])
        if self.covariates and (beside := self._covariates(x, series)) is not None:
            features = layers.Concatenate(name="with_covariates")([features, beside])
        if self.variant == "dlinear":
            return keras.Model(inputs, data.head(features, inputs), name="linear_forecast")
        count = (data.output_shape[2:] or (1,))[0]
        steps = layers.Dense(series.horizon * count, dtype="float32", name="logits")(features)
        forecast = layers.Reshape((series.targets, series.horizon, count), name="steps")(steps) + last[..., None]
        forecast = ops.transpose(forecast, (0, 2, 1, 3))
        return keras.Model(inputs, data.head(forecast, inputs), name="linear_forecast")

    def _trend(self, own: Any) -> Any:
        """Returns the moving average over time, (batch, window, targets), the ends repeated."""
        half = self.moving_average // 2
        first, last = (keras.ops.repeat(own[:, place], half, axis=1) for place in (slice(0, 1), slice(-1, None)))
        whole = keras.ops.concatenate([first, own, last], axis=1) if half else own
        return keras.layers.AveragePooling1D(self.moving_average, strides=1, name="trend")(whole)
