"""Numbers to predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dltrain.data import DataSpec, Outcome, Split
from dltrain.features.numbers import Numbers
from dltrain.fields import PositiveFloat
from dltrain.lazy import keras, np
from dltrain.registry import TASKS
from dltrain.tasks import Task
from dltrain.tasks._choices import OwnLoss, OwnMetric, build, larger_is_better, names
from dltrain.tasks._metrics import reading

if TYPE_CHECKING:
    from dltrain.data.proposal import Keys, Proposal
    from dltrain.report.outcome import Mistakes
    from dltrain.report.parts import Chapter


@TASKS.register("regression")
class Regression(Task):
    """One or several numbers per example, predicted in their own units.

    The loss is taken of targets divided by their standard deviation in the train part, so that learning rates mean the
    same whatever the unit; metrics are in the targets' units.

    Args:
        loss_function: mse, the mean squared error; mae, the mean absolute error, which outliers sway less; or huber,
            squared up to `huber_delta` and linear beyond (P. J. Huber 1964); or a block of a plugin's, in the targets'
            units.
        huber_delta: where huber turns linear, in standard deviations of the target.
        metrics: what is measured beside the loss, over all targets: mae and rmse in their units, r2 (the share of the
            variance that is explained; 1 is perfect, 0 as good as the mean). The first decides what is best.
    """

    accepts: ClassVar = (Numbers,)
    no_option: ClassVar[str] = "the run predicts numbers, it has no classes"

    loss_function: Literal["mse", "mae", "huber"] | OwnLoss = "mse"
    huber_delta: PositiveFloat = 1.0
    metrics: tuple[Literal["mae", "rmse", "r2"] | OwnMetric, ...] = ("mae", "rmse", "r2")

    def __post_init__(self) -> None:
        names(self.metrics)

    def larger_is_better(self, column: str) -> bool:
        """Whether more is better in a column of metrics.csv."""
        return larger_is_better(self.metrics, column, column.removeprefix("val_") == "r2")

    def output_shape(self, data: DataSpec) -> tuple[int]:
        """Returns a number for each target."""
        return (len(data.target.names),)

    def head(self, data: DataSpec, x: Any, inputs: Any = None, embedding: Any = None, **settings: Any) -> Any:
        """Returns the numbers in their own units: those of the last layer have mean 0 and variance 1."""
        x = super().head(data, x, inputs, **settings)
        return keras.layers.Rescaling(data.target.scales, data.target.offsets, dtype="float32", name="units")(x)

    def score(self, data: DataSpec, outputs: Any) -> Any:
        """Returns the first number."""
        return outputs[:, 0]

    def loss(self, data: DataSpec) -> Any:
        """Returns the loss of (targets, predictions), both (batch, targets) in their units."""
        if not isinstance(self.loss_function, str):
            return self.loss_function.build()
        plain = {
            "mse": keras.losses.mean_squared_error,
            "mae": keras.losses.mean_absolute_error,
            "huber": lambda wanted, got: keras.losses.huber(wanted, got, delta=self.huber_delta),
        }[self.loss_function]

        def scaled_loss(targets: Any, predictions: Any) -> Any:
            return plain(_standardized(data, targets), _standardized(data, predictions))

        return scaled_loss

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the Keras metrics, named as in the config."""
        made = {
            "mae": lambda name: keras.metrics.MeanAbsoluteError(name=name),
            "rmse": lambda name: keras.metrics.RootMeanSquaredError(name=name),
            # Keras subtracts sums of squares, in which float32 loses what varies where the mean is large.
            "r2": lambda name: reading(
                keras.metrics.R2Score(name=name),
                lambda *values: tuple(_standardized(data, value) for value in values),
            ),
        }
        return build(self.metrics, made)

    def undefined(self, data: DataSpec, split: Split) -> dict[str, str]:
        """Returns why there is no r2 of a part where a target does not vary."""
        if "r2" not in self.metrics:
            return {}
        constant = np.flatnonzero((split.targets == split.targets[:1]).all(axis=0))
        if not len(constant):
            return {}
        return {"r2": f"{data.target.names[constant[0]]!r} is the same in all of the part's examples"}

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> np.ndarray:
        """Returns of which examples all numbers are within a tenth of their target's deviation."""
        return np.asarray((np.abs(others - outputs) <= 0.1 * np.array(data.target.scales)).all(axis=1))

    def baselines(self, data: DataSpec, train: Split, part: Split) -> dict[str, np.ndarray]:
        """Returns predictions that ignore the inputs: mean and median of the train part."""
        return {
            "always the mean": train.targets.mean(axis=0, dtype=np.float64).astype(np.float32)[None],
            "always the median": np.median(train.targets, axis=0).astype(np.float32)[None],
        }

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns the numbers by name, in their units."""
        return [{"values": values} for values in outcome.data.target.decode(outcome.outputs)]

    def describe(self, data: DataSpec) -> list[str]:
        """Returns what is predicted, and that outputs are in its units."""
        names = data.target.names
        return [
            f"{len(names)} numbers to predict" if len(names) > 1 else f"{names[0]} to predict",
            "the targets in their own units.",
        ]

    def chapters(self, outcome: Outcome) -> list[Chapter]:
        """Returns the chapter on predicted and actual numbers, and their residuals."""
        from dltrain.report.numbers import numbers
        from dltrain.report.parts import Chapter

        return [
            Chapter("Predictions", numbers(outcome.data.target.names, outcome.targets, outcome.outputs, outcome.part))
        ]

    def mistakes(self, outcome: Outcome, count: int) -> Mistakes:
        """Returns the examples of the largest errors, in deviations of the targets."""
        from dltrain.report.outcome import Mistake, Mistakes
        from dltrain.wording import number

        residuals = outcome.outputs.astype(np.float64) - outcome.targets
        sizes = np.abs(residuals / np.array(outcome.data.target.scales)).max(axis=1)
        worst = np.argsort(-sizes, kind="stable")[:count]
        found = [
            Mistake(
                int(place), _listed(outcome.targets[place]), _listed(outcome.outputs[place]),
                f"error {_listed(residuals[place])}, {number(sizes[place])} sd",
            )
            for place in worst
        ]  # fmt: skip
        return Mistakes(f"The {len(found)} largest errors", found, "ordered by standard deviations (sd) of the target")

    def starter(self, data: DataSpec, examples: Proposal) -> Keys:
        """Returns the metrics."""
        return {"metrics": (["mae", "r2"], "or rmse")}


def _listed(values: np.ndarray) -> str:
    from dltrain.wording import number

    more = f" and {len(values) - 4} more" if len(values) > 4 else ""
    return ", ".join(number(value) for value in values[:4]) + more


def _standardized(data: DataSpec, values: Any) -> Any:
    target = data.target
    return (keras.ops.cast(values, "float32") - keras.ops.array(target.offsets)) / keras.ops.array(target.scales)
