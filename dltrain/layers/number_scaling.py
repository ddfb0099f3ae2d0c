"""Other ways to bring numbers of a row to one scale than by mean and deviation."""

from statistics import NormalDist
from typing import Any

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="dltrain")
class RobustScaling(keras.layers.Layer):
    """(x - centre) / scale, call it y; then y / root of (1 + (y / 3)^2), which lies between -3 and 3.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", 2024, section 3 (robust scaling and smooth clipping).

    Input and output: (batch, numbers).

    Args:
        centre: of each number.
        scale: of each number, above 0.
    """

    def __init__(self, centre: Any, scale: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.centre, self.scale = np.array(centre, np.float32), np.array(scale, np.float32)

    def call(self, x: Any) -> Any:
        """Scales and clips."""
        y = (keras.ops.cast(x, self.compute_dtype) - self.centre) / self.scale
        return y / keras.ops.sqrt(1.0 + keras.ops.square(y / 3.0))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"centre": self.centre.tolist(), "scale": self.scale.tolist()}


@keras.saving.register_keras_serializable(package="dltrain")
class QuantileScaling(keras.layers.Layer):
    """Each number as the normal number of its rank: linear between quantiles, constant beyond the first and the last.

    A number that several quantiles equal has their mean rank.

    Input and output: (batch, numbers).

    Args:
        quantiles: of each number, evenly spaced from the least to the most, (numbers, quantiles), never falling.
    """

    def __init__(self, quantiles: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.quantiles = np.array(quantiles, np.float32)

    def call(self, x: Any) -> Any:
        """Finds how far each number is through each step between quantiles."""
        ops, edges, levels = keras.ops, self.quantiles, normal_levels(self.quantiles)
        widths = np.diff(edges)
        beyond = ops.cast(x, self.compute_dtype)[..., None] - edges[:, :-1]
        through = ops.clip(beyond / np.where(widths > 0, widths, 1), 0.0, 1.0)
        return ops.sum(through * np.diff(levels), axis=-1) + levels[:, 0]

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"quantiles": self.quantiles.tolist()}


def normal_levels(quantiles: np.ndarray) -> np.ndarray:
    """Returns the normal number of each quantile's rank, (numbers, quantiles), float32.

    The ranks of the ends are a tenth of a step from 0 and 1; of quantiles that are equal it is their mean.

    Args:
        quantiles: of each number, (numbers, quantiles), never falling.
    """
    count = quantiles.shape[1]
    ranks = np.linspace(0, 1, count)
    ranks[[0, -1]] = 0.1 / (count - 1), 1 - 0.1 / (count - 1)
    levels = []
    for row in quantiles:
        _, places, sizes = np.unique(row, return_inverse=True, return_counts=True)
        means = np.bincount(places, ranks) / sizes
        levels.append([NormalDist().inv_cdf(rank) for rank in means[places].tolist()])
    return np.array(levels, np.float32)
