"""Examples combined with others of their batch, targets too.

The partner of each example is the next one of the batch: batches are shuffled, so that this is a partner at random.
Where a list holds several that mix, one of them is drawn for each batch.
"""

import math
from typing import Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.augmentations._drawing import happens, require_images, uniform
from dltrain.data import Batch, Change, DataSpec
from dltrain.data.trees import leaves, mapped
from dltrain.errors import KeyProblem
from dltrain.features.image import Image
from dltrain.fields import PositiveFloat, Probability
from dltrain.lazy import tf
from dltrain.registry import AUGMENTATIONS


@AUGMENTATIONS.register("mixup")
class Mixup(Augmentation):
    """Blends each example, and its target, with another: x = w x1 + (1 - w) x2, y = w y1 + (1 - w) y2.

    H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, "mixup: beyond empirical risk minimization", 2018, section 2.
    Each example draws a weight w of its own; the authors' code draws one per batch. Takes vectors of numbers as
    well as images. Where a list holds several augmentations that mix, one of them is drawn for each batch; they come
    last in it.

    Args:
        alpha: w is drawn from Beta(alpha, alpha): near 0 most mixtures are nearly one of the two, at 1 all weights are
            equally frequent; the paper's values are 0.2 for ImageNet and 1 for CIFAR-10.
        probability: how many of the examples are mixed, 0 to 1; the paper's value is 1.
    """

    mixes: ClassVar[bool] = True

    alpha: PositiveFloat = 0.2
    probability: Probability = 1.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where an example holds categories: there is nothing between two of them."""
        for feature in data.inputs.values():
            if problem := feature.averaging_problem:
                raise KeyProblem("name", f"mixup needs numbers alone, got {problem}")

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch with soft targets that mixes both."""

        def mixup(batch: Batch, seed: Any) -> Batch:
            draws = uniform((3, tf.shape(leaves(batch.inputs)[0])[0]), seed)
            shares = tf.where(happens(self.probability, draws[2]), beta(self.alpha, draws[0], draws[1]), 1.0)
            inputs = mapped(lambda values: blended(values, shares), batch.inputs)
            return batch._replace(inputs=inputs, targets=blended(batch.targets, shares))

        return mixup


@AUGMENTATIONS.register("cutmix")
class CutMix(Augmentation):
    """Pastes a rectangle of another image into each; its target gets the share that the rectangle covers.

    S. Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features", 2019,
    algorithm 1. Each image draws a rectangle of its own, where the paper draws one per batch. Where a list holds
    several augmentations that mix, one of them is drawn for each batch; they come last in it.

    Args:
        alpha: the share that stays is drawn from Beta(alpha, alpha); the paper's value is 1: all equally frequent.
        probability: how many of the images are mixed, 0 to 1; the authors use 1 for ImageNet and 0.5 for CIFAR.
    """

    accepts: ClassVar = (Image,)
    mixes: ClassVar[bool] = True

    alpha: PositiveFloat = 1.0
    probability: Probability = 1.0

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are images."""
        require_images("cutmix", data)
        if len(data.inputs) > 1:
            raise KeyProblem("name", f"cutmix needs images alone, the data have {' and '.join(data.inputs)}")

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch with soft targets that mixes both."""
        height, width, _ = data.image(self.registered_name).shape

        def cutmix(batch: Batch, seed: Any) -> Batch:
            images = batch.inputs
            draws = uniform((5, tf.shape(images)[0]), seed)
            side = tf.sqrt(1.0 - beta(self.alpha, draws[0], draws[1]))
            side = tf.where(happens(self.probability, draws[4]), side, 0.0)
            rows, columns = between(draws[2], side, height), between(draws[3], side, width)
            pasted = tf.where((rows[:, :, None] & columns[:, None])[..., None], partners(images), images)
            # As many pixels as there are: the image's border cuts rectangles off.
            covered = [tf.reduce_sum(tf.cast(places, tf.float32), axis=1) for places in (rows, columns)]
            targets = blended(batch.targets, 1.0 - covered[0] * covered[1] / (height * width))
            return batch._replace(inputs=pasted, targets=targets)

        def between(draws: Any, side: Any, size: int) -> Any:
            """Returns which places of an axis lie within that share of it about the place drawn, (batch, size)."""
            first, end = (tf.round((draws + half * side) * size)[:, None] for half in (-0.5, 0.5))
            places = tf.range(size, dtype=tf.float32)
            return (places >= first) & (places < end)

        return cutmix


def partners(values: Any) -> Any:
    """Returns what stands before each example of a batch, for it."""
    return tf.roll(values, 1, axis=0)


def blended(values: Any, shares: Any) -> Any:
    """Returns values blended with those of the partners, of which each keeps a share, (batch,)."""
    shares = tf.reshape(shares, (-1, *[1] * (len(values.shape) - 1)))
    return values * shares + partners(values) * (1.0 - shares)


def beta(alpha: float, first: Any, second: Any) -> Any:
    """Returns numbers of the distribution Beta(alpha, alpha), each from two draws between 0 and 1.

    R. W. Bailey, "Polar generation of random variates with the t-distribution", 1994, gives t of 2 alpha degrees of
    freedom from a radius and an angle; (1 + t / sqrt(2 alpha + t^2)) / 2 is Beta(alpha, alpha). Multiplied out, so that
    no power overflows for a small alpha.
    """
    power = tf.pow(first, 1.0 / alpha)
    cosine = tf.cos(2.0 * math.pi * second)
    length = tf.sqrt(power + cosine * cosine * (1.0 - power))
    # Both powers may vanish at once: then either end is as likely.
    return 0.5 + 0.5 * tf.math.divide_no_nan(cosine * tf.sqrt(1.0 - power), length)
