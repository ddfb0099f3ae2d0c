"""Rotations, shifts, zooms and crops of another shape: one sampler, other maps."""

import math
from typing import Annotated, Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.augmentations._drawing import happens, require_images, require_order, uniform, whole
from dltrain.augmentations._on_places import Move, on_places, sampled
from dltrain.augmentations._sampling import Fill, maps_of, rotation
from dltrain.data import Change, DataSpec
from dltrain.data.random_draws import folded
from dltrain.features.boxes import Boxes
from dltrain.features.image import Image
from dltrain.fields import PositiveFloat, Probability, Range
from dltrain.lazy import tf
from dltrain.registry import AUGMENTATIONS

Share = Annotated[float, Range(minimum=0, maximum=1, open_minimum=True)]


@AUGMENTATIONS.register("rotate")
class Rotate(Augmentation):
    """Turns each image about its centre by an angle drawn at random.

    P. Y. Simard, D. Steinkraus and J. C. Platt, "Best practices for convolutional neural networks applied to visual
    document analysis", 2003, section 2 (affine distortions, bilinear).

    A box becomes the smallest one around its turned corners, which is larger than what is in it.

    Args:
        degrees: the largest angle to either side, 0 to 180; 15 keeps most things the right way up.
        fill: what is seen in the corners: a grey level, 0 to 255, or nearest for the colour of the border.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    degrees: Annotated[float, Range(minimum=0, maximum=180)] = 15.0
    fill: Fill = 0.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("rotate", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""
        largest = math.radians(self.degrees)

        def rotate(images: Any, seed: Any) -> tuple[Any, Move]:
            return sampled(images, rotation(uniform((tf.shape(images)[0],), seed, -largest, largest)), self.fill)

        return on_places(data, rotate)


@AUGMENTATIONS.register("translate")
class Translate(Augmentation):
    """Shifts each image by whole pixels, drawn for height and width apart.

    Args:
        height: the largest shift up or down, as a share of the image's height, 0 to 1; rounded up to pixels.
        width: the largest shift to the left or right, as a share of the image's width, 0 to 1; likewise.
        fill: what is seen where the image was: a grey level, 0 to 255, or nearest for the colour of the border.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    height: Probability = 0.1
    width: Probability = 0.1
    fill: Fill = 0.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("translate", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""
        # Up, so that a share of a small image is not nothing; 0.1 of 30 pixels is 3, though the product is above it.
        most = [
            math.ceil(share * side - 1e-9)
            for share, side in zip((self.height, self.width), data.image(self.registered_name).shape, strict=False)
        ]

        def translate(images: Any, seed: Any) -> tuple[Any, Move]:
            down, across = (
                whole((tf.shape(images)[0],), folded(seed, axis), -pixels, pixels + 1)
                for axis, pixels in enumerate(most)
            )
            return sampled(images, maps_of(c=down, f=across, like=down), self.fill)

        return on_places(data, translate)


@AUGMENTATIONS.register("zoom")
class Zoom(Augmentation):
    """Shows each image larger or smaller, about its centre, both sides alike.

    The logarithm of the scale is drawn evenly: twice as large is as frequent as half as large.

    Args:
        scale: the smallest and the largest scale, above 0; 1 leaves images as they are, 2 shows the middle half of each
            side. Below 1/2 pixels are left out (bilinear, no smoothing).
        fill: what is seen around a smaller image: a grey level, 0 to 255, or nearest for the colour of the border.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    scale: tuple[PositiveFloat, PositiveFloat] = (0.8, 1.25)
    fill: Fill = 0.0

    def __post_init__(self) -> None:
        require_order("scale", self.scale)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("zoom", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""
        smallest, largest = (math.log(scale) for scale in self.scale)

        def zoom(images: Any, seed: Any) -> tuple[Any, Move]:
            shrunk = tf.exp(-uniform((tf.shape(images)[0],), seed, smallest, largest))
            return sampled(images, maps_of(a=shrunk, e=shrunk, like=shrunk), self.fill)

        return on_places(data, zoom)


@AUGMENTATIONS.register("random_resized_crop")
class RandomResizedCrop(Augmentation):
    """Crops a window of random area, shape and place from each image, and stretches it to the image's size.

    C. Szegedy et al., "Going deeper with convolutions", 2014, section 6. A window that would be longer than the image
    is cut to the image's side, where others draw again. The window is stretched from the image at its trained size.

    Args:
        area: the smallest and the largest window, as a share of the image's area, above 0, at most 1; the paper's
            values are 0.08 and 1.
        aspect_ratio: the smallest and the largest ratio of the window's width to its height; its logarithm is drawn
            evenly; the paper's values are 3/4 and 4/3.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    area: tuple[Share, Share] = (0.08, 1.0)
    aspect_ratio: tuple[PositiveFloat, PositiveFloat] = (0.75, 4 / 3)

    def __post_init__(self) -> None:
        require_order("area", self.area)
        require_order("aspect_ratio", self.aspect_ratio)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("random_resized_crop", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""
        height, width, _ = data.image(self.registered_name).shape
        flattest, tallest = (math.log(ratio) / 2 for ratio in self.aspect_ratio)

        def random_resized_crop(images: Any, seed: Any) -> tuple[Any, Move]:
            draws = uniform((4, tf.shape(images)[0]), seed)
            side = tf.sqrt((self.area[0] + (self.area[1] - self.area[0]) * draws[0]) * height * width)
            stretch = tf.exp(flattest + (tallest - flattest) * draws[1])
            window_height = tf.minimum(side / stretch, height)
            window_width = tf.minimum(side * stretch, width)
            maps = maps_of(
                a=window_height / height,
                c=(draws[2] - 0.5) * (height - window_height),
                e=window_width / width,
                f=(draws[3] - 0.5) * (width - window_width),
                like=side,
            )
            return sampled(images, maps, "nearest")  # within half a pixel of the image's border

        return on_places(data, random_resized_crop)


@AUGMENTATIONS.register("expand")
class Expand(Augmentation):
    """Puts some images, made smaller, anywhere on a canvas of their mean colour: more small objects to learn from.

    W. Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 3.6 (zoom out). There the photo is put on a
    larger canvas before both are resized; here the image has its trained size already, and pixels are left out
    (bilinear, no smoothing). To be listed before `iou_crop`.

    Args:
        probability: how many of the images, 0 to 1; the paper's value is 0.5.
        largest: how many times as long as the image a side of the canvas may be, from 1; the paper's value is 4. It is
            drawn evenly from 1.
    """

    accepts: ClassVar = (Image, Boxes)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    probability: Probability = 0.5
    largest: Annotated[float, Range(minimum=1)] = 4.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("expand", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch; the canvas is black where the mean is not known."""
        height, width, channels = data.image(self.registered_name).shape
        mean = tuple(data.image(self.registered_name).mean or (0.0,) * channels)

        def expand(images: Any, seed: Any) -> tuple[Any, Move]:
            draws = uniform((4, tf.shape(images)[0]), seed)
            ratio = tf.where(happens(self.probability, draws[0]), 1.0 + draws[1] * (self.largest - 1.0), 1.0)
            maps = maps_of(
                a=ratio,
                c=(draws[2] - 0.5) * (ratio - 1.0) * height,
                e=ratio,
                f=(draws[3] - 0.5) * (ratio - 1.0) * width,
                like=ratio,
            )
            return sampled(images, maps, mean)

        return on_places(data, expand)
