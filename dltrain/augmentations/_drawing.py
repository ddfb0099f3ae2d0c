"""What is drawn for each image, and what data an augmentation may ask for."""

import math
from statistics import NormalDist
from typing import Any

from dltrain.data import DataSpec
from dltrain.data.random_draws import drawn
from dltrain.errors import KeyProblem
from dltrain.lazy import tf
from dltrain.registry import AUGMENTATIONS

STEPS = 2**24
"""Different numbers that a draw between 0 and 1 can be: as many as float32 holds without rounding."""


QUANTILE_BITS = 12
"""Normal numbers are read from a table of 4096, up to 3.67 deviations: the same bits everywhere, and no logarithms."""


def whole(shape: Any, seed: Any, low: Any, high: Any) -> Any:
    """Returns whole numbers from `low` up to below `high`, each equally often, int32."""
    return drawn(shape, seed, low, high)


def uniform(shape: Any, seed: Any, low: float = 0.0, high: float = 1.0) -> Any:
    """Returns numbers from `low` up to below `high`, float32."""
    # Whole numbers first: XLA makes other floats of the same random bits.
    return low + tf.cast(whole(shape, seed, 0, STEPS), tf.float32) * ((high - low) / STEPS)


def happens(probability: float, draws: Any) -> Any:
    """Returns which of the draws between 0 and 1 say yes, with a probability of 0 to 1."""
    return draws < probability


def per_image(values: Any) -> Any:
    """Returns one value per image, (batch,), so that it meets each of the image's pixels, (batch, 1, 1, 1)."""
    return values[:, None, None, None]


def bits(values: Any, seed: Any, count: int) -> Any:
    """Returns a whole number of so many random bits for each of the values, of their shape, int32."""
    # Drawing costs more than all else: each word of 32 bits serves as often as it can.
    uses = 32 // count
    numbers = math.prod(values.shape[1:])
    words = drawn((tf.shape(values)[0], -(-numbers // uses)), seed)
    parts = [tf.bitwise.right_shift(words, count * use) & (2**count - 1) for use in range(uses)]
    return tf.reshape(tf.concat(parts, axis=1)[:, :numbers], tf.shape(values))


def normal(values: Any, seed: Any, deviation: float = 1.0) -> Any:
    """Returns a normal number of mean 0 for each of the values, of their shape, float32."""
    size = 2**QUANTILE_BITS
    table = [deviation * NormalDist().inv_cdf((place + 0.5) / size) for place in range(size)]
    return tf.gather(tf.constant(table), bits(values, seed, QUANTILE_BITS))


def require_images(name: str, data: DataSpec) -> None:
    """Raises KeyProblem unless the examples are images, not what becomes one in the network."""
    feature = data.image(name)
    if len(feature.shape) != 3:
        words = f"{name} needs images (height, width, channels), got {feature.registered_name}; such examples have"
        every: list[tuple[str, Any]] = [(each, AUGMENTATIONS[each]) for each in AUGMENTATIONS.names()]
        fitting = [each for each, block in every if isinstance(feature, block.accepts)]
        raise KeyProblem("name", f"{words} {', '.join(fitting) or 'none of their own'}")


def require_colours(name: str, data: DataSpec) -> None:
    """Raises KeyProblem unless the examples are images in red, green and blue."""
    require_images(name, data)
    shape = data.image(name).shape
    if shape[2] != 3:
        raise KeyProblem("name", f"{name} needs images in colour (3 channels), got examples of shape {shape}")


def require_order(key: str, bounds: tuple[float, float]) -> None:
    """Raises KeyProblem unless the smaller bound comes first."""
    if bounds[0] > bounds[1]:
        raise KeyProblem(key, f"must be the smallest and the largest value, in this order, got {list(bounds)}")
