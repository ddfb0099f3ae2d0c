"""Steps of series, forecast."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dltrain.data import Batch, Change, DataSpec, Outcome, Split
from dltrain.data.spec import HEAD
from dltrain.errors import KeyProblem
from dltrain.features._series import frequency as frequencies
from dltrain.features._series.ends import UNDATED
from dltrain.features.future import Future
from dltrain.features.series import Series
from dltrain.fields import PositiveFloat, Share
from dltrain.lazy import keras, np, tf
from dltrain.registry import TASKS
from dltrain.tasks import Task
from dltrain.tasks._forecasts import Forecast, answered, autoregression, means, simple
from dltrain.tasks._metrics import mean

if TYPE_CHECKING:
    from dltrain.data.proposal import Keys, Proposal
    from dltrain.figures.page import Panel
    from dltrain.report.outcome import Mistakes
    from dltrain.report.parts import Chapter

Measure = Literal["mae", "rmse", "mape", "smape", "mase"]


@TASKS.register("forecasting")
class Forecasting(Task):
    """The next steps of series, in their own units, as numbers or with quantiles.

    The loss is taken in the scale of each window, of values that the data's `transform` has changed, so that large
    series count no more than small ones and learning rates mean the same whatever the unit; metrics are in the targets'
    units, over all steps of the horizon. What was not measured counts nowhere.

    Args:
        loss_function: mse, the mean squared error; mae, the mean absolute error; huber, squared up to `huber_delta` and
            linear beyond; or quantiles, the pinball loss of `quantiles` (R. Koenker and G. Bassett 1978), which gives
            intervals.
        huber_delta: where huber turns linear, in the scale of the window.
        quantiles: of `loss_function: quantiles`, rising, 0.5 among them, which is the forecast that metrics measure;
            the first and the last are the interval of `coverage`, how many values lie in it, and `width`, its mean.
        metrics: what is measured beside the loss: mae and rmse in the targets' units; mape and smape in percent, of the
            value, and of the mean of value and forecast (values that are 0 have no mape); mase, the absolute error
            divided by that of the value a season before in the train part of the series (R. Hyndman and A. Koehler
            2006). The first decides what is best.
    """

    accepts: ClassVar = (Future,)
    no_option: ClassVar[str] = "the run forecasts numbers, it has no classes"
    compares: ClassVar[bool] = True

    loss_function: Literal["mse", "mae", "huber", "quantiles"] = "mse"
    huber_delta: PositiveFloat = 1.0
    quantiles: tuple[Share, ...] = (0.1, 0.5, 0.9)
    metrics: tuple[Measure, ...] = ("mae", "rmse", "mase")

    def __post_init__(self) -> None:
        if not self.metrics or len(set(self.metrics)) < len(self.metrics):
            raise KeyProblem("metrics", "must name one or several different metrics")
        is_rising = all(one < other for one, other in zip(self.quantiles, self.quantiles[1:], strict=False))
        if not is_rising or 0.5 not in self.quantiles or len(self.quantiles) < 2 or self.quantiles[-1] >= 1:
            words = "must rise, be between 0 and 1, several, and have 0.5 among them"
            raise KeyProblem("quantiles", f"{words}, got {', '.join(map(str, self.quantiles))}")

    @property
    def part_metrics(self) -> tuple[str, ...]:
        """The error beside that of the train part, and how good intervals are."""
        return (*(("mase",) if "mase" in self.metrics else ()), *(("coverage", "width") if self._asked else ()))

    def larger_is_better(self, column: str) -> bool:
        """Whether more is better in a column of metrics.csv: of `coverage` alone."""
        return column.removeprefix("val_") == "coverage"

    def check(self, data: DataSpec) -> None:
        """Makes sure that windows of series are to be forecast.

        Raises:
            KeyProblem: if not.
        """
        super().check(data)
        inputs = [*data.inputs.values()]
        if len(inputs) != 1 or not isinstance(inputs[0], Series):
            there = " and ".join(each.registered_name for each in inputs)
            raise KeyProblem("name", f": forecasting needs windows of series, the data have {there}")

    @property
    def _asked(self) -> tuple[float, ...]:
        """The quantiles that are forecast; none where a number is."""
        return self.quantiles if self.loss_function == "quantiles" else ()

    @property
    def _middle(self) -> int:
        return self.quantiles.index(0.5)

    def output_shape(self, data: DataSpec) -> tuple[int, ...]:
        """Returns (horizon, targets), or (horizon, targets, quantiles)."""
        return (*data.target.shape, len(self._asked)) if self._asked else data.target.shape

    def head(self, data: DataSpec, x: Any, inputs: Any = None, embedding: Any = None, **settings: Any) -> Any:
        """Returns the forecast in the targets' units.

        Args:
            data: what the network is for.
            x: (batch, features), of which a Dense layer makes all steps of all targets; (batch, targets, features), of
                which one Dense layer makes the steps of each target; or the forecast itself in the scale of the window,
                (batch, horizon, targets, quantiles), where a number is one quantile.
            inputs: the network's symbolic inputs, from which the scale comes.
            embedding: nothing here.
            settings: more arguments of the Dense layer.
        """
        if inputs is None:
            raise TypeError("forecasting needs the network's inputs: data.head(x, inputs)")
        layers, (horizon, targets), count = keras.layers, data.target.shape, max(len(self._asked), 1)
        if len(x.shape) == 2:
            x = layers.Dense(horizon * targets * count, dtype="float32", name=HEAD, **settings)(x)
            x = layers.Reshape((horizon, targets, count), name="steps")(x)
        elif len(x.shape) == 3:
            x = layers.Dense(horizon * count, dtype="float32", name=HEAD, **settings)(x)
            x = layers.Reshape((targets, horizon, count), name="steps")(x)
            x = layers.Permute((2, 1, 3), name="in_time")(x)
        x = data.input.in_units(x, inputs)
        if not self._asked:
            return layers.Reshape((horizon, targets), dtype="float32", name="forecast")(x)
        # Quantiles that cross are put in order, which never makes their loss larger (V. Chernozhukov et al. 2010).
        return keras.ops.sort(x, axis=-1)

    def prepare(self, data: DataSpec) -> Change:
        """Returns what packs each window's scale behind its targets, (batch, horizon, 2 * targets)."""
        series = data.input

        def packed(batch: Batch, seed: Any) -> Batch:
            _, scale = series.moments_of(batch.inputs)
            behind = tf.broadcast_to(scale, tf.shape(batch.targets))
            return batch._replace(targets=tf.concat([batch.targets, behind], axis=-1))

        return packed

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the mean over the steps and targets that were measured, in the scale of the window, (batch,)."""
        count, series = len(data.target.names), data.input

        def of_window(packed: Any, outputs: Any) -> Any:
            ops = keras.ops
            known, targets = _known(packed, count)
            scale = packed[..., count:]
            errors = self._losses(series.transformed(targets), series.transformed(outputs), scale) * known
            return ops.sum(errors, axis=(1, 2)) / ops.maximum(ops.sum(known, axis=(1, 2)), 1.0)

        return of_window

    def _losses(self, targets: Any, outputs: Any, scale: Any) -> Any:
        """Returns the loss of each step and target, (batch, horizon, targets)."""
        ops = keras.ops
        if self._asked:
            errors = (targets[..., None] - outputs) / scale[..., None]
            levels = ops.convert_to_tensor(self._asked, "float32")
            return ops.mean(ops.maximum(levels * errors, (levels - 1.0) * errors), axis=-1)
        size = ops.abs((targets - outputs) / scale)
        if self.loss_function == "mae":
            return size
        if self.loss_function == "mse":
            return ops.square(size)
        delta = self.huber_delta
        return ops.where(size <= delta, 0.5 * ops.square(size), delta * (size - 0.5 * delta))

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the Keras metrics, named as in the config."""
        count, ops = len(data.target.names), keras.ops

        def size(targets: Any, outputs: Any) -> Any:
            return ops.abs(targets - outputs)

        def of_value(targets: Any, outputs: Any) -> Any:
            return 100.0 * size(targets, outputs) / ops.where(targets == 0, 1.0, ops.abs(targets))

        def of_both(targets: Any, outputs: Any) -> Any:
            sums = ops.abs(targets) + ops.abs(outputs)
            return 200.0 * size(targets, outputs) / ops.where(sums == 0, 1.0, sums)

        made: dict[str, tuple[Any, Any, Any]] = {
            "mae": (size, None, None),
            "rmse": (lambda *values: ops.square(size(*values)), None, ops.sqrt),
            "mape": (of_value, lambda targets: targets != 0, None),
            "smape": (of_both, None, None),
        }
        chosen = [name for name in self.metrics if name in made]
        return [_mean(name, count, self._point, *made[name]) for name in chosen]

    def _point(self, outputs: Any) -> Any:
        """Returns the forecast that is measured, (batch, horizon, targets)."""
        return outputs[..., self._middle] if self._asked else outputs

    def score(self, data: DataSpec, outputs: Any) -> Any:
        """Returns the mean of the forecast."""
        return keras.ops.mean(self._point(outputs), axis=(1, 2))

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns the error relative to the seasonal naive one in the train part, and coverage and width."""
        targets, outputs = np.asarray(outcome.targets[:], np.float64), np.asarray(outcome.outputs, np.float64)
        found = {}
        if "mase" in self.metrics and "naive_error" in outcome.metadata:
            usual = np.asarray(outcome.metadata["naive_error"], np.float64)[:, None]
            found["mase"] = float(means(np.abs(targets - self._point(outputs)) / usual, (0, 1, 2)))
        if self._asked:
            low, high = outputs[..., 0], outputs[..., -1]
            inside = np.where(np.isfinite(targets), (targets >= low) & (targets <= high), np.nan)
            found["coverage"] = float(means(inside, (0, 1, 2)))
            found["width"] = float((high - low).mean())
        return found

    def undefined(self, data: DataSpec, split: Split) -> dict[str, str]:
        """Returns why there is no mase, or no mape."""
        found, errors = {}, np.asarray(split.metadata.get("naive_error", np.zeros(0)))
        if "mase" in self.metrics and not np.isfinite(errors).any():
            found["mase"] = "no series of the train part differs from its value a season before"
        if "mape" in self.metrics:
            values = (np.asarray(split.targets[start : start + 4096]) for start in range(0, len(split), 4096))
            if not any((np.isfinite(some) & (some != 0)).any() for some in values):
                found["mape"] = "all values are 0"
        return found

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns of which windows all steps are within a tenth of their target's deviation."""
        deviation = np.array(data.target.deviation or (1.0,) * len(data.target.names))
        apart = np.abs(self._point(np.asarray(others)) - self._point(np.asarray(outputs)))
        return np.asarray((apart <= 0.1 * deviation).all(axis=(1, 2)))

    def baselines(self, data: DataSpec, train: Split, part: Split) -> dict[str, np.ndarray]:
        """Returns forecasts from a window's targets alone: naive, seasonal naive, drift, and linear autoregression.

        Where quantiles are asked for, those of a baseline's own errors in the train part lie around its forecast, in
        the scale of the window.
        """
        series = data.input
        window, targets = series.window, series.targets
        forecasts: dict[str, Forecast] = {**simple(series.horizon, series.season)}
        is_one = len(set(train.metadata.get("series", ("",)))) == 1
        linear = autoregression(train.inputs, train.targets, window, targets, is_one)
        forecasts[f"linear autoregression of {linear.lags} steps"] = linear
        return {
            name: answered(each, train.inputs, train.targets, part.inputs, window, targets, self._asked)
            for name, each in forecasts.items()
        }

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the steps of each forecast, with their times where these are known, and quantiles by name."""
        data, series = outcome.data, outcome.data.input
        outputs = np.asarray(outcome.outputs, np.float64)
        points, names = self._point(outputs), data.target.names
        begins = outcome.metadata.get("time", np.full(len(outputs), UNDATED))
        of_series = outcome.metadata.get("series", [""] * len(outputs))
        found = []
        for row, (begin, name) in enumerate(zip(begins, of_series, strict=True)):
            times = [*range(1, series.horizon + 1)] if begin == UNDATED else _times(series, begin)
            steps = []
            for step, time in enumerate(times):
                values = dict(zip(names, points[row, step].tolist(), strict=True))
                of_step = {"step" if begin == UNDATED else "time": time, "values": values}
                if self._asked:
                    of_targets = (
                        dict(zip(map(str, self._asked), each, strict=True)) for each in outputs[row, step].tolist()
                    )
                    of_step["quantiles"] = dict(zip(names, of_targets, strict=True))
                steps.append(of_step)
            found.append(({"series": name} if name else {}) | {"steps": steps})
        return found

    def describe(self, data: DataSpec) -> list[str]:
        """Returns what is forecast, and that outputs are in its units."""
        horizon, names = data.target.horizon, ", ".join(data.target.names)
        axes = "(steps, targets, quantiles)" if self._asked else "(steps, targets)"
        of = f", the quantiles {', '.join(map(str, self._asked))} in this order" if self._asked else ""
        return [f"{horizon} steps of {names} to forecast", f"{axes}, in the targets' own units{of}."]

    def pictures(self, outcome: Outcome) -> Sequence[Panel]:
        """Returns each series' last window with what is forecast behind it."""
        from dltrain.tasks._forecast_chapters import forecasts

        return forecasts(outcome, self._point(np.asarray(outcome.outputs, np.float64)), bool(self._asked))

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        """Returns forecasts over the part, and errors by step, series, hour and weekday."""
        from dltrain.tasks._forecast_chapters import chapters

        return chapters(outcome, self._point(np.asarray(outcome.outputs, np.float64)), bool(self._asked))

    def mistakes(self, outcome: Outcome, count: int) -> Mistakes:
        """Returns the worst windows, by their mean absolute error beside what is usual in their series."""
        from dltrain.tasks._forecast_chapters import worst

        return worst(outcome, self._point(np.asarray(outcome.outputs, np.float64)), count)

    def starter(self, data: DataSpec, examples: Proposal) -> Keys:
        """Returns loss and metrics."""
        return {
            "loss_function": ("mae", "or mse, huber; or quantiles, which gives intervals"),
            "metrics": (["mae", "rmse", "mase"], "mase below 1 is better than the seasonal naive forecast in training"),
        }


