"""What is drawn for each image, and what data an augmentation may ask for."""

from typing import Any

from dltrain.data import DataSpec
from dltrain.data.random_draws import drawn
from dltrain.errors import KeyProblem
from dltrain.lazy import tf

STEPS = 2**24
"""Different numbers that a draw between 0 and 1 can be: as many as float32 holds without rounding."""


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


def require_images(name: str, data: DataSpec) -> None:
    """Raises KeyProblem unless the examples are images."""
    data.image(name)


def require_colours(name: str, data: DataSpec) -> None:
    """Raises KeyProblem unless the examples are images in red, green and blue."""
    shape = data.image(name).shape
    if shape[2] != 3:
        raise KeyProblem("name", f"{name} needs images in colour (3 channels), got examples of shape {shape}")


def require_order(key: str, bounds: tuple[float, float]) -> None:
    """Raises KeyProblem unless the smaller bound comes first."""
    if bounds[0] > bounds[1]:
        raise KeyProblem(key, f"must be the smallest and the largest value, in this order, got {list(bounds)}")
