"""Pixels that are disturbed or lost."""

import math
from typing import Annotated, Any, ClassVar, Literal

from dltrain.augmentations import Augmentation
from dltrain.augmentations._drawing import (
    bits,
    happens,
    normal,
    per_image,
    require_images,
    require_order,
    uniform,
)
from dltrain.augmentations._on_images import on_images
from dltrain.data import Change, DataSpec
from dltrain.features.image import Image
from dltrain.fields import NonNegativeFloat, PositiveFloat, Probability, Range
from dltrain.lazy import tf
from dltrain.registry import AUGMENTATIONS

Share = Annotated[float, Range(minimum=0, maximum=1, open_minimum=True)]
GreyLevel = Annotated[float, Range(minimum=0, maximum=255)]


@AUGMENTATIONS.register("noise")
class Noise(Augmentation):
    """Adds Gaussian noise to each value of each image; what would leave 0-255 is cut off.

    C. M. Bishop, "Training with noise is equivalent to Tikhonov regularization", 1995.

    Args:
        deviation: standard deviation in grey levels, 0 or more.
    """

    accepts: ClassVar = (Image,)
    in_pixel_range: ClassVar[bool] = True

    deviation: NonNegativeFloat = 10.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("noise", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def noise(images: Any, seed: Any) -> Any:
            return tf.clip_by_value(images + normal(images, seed, self.deviation), 0.0, 255.0)

        return on_images(data, noise)


@AUGMENTATIONS.register("random_erasing")
class RandomErasing(Augmentation):
    """Paints over a rectangle of random area, shape and place in some images.

    Z. Zhong, L. Zheng, G. Kang, S. Li and Y. Yang, "Random erasing data augmentation", 2017, algorithm 1. A rectangle
    that would be longer than the image is cut to the image's side, and its place is drawn among those where it fits;
    the paper draws all again until it fits. The logarithm of the aspect ratio is drawn evenly, so that lying and
    standing rectangles are equally frequent.

    Args:
        probability: how many of the images, 0 to 1; the paper's value is 0.5.
        area: the smallest and the largest rectangle, as a share of the image's area, above 0, at most 1; the paper's
            values are 0.02 and 0.4.
        aspect_ratio: the smallest and the largest ratio of its height to its width; the paper's are 0.3 and 3.33.
        fill: random for noise from 0 to 255 (the paper's choice), mean for the data's mean colour, or a grey level.
    """

    accepts: ClassVar = (Image,)
    in_pixel_range: ClassVar[bool] = True

    probability: Probability = 0.5
    area: tuple[Share, Share] = (0.02, 0.4)
    aspect_ratio: tuple[PositiveFloat, PositiveFloat] = (0.3, 1 / 0.3)
    fill: GreyLevel | Literal["random", "mean"] = "random"

    def __post_init__(self) -> None:
        require_order("area", self.area)
        require_order("aspect_ratio", self.aspect_ratio)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("random_erasing", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch; paints with 0 where the mean is asked for and not known."""
        height, width, channels = data.image(self.registered_name).shape
        flattest, tallest = (math.log(ratio) / 2 for ratio in self.aspect_ratio)
        colour = (data.image(self.registered_name).mean or (0.0,) * channels) if self.fill == "mean" else self.fill

        def random_erasing(images: Any, seed: Any) -> Any:
            draws = uniform((5, tf.shape(images)[0]), seed)
            side = tf.sqrt((self.area[0] + (self.area[1] - self.area[0]) * draws[0]) * height * width)
            stretch = tf.exp(flattest + (tallest - flattest) * draws[1])
            inside = (
                between(draws[2], side * stretch, height)[:, :, None]
                & between(draws[3], side / stretch, width)[:, None]
            )
            chosen = inside[..., None] & per_image(happens(self.probability, draws[4]))
            paint = tf.cast(bits(images, seed, 8), tf.float32) if self.fill == "random" else tf.constant(colour)
            return tf.where(chosen, paint, images)

        def between(draws: Any, length: Any, size: int) -> Any:
            """Returns which places of an axis lie in a stretch of the length, (batch, size)."""
            length = tf.clip_by_value(tf.round(length), 1.0, size)
            first = tf.floor(draws * (size + 1.0 - length))
            places = tf.range(size, dtype=tf.float32)
            return (places >= first[:, None]) & (places < (first + length)[:, None])

        return on_images(data, random_erasing)
