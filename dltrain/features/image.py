"""Pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dltrain.data.feature import sides
from dltrain.data.statistics import Pieces, chunks
from dltrain.features._channels import Channels
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.showing import Shown

THINNED_SIDE = 32
"""Of examples that are read later, images beyond this size lend every fourth row and column to mean and deviation."""


@FEATURES.register("image")
class Image(Channels):
    """Pixels, best uint8 in 0-255.

    Args:
        shape: height, width and channels; 1 channel is grey, 3 are red, green and blue.
    """

    _channel: ClassVar[str] = "channel"

    shape: tuple[int, int, int]

    def adapt(self, pieces: Iterable[np.ndarray]) -> Self:
        """Returns the feature with mean and deviation of each channel."""
        if isinstance(pieces, Pieces) and pieces.are_sampled:
            thinned = np.s_[:, ::4, ::4] if min(self.shape[:2]) > THINNED_SIDE else np.s_[:]
            pieces = chunks(np.concatenate([piece[thinned] for piece in pieces]))
        return super().adapt(pieces)

    @property
    def _names(self) -> tuple[str, ...]:
        return {1: ("grey",), 3: ("red", "green", "blue")}.get(self.shape[-1], ())

    def show(self, stored: Any, weights: Any = None, like: Any = None) -> list[Shown]:
        """Returns the images, with what a network looked at in orange on them."""
        from dltrain.data.showing import Picture
        from dltrain.figures.reading import drawable
        from dltrain.report.drawing import overlaid

        stored = np.asarray(stored)
        drawn, note = drawable(stored, stored if like is None else np.asarray(like))
        maps = [None] * len(drawn) if weights is None else weights
        return [
            Picture(pixels, None if of_image is None else overlaid(pixels, of_image), note)
            for pixels, of_image in zip(drawn, maps, strict=True)
        ]

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns height, width and channels, which these are, and how they are normalised."""
        colours = ", ".join(self._names) or "as in the data"
        values = "normalised by the numbers below" if preprocessed else "raw, 0 to 255"
        return [
            f"{sides(self.shape)} height x width x channels",
            f"height, width, channels ({colours}); values {values}.",
            *self._normalization(preprocessed),
        ]
