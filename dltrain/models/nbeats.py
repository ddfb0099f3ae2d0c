"""N-BEATS: blocks that explain a part of the past, and add their part to the forecast."""

from collections.abc import Callable
from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.features.series import Series
from dltrain.fields import PositiveInt
from dltrain.lazy import keras
from dltrain.models._forecasting import ForecastingNetwork
from dltrain.registry import MODELS


@MODELS.register("nbeats")
class NBeats(ForecastingNetwork):
    """Blocks of dense layers, each over what those before it leave of the window: N-BEATS, generic or interpretable.

    B. N. Oreshkin et al., "N-BEATS: Neural basis expansion analysis for interpretable time series forecasting", 2019
    (ICLR 2020), section 3 and table 18, whose code is https://github.com/ServiceNow/N-BEATS. A block ends in
    coefficients of a backcast, which is subtracted from its input, and of a forecast; all forecasts are summed. Of the
    generic variant they are the steps themselves; the interpretable one has a stack of polynomials and one of sines and
    cosines. All targets go through the same weights, each by itself. The authors' code starts with the last value
    instead of 0, which `scaling: last_value` of the dataset does here. Covariates, which the paper has none of, stand
    beside the input of each block, all steps of all of them.

    Args:
        variant: generic or interpretable.
        blocks: of the generic variant, each with weights of its own, the paper's 30; of the interpretable one, of each
            stack, which shares its weights, the paper's 3.
        layers: dense layers of each block; the paper's 4.
        units: of each dense layer; the paper's 512 of the generic variant, 256 of the polynomials.
        seasonal_units: of the stack of sines and cosines; none for `units`. The paper's 2048.
        degree: of the polynomials; the paper's 2.
        harmonics: how many times finer than a cycle per horizon the frequencies are; the paper's 1.
    """

    variant: Literal["generic", "interpretable"] = "generic"
    blocks: PositiveInt = 3
    layers: PositiveInt = 4
    units: PositiveInt = 256
    seasonal_units: PositiveInt | None = None
    degree: PositiveInt = 2
    harmonics: PositiveInt = 1

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from windows to forecasts."""
        layers, series = keras.layers, self._series(data)
        inputs = data.inputs()
        x = data.preprocess(inputs)
        rest = layers.Permute((2, 1), name="by_target")(x[..., : series.targets])
        beside = self._covariates(x, series)
        count, forecasts = (data.output_shape[2:] or (1,))[0], []
        for name, block in self._blocks(series, count):
            features = rest if beside is None else layers.Concatenate(name=f"{name}_with_covariates")([rest, beside])
            backcast, forecast = block(features)
            rest = layers.Subtract(dtype="float32", name=f"{name}_rest")([rest, backcast])
            forecasts.append(forecast)
        forecast = layers.Add(dtype="float32", name="sum")(forecasts) if len(forecasts) > 1 else forecasts[0]
        in_time = layers.Permute((3, 1, 2), dtype="float32", name="in_time")(forecast)
        return keras.Model(inputs, data.head(in_time, inputs), name="nbeats")

    def _blocks(self, series: Series, count: int) -> list[tuple[str, Callable[[Any], tuple[Any, Any]]]]:
        """Returns the blocks in their order, each with a name of its own."""
        numbers = range(1, self.blocks + 1)
        if self.variant == "generic":
            return [(f"block{number}", self._block(f"block{number}", "generic", series, count)) for number in numbers]
        stacks = {kind: self._block(kind, kind, series, count) for kind in ("trend", "season")}
        return [(f"{kind}{number}", block) for kind, block in stacks.items() for number in numbers]

    def _block(self, name: str, kind: str, series: Series, count: int) -> Callable[[Any], tuple[Any, Any]]:
        """Returns what makes a backcast, (batch, targets, window), and forecasts, (batch, targets, count, horizon)."""
        from dltrain.layers.basis_expansion import BasisExpansion

        layers, window, horizon = keras.layers, series.window, series.horizon
        units = self.seasonal_units or self.units if kind == "season" else self.units
        body = [layers.Dense(units, "relu", name=f"{name}_dense{number}") for number in range(1, self.layers + 1)]
        order = {"generic": 0, "trend": self.degree, "season": self.harmonics}[kind]
        past, ahead = (
            BasisExpansion(kind, steps, horizon, order, is_past, dtype="float32", name=f"{name}_{words}")
            for steps, is_past, words in ((window, True, "backcast"), (horizon, False, "forecast"))
        )
        sizes = (window, horizon) if kind == "generic" else (len(past.basis), len(ahead.basis))
        coefficients = layers.Dense(sizes[0] + count * sizes[1], dtype="float32", name=f"{name}_coefficients")
        by_output = layers.Reshape((series.targets, count, sizes[1]), dtype="float32", name=f"{name}_by_output")

        def block(x: Any) -> tuple[Any, Any]:
            for layer in body:
                x = layer(x)
            x = coefficients(x)
            backcast, forecast = x[..., : sizes[0]], by_output(x[..., sizes[0] :])
            return (backcast, forecast) if kind == "generic" else (past(backcast), ahead(forecast))

        return block
