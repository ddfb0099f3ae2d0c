"""What convolutional networks over series share: layers for which what is behind the end of a series is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dltrain.data import DataSpec
from dltrain.errors import KeyProblem
from dltrain.lazy import keras
from dltrain.models import Model


def are_steps(data: DataSpec) -> bool:
    """Whether the only input is numbers, step by step, (steps, channels)."""
    found = [*data.inputs.values()]
    return len(found) == 1 and found[0].dtype == "float32" and len(found[0].model_shape) == 2


@dataclass(frozen=True, kw_only=True)
class SeriesNetwork(Model):
    """A network over the steps of a series."""

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem where the data are no steps of numbers."""
        if not are_steps(data):
            there = " and ".join(f"{name} of shape {each.model_shape}" for name, each in data.inputs.items())
            words = f"{self.registered_name} needs one input of series, (steps, channels), got {there}"
            raise KeyProblem("name", words)


@dataclass(frozen=True)
class Steps:
    """Layers over steps, (batch, steps, channels): a shorter series in a batch gives what it gives by itself.

    Args:
        present: which steps there are, (batch, steps), bool; none where all series are of one length.
    """

    present: Any

    def convolution(self, x: Any, filters: int, kernel_size: int, name: str, use_bias: bool = False) -> Any:
        """Convolution over the steps, with zeros before the beginning of a series and behind its end."""
        layer = keras.layers.Conv1D(filters, kernel_size, padding="same", use_bias=use_bias, name=name)
        return layer(x if kernel_size == 1 else self._zeroed(x, f"{name}_mask"))

    def maximum(self, x: Any, size: int, name: str) -> Any:
        """The maximum of each step and its neighbours."""
        from dltrain.layers.padding import Lowest

        if self.present is not None:
            x = Lowest(name=f"{name}_mask")(x, self.present)
        # Behind the end the lowest number is left, which half precision cannot multiply.
        return self._zeroed(keras.layers.MaxPooling1D(size, strides=1, padding="same", name=name)(x), f"{name}_zeros")

    def normalized(self, x: Any, name: str) -> Any:
        """Batch normalisation, in training by the mean and variance of the steps that there are."""
        from dltrain.layers.masked_batch_normalization import MaskedBatchNormalization

        # Keras's momentum of 0.99, which the papers' code has, lags behind in short runs.
        settings = {"momentum": 0.9, "name": name}
        if self.present is None:
            return keras.layers.BatchNormalization(**settings)(x)
        return MaskedBatchNormalization(**settings)(x, self.present)

    def mean(self, x: Any, name: str) -> Any:
        """The mean over the steps, (batch, channels)."""
        from dltrain.layers.padding import MaskedMean

        if self.present is None:
            return keras.layers.GlobalAveragePooling1D(name=name)(x)
        return MaskedMean(name=name)(x, self.present)

    def _zeroed(self, x: Any, name: str) -> Any:
        from dltrain.layers.padding import Masked

        return x if self.present is None else Masked(name=name)(x, self.present)
