"""Operations drawn at random for each image, from a list that is the same for all data."""

from typing import Annotated, Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.augmentations._drawing import require_images, whole
from dltrain.augmentations._on_images import on_images
from dltrain.augmentations._operations import OPERATIONS, SIGNED, operated
from dltrain.augmentations._sampling import Fill
from dltrain.data import Change, DataSpec
from dltrain.data.random_draws import folded
from dltrain.features.image import Image
from dltrain.fields import PositiveInt, Range
from dltrain.lazy import tf
from dltrain.registry import AUGMENTATIONS

LEVELS = 30
"""TrivialAugment's strengths are 0 to 30 thirtieths of the largest."""


@AUGMENTATIONS.register("randaugment")
class RandAugment(Augmentation):
    """Applies a few operations to each image, drawn from fourteen, all at one magnitude.

    E. D. Cubuk, B. Zoph, J. Shlens and Q. V. Le, "RandAugment: practical automated data augmentation with a reduced
    search space", 2019, section 3: identity, autocontrast, equalize, rotate, solarize, color, posterize, contrast,
    brightness, sharpness, shear_x, shear_y, translate_x and translate_y, each as often. At magnitude 10 they are as
    strong as AutoAugment's strongest: 30 degrees, shear 0.3, 45 % of a side, factors 0.1 or 1.9, 4 bits, solarize from
    grey level 0 on. All strengths grow from nothing in proportion to the magnitude, where the authors' code lets
    factors grow from 0.1 to 1.9. In grey images color changes nothing. Expects images in 0-255.

    Args:
        operations: how many, one after the other, at least 1; the paper's N, 2 for ResNet-50 on ImageNet, 3 for others.
        magnitude: how strong, 0 to 30; the paper's M, 9 for ResNet-50 on ImageNet, up to 28 for larger networks.
        fill: what is seen where an image ends: a grey level, 0 to 255, or nearest for the colour of the border.
    """

    accepts: ClassVar = (Image,)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    operations: PositiveInt = 2
    magnitude: Annotated[float, Range(minimum=0, maximum=30)] = 9.0
    fill: Fill = 128.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("randaugment", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""
        height, width, _ = data.image(self.registered_name).shape
        strongest = {
            "rotate": 30.0,
            **dict.fromkeys(("shear_x", "shear_y"), 0.3),
            "translate_x": 0.45 * width,
            "translate_y": 0.45 * height,
            **dict.fromkeys(("brightness", "contrast", "color", "sharpness"), 0.9),
            "posterize": 4.0,
            "solarize": 256.0,
        }

        def randaugment(images: Any, seed: Any) -> Any:
            share = tf.fill((tf.shape(images)[0],), self.magnitude / 10)

            def body(number: Any, images: Any) -> tuple[Any, Any]:
                return number + 1, _one_of_all(images, folded(seed, number), share, strongest, self.fill)

            # A loop: of operations in a row XLA would compute the first again for each pixel that the next looks at.
            return tf.while_loop(lambda number, _: number < self.operations, body, (0, images))[1]

        return on_images(data, randaugment)


@AUGMENTATIONS.register("trivialaugment")
class TrivialAugment(Augmentation):
    """Applies one operation to each image, drawn from fourteen, at a strength drawn too: nothing to tune.

    S. G. Mueller and F. Hutter, "TrivialAugment: tuning-free yet state-of-the-art data augmentation", 2021, section 3,
    algorithm 1, with the strengths of its wide space: one of 31 from nothing to 135 degrees, shear 0.99, 32 pixels
    (here at most the image's side), factors 0.01 or 1.99, 6 bits, solarize from grey level 0 on. The operations are
    those of `randaugment`. Expects images in 0-255.

    Args:
        fill: what is seen where an image ends: a grey level, 0 to 255, or nearest for the colour of the border.
    """

    accepts: ClassVar = (Image,)
    moves: ClassVar[bool] = True
    in_pixel_range: ClassVar[bool] = True

    fill: Fill = 128.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("trivialaugment", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""
        height, width, _ = data.image(self.registered_name).shape
        strongest = {
            "rotate": 135.0,
            **dict.fromkeys(("shear_x", "shear_y"), 0.99),
            "translate_x": min(32.0, width),
            "translate_y": min(32.0, height),
            **dict.fromkeys(("brightness", "contrast", "color", "sharpness"), 0.99),
            "posterize": 6.0,
            "solarize": 256.0,
        }

        def trivialaugment(images: Any, seed: Any) -> Any:
            levels = whole((tf.shape(images)[0],), folded(seed, 1), 0, LEVELS + 1)
            share = tf.cast(levels, tf.float32) / LEVELS
            return _one_of_all(images, folded(seed, 0), share, strongest, self.fill)

        return on_images(data, trivialaugment)


def _one_of_all(images: Any, seed: Any, share: Any, strongest: dict[str, float], fill: float | str) -> Any:
    """Returns each image changed by an operation drawn from all, at its share (batch,) of the strongest."""
    draws = whole((tf.shape(images)[0],), seed, 0, 2 * len(OPERATIONS))
    chosen, is_negative = draws // 2, draws % 2 == 1
    full = tf.gather(tf.constant([strongest.get(name, 0.0) for name in OPERATIONS]), chosen)
    signed = tf.gather(tf.constant([name in SIGNED for name in OPERATIONS]), chosen)
    return operated(images, chosen, tf.where(signed & is_negative, -share, share) * full, fill)
