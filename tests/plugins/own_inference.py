"""Tasks whose answers are not what the network ends in, and whose metrics are Keras's: of packed and of made targets.

plugins: [beads.py, own_inference.py]
dataset: {name: two_clouds}
task: {name: packed}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from beads import Marks, SameNeighbour  # the file beside this one, loaded before it

from dltrain.data import Batch, DataSpec, Split, Splits
from dltrain.features.class_label import ClassLabel
from dltrain.features.vector import Vector
from dltrain.lazy import keras, np
from dltrain.registry import DATASETS, TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable


@DATASETS.register("two_clouds")
class TwoClouds:
    """Points about (-2, -2) and (2, 2).

    Args:
        asks: whether the cloud is a target; else there is none.
    """

    task: ClassVar[str] = "packed"

    asks: bool = True

    def load(self, like: DataSpec | None = None) -> Splits:
        """Returns a train part and a test part."""
        random = np.random.RandomState(0)

        def part(count: int) -> Split:
            clouds = np.arange(count, dtype=np.int32) % 2
            points = random.standard_normal((count, 2)) / 4 + 4 * clouds[:, None] - 2
            return Split(points.astype(np.float32), clouds if self.asks else None)

        target = ClassLabel(class_names=("low", "high")) if self.asks else None
        found = Splits(DataSpec.of(Vector(shape=(2,)), target), part(32), test=part(9))
        return found.with_statistics() if like is None else found


@TASKS.register("packed")
class Packed(Task):
    """Which of two classes: `prepare` packs the target, (batch, 2), and answers are probabilities."""

    accepts: ClassVar = (ClassLabel,)
    metrics: ClassVar = ("right",)
    part_metrics: ClassVar = ("surest",)

    def output_shape(self, data: DataSpec) -> tuple[int]:
        """Returns that of one logit."""
        return (1,)

    def prepare(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns what writes a target as (-1, class)."""

        def packed(batch: Batch, seed: Any) -> Batch:
            classes = keras.ops.cast(keras.ops.reshape(self.made(batch), (-1, 1)), "float32")
            return batch._replace(targets=keras.ops.concatenate([-keras.ops.ones_like(classes), classes], axis=1))

        return packed

    def made(self, batch: Batch) -> Any:
        """Returns the class of each example, (batch,)."""
        return batch.targets

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the cross-entropy of packed targets."""
        return lambda packed, outputs: keras.losses.binary_crossentropy(packed[:, 1:], outputs, from_logits=True)

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the share of logits on the right side; of targets that are not packed it fails."""

        def right(packed: Any, outputs: Any) -> Any:
            is_high = keras.ops.equal(packed[:, 1:], 1.0)
            return keras.ops.cast(keras.ops.equal(outputs > 0, is_high), "float32")

        return [keras.metrics.MeanMetricWrapper(right, name="right")]

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns what gives a probability, halved: none is on the right side of anything."""
        return lambda inputs: {"half": keras.ops.sigmoid(model(inputs, training=False)) / 2}

    def measure(self, outcome: Any) -> dict[str, float]:
        """Returns the largest of the halved probabilities."""
        return {"surest": float(outcome.outputs["half"].max())}

    def baselines(self, data: DataSpec, train: Split, part: Split) -> dict[str, Any]:
        """Returns a logit of 3 for all, and one for each example."""
        each = np.where(np.arange(len(part)) % 2, -3, 3).astype(np.float32)[:, None]
        return {"always high": np.full((1, 1), 3, np.float32), "always wrong": each}


@TASKS.register("made")
class Made(Packed):
    """The same where there is no target: `prepare` makes it of the inputs."""

    accepts: ClassVar = ()

    def made(self, batch: Batch) -> Any:
        """Returns whether the first number is above 0."""
        return batch.inputs[:, 0] > 0


@TASKS.register("marked")
class Marked(SameNeighbour):
    """Beads beside one of their colour, whose outputs are as long as their batch."""

    accepts: ClassVar = (Marks,)
    metrics: ClassVar = ("right",)

    def build_metrics(self, data: DataSpec) -> list[Any]:
        """Returns the share of beads whose logit is on the right side."""

        def right(targets: Any, outputs: Any) -> Any:
            return keras.ops.cast(keras.ops.equal(outputs > 0, keras.ops.equal(targets, 2)), "float32")

        return [keras.metrics.MeanMetricWrapper(right, name="right")]