def _times(series: Series, begin: int) -> list[str]:
    instants = series.frequency.after(np.array([begin]), series.horizon)[0]
    return frequencies.texts(series.frequency, instants, series.layout.zone)


def _known(packed: Any, count: int) -> tuple[Any, Any]:
    """Returns which targets were measured, as 1 and 0, and the targets, with 0 for those that were not."""
    ops = keras.ops
    targets = packed[..., :count]
    is_known = ops.logical_not(ops.isnan(targets))
    return ops.cast(is_known, "float32"), ops.where(is_known, targets, 0.0)


def _mean(name: str, count: int, point: Any, measure: Any, counts: Any = None, finish: Any = None) -> Any:
    """Returns a Keras metric: the mean of a measure over all steps and targets that were measured, finished.

    Args:
        name: the metric's.
        count: how many targets there are, behind which their scale is packed.
        point: returns the forecast of outputs.
        measure: of targets and forecasts.
        counts: which targets count; none for all.
        finish: what is done to the mean; none for nothing.
    """
    ops = keras.ops

    def measured(packed: Any, outputs: Any, sample_weight: Any) -> tuple[Any, Any]:
        known, targets = _known(packed, count)
        if counts is not None:
            known = known * ops.cast(counts(targets), "float32")
        if sample_weight is not None:
            known = known * ops.reshape(sample_weight, (-1, 1, 1))
        return ops.sum(measure(targets, point(outputs)) * known), ops.sum(known)

    return mean(name, measured, finish)
