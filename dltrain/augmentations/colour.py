"""Changes of colour that leave every pixel where it is.

Brightness, contrast and saturation: A. G. Howard, "Some improvements on deep convolutional neural network based image
classification", 2013, section 2.2, where the factor is 0.5 and the three come in random order; here in the list's.
"""

from typing import Annotated, Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.augmentations._colours import blended, grey, mean_grey, turned_hue
from dltrain.augmentations._drawing import (
    happens,
    per_image,
    require_colours,
    require_images,
    require_order,
    uniform,
)
from dltrain.augmentations._on_images import on_images
from dltrain.data import Change, DataSpec
from dltrain.features.image import Image
from dltrain.fields import NonNegativeFloat, Probability, Range
from dltrain.lazy import tf
from dltrain.registry import AUGMENTATIONS


@AUGMENTATIONS.register("brightness")
class Brightness(Augmentation):
    """Multiplies each image by a number near 1; what would exceed 255 is 255.

    Args:
        factor: the number is drawn from 1 - factor to 1 + factor; 0 to 1.
    """

    accepts: ClassVar = (Image,)
    in_pixel_range: ClassVar[bool] = True

    factor: Probability = 0.4

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("brightness", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def brightness(images: Any, seed: Any) -> Any:
            return tf.clip_by_value(images * _factors(images, seed, self.factor), 0.0, 255.0)

        return on_images(data, brightness)


@AUGMENTATIONS.register("contrast")
class Contrast(Augmentation):
    """Moves the pixels of each image towards the image's mean brightness or away from it.

    Args:
        factor: distances from the mean are multiplied by a number drawn from 1 - factor to 1 + factor; 0 to 1.
    """

    accepts: ClassVar = (Image,)
    in_pixel_range: ClassVar[bool] = True

    factor: Probability = 0.4

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("contrast", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def contrast(images: Any, seed: Any) -> Any:
            return blended(images, mean_grey(images), _factors(images, seed, self.factor))

        return on_images(data, contrast)


@AUGMENTATIONS.register("saturation")
class Saturation(Augmentation):
    """Makes the colours of each image paler or stronger; its brightness stays.

    Args:
        factor: distances from grey are multiplied by a number drawn from 1 - factor to 1 + factor; 0 to 1.
    """

    accepts: ClassVar = (Image,)
    in_pixel_range: ClassVar[bool] = True

    factor: Probability = 0.4

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images in colour."""
        require_colours("saturation", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def saturation(images: Any, seed: Any) -> Any:
            return blended(images, grey(images), _factors(images, seed, self.factor))

        return on_images(data, saturation)


@AUGMENTATIONS.register("hue")
class Hue(Augmentation):
    """Turns the hues of each image on the circle of colours, at the same value and saturation (HSV).

    Args:
        degrees: the largest turn to either side, 0 to 180; 120 makes green of red.
    """

    accepts: ClassVar = (Image,)
    in_pixel_range: ClassVar[bool] = True

    degrees: Annotated[float, Range(minimum=0, maximum=180)] = 18.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images in colour."""
        require_colours("hue", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""
        largest = self.degrees / 360

        def hue(images: Any, seed: Any) -> Any:
            return turned_hue(images, uniform((tf.shape(images)[0], 1, 1), seed, -largest, largest))

        return on_images(data, hue)


@AUGMENTATIONS.register("grayscale")
class Grayscale(Augmentation):
    """Takes the colour out of some images; they keep their three channels.

    T. Chen, S. Kornblith, M. Norouzi and G. Hinton, "A simple framework for contrastive learning of visual
    representations", 2020, appendix A (color distortion).

    Args:
        probability: how many of the images, 0 to 1; the paper's value is 0.2.
    """

    accepts: ClassVar = (Image,)
    in_pixel_range: ClassVar[bool] = True

    probability: Probability = 0.2

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images in colour."""
        require_colours("grayscale", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def grayscale(images: Any, seed: Any) -> Any:
            chosen = per_image(happens(self.probability, uniform((tf.shape(images)[0],), seed)))
            return tf.where(chosen, grey(images), images)

        return on_images(data, grayscale)


@AUGMENTATIONS.register("photometric")
class Photometric(Augmentation):
    """Changes brightness, contrast, saturation and hue of each image, each with probability 1/2, as SSD does.

    W. Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 3.6, after A. G. Howard, 2013. In the order of
    the authors' code: brightness; contrast, here or behind the rest; saturation; hue. Contrast multiplies grey levels,
    as theirs does. Grey images have no saturation or hue.

    Args:
        brightness: the largest number of grey levels that is added or taken, 0 to 255; theirs is 32.
        contrast: the smallest and the largest factor; theirs are 0.5 and 1.5.
        saturation: the smallest and the largest factor; theirs are 0.5 and 1.5.
        degrees: the largest turn of the hues, 0 to 180; theirs is 18 of OpenCV's, which are 36.
    """

    accepts: ClassVar = (Image,)
    in_pixel_range: ClassVar[bool] = True

    brightness: Annotated[float, Range(minimum=0, maximum=255)] = 32.0
    contrast: tuple[NonNegativeFloat, NonNegativeFloat] = (0.5, 1.5)
    saturation: tuple[NonNegativeFloat, NonNegativeFloat] = (0.5, 1.5)
    degrees: Annotated[float, Range(minimum=0, maximum=180)] = 36.0

    def __post_init__(self) -> None:
        require_order("contrast", self.contrast)
        require_order("saturation", self.saturation)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("photometric", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def between(draws: Any, low: float, high: float) -> Any:
            return low + draws * (high - low)

        def photometric(images: Any, seed: Any) -> Any:
            draws = uniform((9, tf.shape(images)[0]), seed)
            chosen = happens(0.5, draws[:5])
            levels = tf.where(chosen[0], between(draws[5], -self.brightness, self.brightness), 0.0)
            factors = tf.where(chosen[1], between(draws[6], *self.contrast), 1.0)
            is_first = chosen[4]
            images = tf.clip_by_value(images + per_image(levels), 0.0, 255.0)
            images = tf.clip_by_value(images * per_image(tf.where(is_first, factors, 1.0)), 0.0, 255.0)
            if images.shape[-1] == 3:
                strength = tf.where(chosen[2], between(draws[7], *self.saturation), 1.0)
                images = blended(images, grey(images), per_image(strength))
                turns = tf.where(chosen[3], between(draws[8], -self.degrees, self.degrees) / 360.0, 0.0)
                images = turned_hue(images, turns[:, None, None])
            return tf.clip_by_value(images * per_image(tf.where(is_first, 1.0, factors)), 0.0, 255.0)

        return on_images(data, photometric)


def _factors(images: Any, seed: Any, factor: float) -> Any:
    return per_image(uniform((tf.shape(images)[0],), seed, 1.0 - factor, 1.0 + factor))
