"""Outputs with anchors and boxes, as a single-shot detector has them: what a micro-task needs, else signatures alone.

W. Liu et al., "SSD: Single Shot MultiBox Detector", 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.data import Feature, fitted
from dltrain.features.image import Image
from dltrain.lazy import keras, np
from dltrain.registry import AUGMENTATIONS, FEATURES, TASKS
from dltrain.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dltrain.data import Change, DataSpec, Encoded, Groups, Outcome


@FEATURES.register("stub_boxes")
class StubBoxes(Feature):
    """Objects of an image: corners, class, whether difficult, whether a crowd; (objects, 7)."""

    shape: ClassVar = (None, 7)
    dtype: ClassVar = "float32"
    padding: ClassVar = -1
    task: ClassVar = "stub_ssd"
    has_places: ClassVar = True

    class_names: tuple[str, ...] = fitted(())
    most: int = fitted(0)

    @property
    def max_shape(self) -> tuple[int, ...]:
        """The largest there is: (objects, 7)."""

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns objects as COCO or Pascal VOC has them as `Ragged`, with `metadata` of the original sizes."""

    def decode(self, stored: Any) -> list[Any]:
        """Returns objects by name: box in pixels, class."""

    def groups(self, stored: Any) -> Groups | None:
        """Returns which images have which classes."""


@AUGMENTATIONS.register("stub_crop")
class StubCrop(Augmentation):
    """A crop that takes the boxes of what is left with it, and drops others."""

    accepts: ClassVar = (Image, StubBoxes)
    moves: ClassVar = True

    def check(self, data: DataSpec) -> None:
        """Raises where boxes may be lost."""

    def build(self, data: DataSpec) -> Change:
        """Returns a function of (batch, seed) that moves inputs and targets alike."""


@TASKS.register("stub_ssd")
class StubSSD(Task):
    """Boxes and their classes, from the anchors that the network's outputs bring."""

    accepts: ClassVar = (StubBoxes,)
    part_metrics: ClassVar = ("map", "map_50")
    options: ClassVar = {"threshold": float, "most": int}
    activation: ClassVar = None

    def check(self, data: DataSpec) -> None:
        """Raises where the images are no images."""

    def larger_is_better(self, column: str) -> bool:
        """Whether it is a mean average precision."""

    def output_shape(self, data: DataSpec) -> None:
        """Returns none: the network decides how many anchors; each is 4 offsets, logits and its own 4 numbers."""

    def head(self, data: DataSpec, x: Any, inputs: Any, embedding: Any = None) -> Any:
        """Returns (batch, anchors, 4 + classes + 1 + 4) of feature maps and of the size of the inputs."""

    def loss(self, data: DataSpec) -> Callable[[Any, Any], Any]:
        """Returns the loss of ((batch, objects, 7), outputs): matched in the graph, (batch,)."""

    def inference(self, data: DataSpec, model: Any) -> Callable[[Any], Any]:
        """Returns what gives the surest box of each image, (batch, 1, 4) in shares of its sides, and how many they are.

        An output is (batch, anchors, 5): a box and how sure it is.
        """
        ops = keras.ops

        def surest(inputs: Any) -> dict[str, Any]:
            outputs = model(inputs, training=False)
            best = ops.argmax(outputs[..., 4], axis=1)
            boxes = ops.take_along_axis(outputs[..., :4], best[:, None, None], axis=1)
            return {"boxes": boxes, "count": ops.cast(ops.max(outputs[..., 4], axis=1) > 0, "int32")}

        return surest

    def score(self, data: DataSpec, outputs: Any) -> Any:
        """Returns the logit of each image's surest box, (batch,)."""

    def measure(self, outcome: Outcome) -> dict[str, float]:
        """Returns the share of images with as many boxes as objects, which stands for mean average precision."""
        right = outcome.outputs["count"] == outcome.targets.lengths
        return {"map": float(np.mean(right)), "map_50": float(np.mean(right))}

    def undefined(self, data: DataSpec, split: Any) -> dict[str, str]:
        """Returns why a part without an object has no mean average precision."""
        return {} if split.targets.lengths.any() else dict.fromkeys(self.part_metrics, "no image has an object")

    def answers(self, outcome: Outcome, options: dict[str, Any]) -> list[dict[str, Any]]:
        """Returns boxes in the pixels of the original image, whose size the metadata have."""
        sizes = np.tile(outcome.metadata["size"], 2)  # height and width, of both corners
        pixels = outcome.outputs["boxes"] * sizes[:, None]
        return [
            {"boxes": boxes[:count].tolist()} for boxes, count in zip(pixels, outcome.outputs["count"], strict=True)
        ]

    def agree(self, data: DataSpec, outputs: Any, others: Any) -> Any:
        """Returns which images have the same boxes, whatever their order."""
