"""What features whose last axis are channels, or numbers, have in common: each is normalised by itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from dltrain.data.feature import Feature, statistic
from dltrain.data.statistics import Moments, statistics_of
from dltrain.lazy import keras, np


@dataclass(frozen=True, kw_only=True)
class Channels(Feature):
    """Numbers, the last axis of which are channels.

    Args:
        mean: of each channel over the training part; none before it is known.
        standard_deviation: likewise; 1 where a channel is constant.
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None:
            """Takes the fields of the registered class."""

    mean: tuple[float, ...] | None = statistic(None)
    standard_deviation: tuple[float, ...] | None = statistic(None)

    def adapt(self, pieces: Iterable[np.ndarray]) -> Self:
        """Returns the feature with mean and deviation of each channel."""
        mean, deviation = statistics_of(pieces, int(self.shape[-1] or 0))
        return self.replaced(mean=mean, standard_deviation=deviation)

    def preprocess(self, x: Any, name: str = "normalization") -> Any:
        """Returns the values with mean 0 and variance 1 per channel, by a layer that is stored with the model."""
        if self.mean is None or self.standard_deviation is None:
            return x
        return normalization(self.mean, self.standard_deviation, name)(x)

    def column(self, index: int) -> str:
        """Returns what a channel is called in messages."""
        return f"channel {index}"

    def moments(self) -> list[Moments]:
        """Returns mean and deviation of each channel; empty before they are known."""
        pairs = zip(self.mean or (), self.standard_deviation or (), strict=True)
        return [Moments(self.column(index), *pair) for index, pair in enumerate(pairs)]

    def identity(self) -> Sequence[str]:
        """Returns nothing: channels have no names."""
        return ()


def normalization(mean: tuple[float, ...], deviation: tuple[float, ...], name: str) -> Any:
    """Returns the layer that makes mean 0 and variance 1 of each channel."""
    # float32 whatever the precision: bfloat16 cannot tell neighbouring raw values apart above 256.
    return keras.layers.Normalization(
        mean=list(mean), variance=[each**2 for each in deviation], dtype="float32", name=name
    )
