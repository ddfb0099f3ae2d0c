"""Flips and crops: whole pixels, moved."""

from typing import Any, ClassVar, Literal

from dltrain.augmentations import Augmentation
from dltrain.augmentations._drawing import require_images, whole
from dltrain.augmentations._on_places import Move, on_places
from dltrain.data import Change, DataSpec
from dltrain.errors import KeyProblem
from dltrain.features.boxes import Boxes
from dltrain.features.image import Image
from dltrain.fields import PositiveInt
from dltrain.lazy import tf
from dltrain.registry import AUGMENTATIONS


@AUGMENTATIONS.register("pad_and_crop")
class PadAndCrop(Augmentation):
    """Shifts each image at random: pads every side, then crops a window of the original size.

    K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", 2015, section 4.2. The paper
    pads with zeros after it has subtracted the mean of each pixel; here the padding is the mean of each channel.

    Args:
        padding: pixels on each side, 1 to the image's smaller side; the paper's value is 4.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True

    padding: PositiveInt = 4

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images that the padding does not push out of sight."""
        require_images("pad_and_crop", data)
        side = min(data.image(self.registered_name).shape[:2])
        if self.padding > side:
            raise KeyProblem("padding", f"must be at most {side}, the image's smaller side, got {self.padding}")

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch; pads with 0 where the mean is not known."""
        height, width, channels = data.image(self.registered_name).shape
        mean = data.image(self.registered_name).mean or (0.0,) * channels
        padding = self.padding

        def pad_and_crop(images: Any, seed: Any) -> tuple[Any, Move]:
            # Windows of the padded image are read from the image itself, with the mean where they lie outside of it:
            # the padded image is never made.
            shifts = whole((2, tf.shape(images)[0], 1), seed, -padding, padding + 1)
            rows, columns = shifts[0] + tf.range(height), shifts[1] + tf.range(width)
            moved = tf.gather(images, tf.clip_by_value(rows, 0, height - 1), axis=1, batch_dims=1)
            moved = tf.gather(moved, tf.clip_by_value(columns, 0, width - 1), axis=2, batch_dims=1)
            inside = _within(rows, height)[:, :, None, None] & _within(columns, width)[:, None, :, None]
            left, top = (tf.cast(shifts[axis], tf.float32) / side for axis, side in ((1, width), (0, height)))
            shift = tf.stack([left, top, left, top], axis=-1)
            return tf.where(inside, moved, tf.constant(mean, images.dtype)), lambda corners: corners - shift

        return on_places(data, pad_and_crop)


@AUGMENTATIONS.register("flip")
class Flip(Augmentation):
    """Mirrors each image with probability 1/2.

    K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition", 2015, section 4.2 (horizontal).

    Args:
        direction: horizontal swaps left and right, vertical top and bottom, both decides on each of the two by itself.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True

    direction: Literal["horizontal", "vertical", "both"] = "horizontal"

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("flip", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""
        axes = {"vertical": (1,), "horizontal": (2,), "both": (1, 2)}[self.direction]

        def flip(images: Any, seed: Any) -> tuple[Any, Move]:
            mirrored = whole((len(axes), tf.shape(images)[0], 1, 1, 1), seed, 0, 2)
            for index, axis in enumerate(axes):
                images = tf.where(mirrored[index] == 1, tf.reverse(images, [axis]), images)

            def move(corners: Any) -> Any:
                for index, axis in enumerate(axes):
                    first, second = 2 - axis, 4 - axis  # of x for columns, of y for rows
                    sides = [*tf.unstack(corners, axis=-1)]
                    sides[first], sides[second] = 1.0 - sides[second], 1.0 - sides[first]
                    corners = tf.where(mirrored[index, :, :, :, 0] == 1, tf.stack(sides, axis=-1), corners)
                return corners

            return images, move

        return on_places(data, flip)


def _within(positions: Any, size: int) -> Any:
    return (positions >= 0) & (positions < size)
