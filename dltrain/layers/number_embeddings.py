"""Vectors of single numbers: of sines and cosines, and linear ones between fixed edges."""

import math
from statistics import NormalDist
from typing import Any

import keras
import numpy as np

from dltrain.layers.parametric_dense import SLOW

FAR = 1e4
"""How many bins beyond the first or the last edge a number may be: a finite number, which every format can hold."""


class _Waves(keras.layers.Layer):
    """Vectors that are made of waves of each number."""

    def __init__(self, width: int, frequencies: int, deviation: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.frequencies, self.deviation = width, frequencies, deviation

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, columns, width)."""
        return *shape, self.width

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("width", "frequencies", "deviation")
        return super().get_config() | {name: getattr(self, name) for name in names}


@keras.saving.register_keras_serializable(package="dltrain")
class PeriodicEmbedding(_Waves):
    """Sines and cosines of each number at frequencies of its own, a linear layer of its own, and ReLU.

    Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical features in tabular deep learning", 2022,
    section 3.3 ("PLR"). Frequencies start normal, drawn again beyond three deviations.

    Input: (batch, columns), mean 0 and variance 1. Output: (batch, columns, width).

    Args:
        width: of each number's vector; the authors' default is 24.
        frequencies: of each number; their default is 48.
        deviation: of the frequencies at the start; the paper tunes it between 0.01 and 100.
    """

    def __init__(self, width: int = 24, frequencies: int = 48, deviation: float = 0.1, **kwargs: Any) -> None:
        super().__init__(width, frequencies, deviation, **kwargs)

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        columns, waves = shape[-1], self.frequencies
        bound = (2 * waves) ** -0.5
        evenly = keras.initializers.RandomUniform(-bound, bound)
        normal = keras.initializers.TruncatedNormal(stddev=self.deviation)
        self.rates = self.add_weight(shape=(columns, waves), initializer=normal, name="frequencies")
        self.kernel = self.add_weight(shape=(columns, 2 * waves, self.width), initializer=evenly, name="kernel")
        self.bias = self.add_weight(shape=(columns, self.width), initializer=evenly, name="bias")

    def call(self, x: Any) -> Any:
        """Computes the waves, and what the linear layer makes of them."""
        ops = keras.ops
        angles = (2 * math.pi) * self.rates * x[..., None]
        waves = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)
        return ops.relu(ops.einsum("bcw,cwo->bco", waves, self.kernel) + self.bias)


@keras.saving.register_keras_serializable(package="dltrain")
class PeriodicLinearEmbedding(_Waves):
    """Each number, and linear functions of cosines of it, whose frequencies and phases are learnt.

    D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", 2024, section 3 ("PBLD"). All of it learns at a tenth of the rate, as `parametric_dense` has it.

    Input: (batch, columns), mean 0 and variance 1. Output: (batch, columns, width).

    Args:
        width: of each number's vector, the number itself among them; the paper's 4.
        frequencies: of each number; the paper's 16.
        deviation: of the frequencies at the start; the paper's 0.1.
    """

    def __init__(self, width: int = 4, frequencies: int = 16, deviation: float = 0.1, **kwargs: Any) -> None:
        super().__init__(width, frequencies, deviation, **kwargs)

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        columns, waves, initializers = shape[-1], self.frequencies, keras.initializers
        normal = initializers.RandomNormal(stddev=self.deviation / SLOW)
        turn = initializers.RandomUniform(-math.pi / SLOW, math.pi / SLOW)
        bound = waves**-0.5 / SLOW
        evenly = initializers.RandomUniform(-bound, bound)
        self.rates = self.add_weight(shape=(columns, waves), initializer=normal, name="frequencies")
        self.phases = self.add_weight(shape=(columns, waves), initializer=turn, name="phases")
        self.kernel = self.add_weight(shape=(columns, waves, self.width - 1), initializer=evenly, name="kernel")
        self.bias = self.add_weight(shape=(columns, self.width - 1), initializer=evenly, name="bias")

    def call(self, x: Any) -> Any:
        """Computes the cosines, what the linear layer makes of them, and puts the number behind."""
        ops = keras.ops
        waves = ops.cos((2 * math.pi * SLOW) * self.rates * x[..., None] + SLOW * self.phases)
        made = SLOW * (ops.einsum("bcw,cwo->bco", waves, self.kernel) + self.bias)
        return ops.concatenate([made, x[..., None]], axis=-1)


@keras.saving.register_keras_serializable(package="dltrain")
class PiecewiseLinearEmbedding(keras.layers.Layer):
    """A linear function of each number, and one that may bend at each of some edges.

    Y. Gorishniy, I. Rubachev and A. Babenko, "On embeddings for numerical features in tabular deep learning", 2022,
    section 3.2, as the authors' code has it since TabM ("version B"): what bends starts at 0. The edges are quantiles
    of the normal distribution, where the paper takes those of the train part: `dataset.normalize: quantile` makes one
    of the other.

    Input: (batch, columns), mean 0 and variance 1. Output: (batch, columns, width).

    Args:
        width: of each number's vector; the authors' value is 16.
        bins: between the edges; the paper tunes it between 2 and 256.
    """

    def __init__(self, width: int = 16, bins: int = 32, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width, self.bins = width, bins

    @property
    def edges(self) -> np.ndarray:
        """Where each bin begins, and the last one ends, (bins + 1,), float32."""
        inner = [NormalDist().inv_cdf(place / self.bins) for place in range(1, self.bins)]
        last = NormalDist().inv_cdf(1 - 0.1 / self.bins)
        return np.array([-last, *inner, last], np.float32)

    def build(self, shape: Any) -> None:
        """Makes the weights."""
        columns, width = shape[-1], self.width
        bound = width**-0.5
        evenly = keras.initializers.RandomUniform(-bound, bound)
        self.slope = self.add_weight(shape=(columns, width), initializer=evenly, name="slope")
        self.bias = self.add_weight(shape=(columns, width), initializer=evenly, name="bias")
        self.kernel = self.add_weight(shape=(columns, self.bins, width), initializer="zeros", name="kernel")

    def call(self, x: Any) -> Any:
        """Computes how far each number is through each bin, and sums; the outer bins have no end."""
        ops, edges = keras.ops, self.edges
        parts = (x[..., None] - edges[:-1]) / (edges[1:] - edges[:-1])
        least = np.array([-FAR] + [0.0] * (self.bins - 1), np.float32)
        most = np.array([1.0] * (self.bins - 1) + [FAR], np.float32)
        parts = ops.minimum(ops.maximum(parts, least), most)
        bent = ops.einsum("bci,cio->bco", parts, self.kernel)
        return x[..., None] * self.slope + self.bias + bent

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns (batch, columns, width)."""
        return *shape, self.width

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return super().get_config() | {"width": self.width, "bins": self.bins}
