"""Pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from dltrain.data.statistics import Pieces, chunks
from dltrain.features._channels import Channels
from dltrain.lazy import np
from dltrain.registry import FEATURES

THINNED_SIDE = 32
"""Of examples that are read later, images beyond this size lend every fourth row and column to mean and deviation."""


@FEATURES.register("image")
class Image(Channels):
    """Pixels, best uint8 in 0-255.

    Args:
        shape: height, width and channels; 1 channel is grey, 3 are red, green and blue.
    """

    shape: tuple[int, int, int]

    def adapt(self, pieces: Iterable[np.ndarray]) -> Self:
        """Returns the feature with mean and deviation of each channel."""
        if isinstance(pieces, Pieces) and pieces.are_sampled:
            thinned = np.s_[:, ::4, ::4] if min(self.shape[:2]) > THINNED_SIDE else np.s_[:]
            pieces = chunks(np.concatenate([piece[thinned] for piece in pieces]))
        return super().adapt(pieces)
