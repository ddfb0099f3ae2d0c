"""What features whose last axis are channels, or numbers, have in common: each is normalised by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dltrain.data.feature import Feature, shape_words, statistic
from dltrain.data.proposal import Entries, Keys, Proposal
from dltrain.data.statistics import Moments, statistics_of
from dltrain.features._starter import perceptron
from dltrain.lazy import keras, np

if TYPE_CHECKING:
    from dltrain.data.showing import Shown
    from dltrain.figures.page import Panel

EXTREME = 10
"""Standard deviations from the mean of what is far from all that training saw."""


@dataclass(frozen=True, kw_only=True)
class Channels(Feature):
    """Numbers, the last axis of which are channels.

    Args:
        mean: of each channel over the train part; none before it is known.
        standard_deviation: likewise; 1 where a channel is constant.
    """

    if TYPE_CHECKING:

        def __init__(self, **fields: Any) -> None:
            """Takes the fields of the registered class."""

    _channel: ClassVar[str] = "feature"
    """What one of them is called."""

    mean: tuple[float, ...] | None = statistic(None)
    standard_deviation: tuple[float, ...] | None = statistic(None)

    def adapt(self, pieces: Iterable[np.ndarray]) -> Self:
        """Returns the feature with mean and deviation of each channel."""
        mean, deviation = statistics_of(pieces, int(self.shape[-1] or 0))
        return self.replaced(mean=mean, standard_deviation=deviation)

    def starter(self, examples: Proposal) -> dict[str, Keys | Entries]:
        """Returns a perceptron's block."""
        return {"model": perceptron(self.shape, examples)}

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

    @property
    def _names(self) -> tuple[str, ...]:
        """Those of the channels; none where they are numbered."""
        return ()

    def show(self, stored: Any, weights: Any = None, like: Any = None) -> list[Shown]:
        """Returns the numbers as lines."""
        from dltrain.data.showing import Lines

        return [Lines(values.astype(np.float64)) for values in np.asarray(stored)]

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how the values of each channel are distributed in the first part."""
        from dltrain.figures.distributions import channels

        part, values = next(iter(parts.items()))
        return channels(self._channel, np.asarray(values), part, self.mean, self.standard_deviation, self._names)

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how many numbers there are, their order, and how they are normalised."""
        return [
            f"{shape_words(self.shape, ' x ')} numbers",
            "the numbers of an example, in this order.",
            *self._normalization(preprocessed),
        ]

    def _normalization(self, preprocessed: bool) -> list[str]:
        """Returns who subtracts the mean and divides by the deviation: the network, or a stranger."""
        from dltrain.report.markdown import table

        if not preprocessed or self.mean is None or self.standard_deviation is None:
            return ["", "The network itself normalises its inputs by mean and standard deviation of the train part."]
        pairs = zip(self.mean, self.standard_deviation, strict=True)
        rows = [(place, *pair) for place, pair in enumerate(pairs)]
        return [
            "",
            "Before the network, subtract the mean and divide by the standard deviation:",
            "",
            *table(("channel", "mean", "standard deviation"), rows),
        ]

    def unnormalized(self) -> tuple[Self, Any] | None:
        """Returns the feature without mean and deviation, and the function that takes them off arrays."""
        if self.mean is None or self.standard_deviation is None:
            return None
        mean, deviation = (np.array(each, np.float32) for each in (self.mean, self.standard_deviation))
        return self.replaced(mean=None, standard_deviation=None), lambda values: (values - mean) / deviation


def normalization(mean: tuple[float, ...], deviation: tuple[float, ...], name: str) -> Any:
    """Returns the layer that makes mean 0 and variance 1 of each channel."""
    # float32 whatever the precision: bfloat16 cannot tell neighbouring raw values apart above 256.
    return keras.layers.Normalization(
        mean=list(mean), variance=[each**2 for each in deviation], dtype="float32", name=name
    )
