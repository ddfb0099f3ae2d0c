"""What single-shot detectors have in common: heads and anchors on feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dltrain.data import DataSpec
from dltrain.data.spec import HEAD
from dltrain.errors import KeyProblem
from dltrain.features.boxes import Boxes
from dltrain.fields import NonNegativeFloat, PositiveFloat
from dltrain.lazy import keras
from dltrain.models import Model


@dataclass(frozen=True, kw_only=True)
class Detector(Model):
    """A network that ends in classes and offsets of anchors, and in the anchors themselves.

    Args:
        l2_regularization: adds so many times the sum of squares of each own kernel to the loss. Its gradient is twice
            the kernel, Caffe's weight decay is once: the paper's 0.0005 is 0.00025 here.
        two_boxes_for_ar1: give ratio 1 a second anchor, as large as the geometric mean of this map's and the next one's
            scale.
        offsets: where the first cell's centre is on each map, in cells; none for 0.5, the middle.
        clip_boxes: let anchors end at the image's border.
        variances: what the offsets of centre x and y, width and height are divided by.
        normalize_coords: anchors and boxes in shares of the image, as the paper has them. Must be true: pixels of the
            original image are in what `predict` returns.
    """

    l2_regularization: NonNegativeFloat = 0.0005
    two_boxes_for_ar1: bool = True
    offsets: tuple[NonNegativeFloat, ...] | None = None
    clip_boxes: bool = False
    variances: tuple[PositiveFloat, PositiveFloat, PositiveFloat, PositiveFloat] = (0.1, 0.1, 0.2, 0.2)
    normalize_coords: bool = True

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no images with boxes."""
        data.image(self.registered_name)
        targets = [*data.targets.values()]
        if len(targets) != 1 or not isinstance(targets[0], Boxes):
            there = " and ".join(each.plural or each.registered_name for each in targets) or "no target"
            raise KeyProblem("name", f"{self.registered_name} needs boxes, the data have {there}")

    def _regularizer(self) -> Any:
        return keras.regularizers.L2(self.l2_regularization) if self.l2_regularization else None

    def _heads(self, data: DataSpec, maps: Sequence[Any], anchors: Sequence[Any]) -> Any:
        """Returns the outputs, (batch, anchors, classes + 1 + 12), float32.

        Logits of the background and of each class, four offsets, the anchor's centre x and y, width and height, and its
        four variances. Maps follow each other, and on each the cells row by row.

        Args:
            data: what the classes are.
            maps: feature maps, (batch, rows, columns, channels), the finest first.
            anchors: the layer of anchors of each.
        """
        layers, classes = keras.layers, len(data.target.class_names) + 1
        found = []
        for number, (x, layer) in enumerate(zip(maps, anchors, strict=True), 1):
            parts = []
            for name, numbers in (("classes", classes), ("offsets", 4)):
                y = layers.Conv2D(
                    layer.per_cell * numbers,
                    3,
                    padding="same",
                    kernel_initializer="he_normal",
                    kernel_regularizer=self._regularizer(),
                    dtype="float32",
                    name=f"{HEAD}_{name}{number}",
                )(x)
                parts.append(layers.Reshape((-1, numbers), dtype="float32", name=f"{name}{number}")(y))
            parts.append(layer(x))
            found.append(layers.Concatenate(dtype="float32", name=f"boxes{number}")(parts))
        return layers.Concatenate(axis=1, dtype="float32", name="boxes")(found) if len(found) > 1 else found[0]

    def _anchors(
        self,
        data: DataSpec,
        scales: Sequence[float],
        ratios: Sequence[Sequence[float]],
        steps: Sequence[float] | None = None,
    ) -> list[Any]:
        """Returns the layer of anchors of each feature map.

        Args:
            data: how large images are.
            scales: of each map and one more.
            ratios: aspect ratios of each map.
            steps: pixels between the cells of each map; none to spread them evenly.
        """
        from dltrain.layers.anchor_boxes import AnchorBoxes

        return [
            AnchorBoxes(
                data.image(self.registered_name).model_shape[:2],
                scale,
                scales[number + 1],
                ratios[number],
                self.two_boxes_for_ar1,
                None if steps is None else steps[number],
                0.5 if self.offsets is None else self.offsets[number],
                self.clip_boxes,
                self.variances,
                name=f"anchors{number + 1}",
            )
            for number, scale in enumerate(scales[:-1])
        ]

    def _problems(self, maps: int, **lists: Sequence[Any] | None) -> list[KeyProblem]:
        """Returns what is wrong with the keys of all detectors.

        Args:
            maps: how many feature maps have heads.
            lists: keys that must have an entry for each.
        """
        words = "must be true: outputs are shares of the image; `predict` returns pixels of the original"
        return [KeyProblem("normalize_coords", words)] * (not self.normalize_coords) + [
            KeyProblem(key, f"must have {maps} entries, one for each feature map, got {len(each)}")
            for key, each in {"offsets": self.offsets, **lists}.items()
            if each is not None and len(each) != maps
        ]


@dataclass(frozen=True, kw_only=True)
class Convolutions:
    """The convolutions that a detector adds behind another network.

    Args:
        activation: of each.
        initializer: of the kernels.
        regularizer: likewise; none for none.
        normalizes: whether batch normalisation stands before each activation.
    """

    activation: str = "relu"
    initializer: str = "he_normal"
    regularizer: Any = None
    normalizes: bool = False

    MOMENTUM: ClassVar[float] = 0.9

    def __call__(self, x: Any, filters: int, size: int, name: str, stride: int = 1, padding: str = "same") -> Any:
        """Returns a convolution and its activation; one with stride 2 and `same` pads by 1 on each side."""
        layers = keras.layers
        if stride > 1 and padding == "same":
            x, padding = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x), "valid"
        x = layers.Conv2D(
            filters,
            size,
            strides=stride,
            padding=padding,
            use_bias=not self.normalizes,
            kernel_initializer=self.initializer,
            kernel_regularizer=self.regularizer,
            name=name,
        )(x)
        if self.normalizes:
            x = layers.BatchNormalization(momentum=self.MOMENTUM, epsilon=1e-5, name=f"{name}_normalization")(x)
        return layers.Activation(self.activation, name=f"{name}_activation")(x)


def equally_spaced(scales: Sequence[float], count: int) -> list[float]:
    """Returns a scale for each of some feature maps: two are the first and the last, with the others between."""
    if len(scales) != 2 or count == 2:
        return list(scales)
    first, last = scales
    return [first + (last - first) * place / (count - 1) for place in range(count)]
