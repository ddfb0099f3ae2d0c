"""Two things asked of each example, a kind and two sizes: targets, outputs and losses by name.

plugins: [both.py]
dataset: {name: both}
model: {name: two_heads}
task: {name: kind_and_sizes}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.data import DataSpec, Features, Split, Splits
from dltrain.features.class_label import ClassLabel
from dltrain.features.vector import Vector
from dltrain.fields import PositiveInt
from dltrain.lazy import keras, np
from dltrain.registry import DATASETS, MODELS, TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dltrain.data import Outcome

KINDS = ("long", "short")


@DATASETS.register("both")
class Both:
    """Vectors of three numbers; their kind is the sign of the first, the sizes are sum and difference of the others.

    Args:
        examples: how many.
    """

    task: ClassVar[str] = "kind_and_sizes"

    examples: PositiveInt = 60

    def spec(self) -> DataSpec:
        """Returns what the data are."""
        targets = Features({"kind": ClassLabel(class_names=KINDS), "sizes": Vector(shape=(2,))})
        return DataSpec(Features.of(Vector(shape=(3,))), targets)

    def load(self, like: DataSpec | None = None) -> Splits:
        """Returns the parts, a third each."""
        numbers = np.random.RandomState(0).standard_normal((self.examples, 3)).astype(np.float32)
        targets = {
            "kind": (numbers[:, 0] > 0.3).astype(np.int32),
            "sizes": np.stack([numbers[:, 1] + numbers[:, 2], numbers[:, 1] - numbers[:, 2]], axis=1),
        }
        weights = {"kind": np.linspace(0.5, 1.5, self.examples).astype(np.float32)}
        weights["sizes"] = np.ones(self.examples, np.float32)
        whole, third = Split(numbers, targets, weights), self.examples // 3
        parts = (whole.take(slice(start, start + third)) for start in (0, third, 2 * third))
        return Splits(like or self.spec(), *parts)


@MODELS.register("two_heads")
class TwoHeads:
    """A Dense layer for each target."""

    def build(self, data: DataSpec) -> Any:
        """Returns the network, from numbers to outputs by the name of their target."""
        inputs = data.inputs()
        return keras.Model(inputs, data.head(data.preprocess(inputs)), name="two_heads")


@TASKS.register("kind_and_sizes")
class KindAndSizes(Task):
    """A kind and sizes at once."""

    metrics: tuple[str, ...] = ("kind_accuracy", "sizes_mae")

    def output_shape(self, data: DataSpec) -> dict[str, tuple[int, ...]]:
        """Returns that of logits and of numbers."""
        return {"kind": (len(KINDS),), "sizes": (2,)}

    def loss(self, data: DataSpec) -> dict[str, Callable[[Any, Any], Any]]:
        """Returns the cross-entropy of the kind, and the squared error of the sizes."""
        ops = keras.ops

        def of_kind(targets: Any, outputs: Any) -> Any:
            return ops.sparse_categorical_crossentropy(ops.reshape(targets, (-1,)), outputs, from_logits=True)

        return {"kind": of_kind, "sizes": lambda targets, outputs: ops.mean((targets - outputs) ** 2, axis=-1)}

    def build_metrics(self, data: DataSpec) -> dict[str, list[Any]]:
        """Returns the accuracy of the kind, and the error of the sizes."""
        metrics = keras.metrics
        return {
            "kind": [metrics.SparseCategoricalAccuracy(name="accuracy")],
            "sizes": [metrics.MeanAbsoluteError(name="mae")],
        }

    def weights(self, data: DataSpec, targets: Any) -> dict[str, Any]:
        """Returns that long ones count twice."""
        return {"kind": np.array([2.0, 1.0], np.float32)}

    def larger_is_better(self, column: str) -> bool:
        """Whether it is the accuracy."""
        return column.endswith("accuracy")

    def answers(self, outcome: Outcome, options: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Returns kind and sizes."""
        kinds, sizes = (np.asarray(outcome.outputs[name]) for name in ("kind", "sizes"))
        return [
            {"kind": KINDS[int(kind)], "sizes": size.tolist()}
            for kind, size in zip(kinds.argmax(axis=1), sizes, strict=True)
        ]
