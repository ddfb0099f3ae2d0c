"""What networks over rows of tables share."""

from dataclasses import dataclass
from typing import Any, Literal

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.lazy import keras
from dltrain.models import Model

Numbers = Literal["plain", "piecewise_linear", "periodic"]


@dataclass(frozen=True, kw_only=True)
class RowNetwork(Model):
    """A network over rows of columns, whose categories are vectors already."""

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless an example is a row of columns, and one target is asked for."""
        found = [*data.inputs.values()]
        if len(found) != 1 or not found[0].model_columns or len(data.targets) != 1:
            there = f"{' and '.join(data.inputs)} for {' and '.join(data.targets) or 'no target'}"
            raise KeyProblem("name", f"{self.registered_name} needs rows of a table and one target, got {there}")


def embedded(data: DataSpec, x: Any, numbers: str) -> tuple[Any, tuple[int, ...]]:
    """Returns a row with vectors in the place of its plain numbers, and how many numbers stand for each column.

    Args:
        data: what the columns are.
        x: a row behind `preprocess`, (batch, numbers).
        numbers: plain to leave it as it is; or what makes vectors: piecewise_linear, periodic or periodic_linear.
    """
    widths = data.input.model_columns
    plain = next((place for place, width in enumerate(widths) if width > 1), len(widths))
    if numbers == "plain" or not plain:
        return x, widths
    from dltrain.layers import number_embeddings as made

    layers, kinds = (
        keras.layers,
        {
            "piecewise_linear": made.PiecewiseLinearEmbedding,
            "periodic": made.PeriodicEmbedding,
            "periodic_linear": made.PeriodicLinearEmbedding,
        },
    )
    vectors = kinds[numbers](name="numbers")(x[:, :plain])
    row = layers.Flatten(name="vectors")(vectors)
    if plain < len(widths):
        row = layers.Concatenate(name="row")([row, x[:, plain:]])
    return row, (*(int(vectors.shape[-1]),) * plain, *widths[plain:])
