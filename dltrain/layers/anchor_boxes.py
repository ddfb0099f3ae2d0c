"""The anchors of a detector: boxes of some sizes and shapes around each cell of a feature map."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="dltrain")
class AnchorBoxes(keras.layers.Layer):
    """The anchors of a feature map, and the variances of their offsets.

    W. Liu et al., "SSD: single shot multibox detector", 2016, section 2.2, "Choosing scales and aspect ratios for
    default boxes". An anchor of scale s and aspect ratio a is s * sqrt(a) wide and s / sqrt(a) high, in shares of the
    image's shorter side; ratio 1 has a second one, of scale sqrt(s * next s).

    Input: (batch, rows, columns, channels), of which only both sides matter, which must be known. Output: (batch,
    anchors, 8), float32: centre x and y, width and height in shares of the image's sides, then the four variances.
    Cells follow row by row, and in a cell its anchors: ratio 1, its second one, then the other ratios, each where the
    list has it.

    Args:
        image_size: height and width of the image in pixels.
        scale: of the anchors, in shares of the image's shorter side.
        next_scale: that of the next feature map.
        aspect_ratios: width over height of each anchor.
        two_boxes_for_ar1: whether ratio 1 has a second anchor.
        step: pixels from one cell's centre to the next, rows and columns alike; none to spread them evenly.
        offset: where the first cell's centre is, in steps.
        clip_boxes: whether anchors end at the image's border.
        variances: what offsets of centre x and y, width and height are divided by.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        scale: float,
        next_scale: float,
        aspect_ratios: Sequence[float] = (1.0, 2.0, 0.5),
        two_boxes_for_ar1: bool = True,
        step: float | None = None,
        offset: float = 0.5,
        clip_boxes: bool = False,
        variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})  # 16 bits tell neighbouring cells not apart
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.scale, self.next_scale = float(scale), float(next_scale)
        self.aspect_ratios = tuple(float(each) for each in aspect_ratios)
        self.two_boxes_for_ar1, self.step, self.offset = two_boxes_for_ar1, step, float(offset)
        self.clip_boxes, self.variances = clip_boxes, tuple(float(each) for each in variances)
        if min(*self.image_size, self.scale, self.next_scale, *self.aspect_ratios, *self.variances) <= 0:
            raise ValueError("image_size, scale, next_scale, aspect_ratios and variances must be above 0")
        if len(self.variances) != 4:
            raise ValueError(f"variances must be four numbers, got {len(self.variances)}")

    @property
    def per_cell(self) -> int:
        """Anchors of a cell."""
        return len(self.sizes)

    @property
    def sizes(self) -> list[tuple[float, float]]:
        """Width and height of the anchors of a cell, in shares of the image's shorter side."""
        found = []
        for ratio in self.aspect_ratios:
            found.append((self.scale * math.sqrt(ratio), self.scale / math.sqrt(ratio)))
            if ratio == 1 and self.two_boxes_for_ar1:
                found.append((math.sqrt(self.scale * self.next_scale),) * 2)
        return found

    def boxes(self, rows: int, columns: int) -> np.ndarray:
        """Returns centre x and y, width and height of all anchors, (rows * columns * per cell, 4), float32.

        Args:
            rows: of the feature map.
            columns: likewise.
        """
        height, width = self.image_size
        down, across = (height / rows, width / columns) if self.step is None else (self.step, self.step)
        y = (np.arange(rows) + self.offset) * down / height
        x = (np.arange(columns) + self.offset) * across / width
        sizes = np.array(self.sizes) * min(height, width) / np.array([width, height])
        found = np.empty((rows, columns, self.per_cell, 4))
        found[..., 0], found[..., 1] = x[None, :, None], y[:, None, None]
        found[..., 2:] = sizes
        if self.clip_boxes:
            low = np.clip(found[..., :2] - found[..., 2:] / 2, 0, 1)
            high = np.clip(found[..., :2] + found[..., 2:] / 2, 0, 1)
            found = np.concatenate([(low + high) / 2, high - low], axis=-1)
        return found.reshape(-1, 4).astype(np.float32)

    def call(self, inputs: Any) -> Any:
        """Returns the same anchors for each example of the batch."""
        ops, (rows, columns) = keras.ops, inputs.shape[1:3]
        if rows is None or columns is None:
            raise ValueError(f"inputs must be (batch, rows, columns, channels) with known sides, got {inputs.shape}")
        boxes = self.boxes(rows, columns)
        each = np.concatenate([boxes, np.broadcast_to(np.array(self.variances, np.float32), boxes.shape)], axis=1)
        return ops.broadcast_to(ops.convert_to_tensor(each[None]), (ops.shape(inputs)[0], *each.shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns as many rows as there are anchors."""
        return input_shape[0], input_shape[1] * input_shape[2] * self.per_cell, 8

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {
            "image_size": self.image_size,
            "scale": self.scale,
            "next_scale": self.next_scale,
            "aspect_ratios": self.aspect_ratios,
            "two_boxes_for_ar1": self.two_boxes_for_ar1,
            "step": self.step,
            "offset": self.offset,
            "clip_boxes": self.clip_boxes,
            "variances": self.variances,
        }
