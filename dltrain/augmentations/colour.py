"""Changes of colour that leave every pixel where it is.

Brightness, contrast and saturation: A. G. Howard, "Some improvements on deep convolutional neural network based image
classification", 2013, section 2.2, where the factor is 0.5 and the three come in random order; here in the list's.
"""

from typing import Annotated, Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.augmentations._colours import blended, grey, mean_grey, turned_hue
from dltrain.augmentations._drawing import happens, per_image, require_colours, require_images, uniform
from dltrain.augmentations._on_images import on_images
from dltrain.data import Change, DataSpec
from dltrain.features.image import Image
from dltrain.fields import Probability, Range
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


def _factors(images: Any, seed: Any, factor: float) -> Any:
    return per_image(uniform((tf.shape(images)[0],), seed, 1.0 - factor, 1.0 + factor))
