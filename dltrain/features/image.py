"""Pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from dltrain.data.statistics import Pieces, chunks
from dltrain.features._channels import Channels
from dltrain.features._image_files import odd_files
from dltrain.features._likeness import near_copies
from dltrain.features._thumbnails import THUMBNAIL, thumbnails
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.finding import Finding
    from dltrain.data.parts import Parts

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

    def vectors(self, stored: Any) -> np.ndarray:
        """Returns grey values of the images at 16x16, with mean 0 over these images and their deviation together 1."""
        small = thumbnails(stored)
        step = max(1, min(small.shape[1:]) // 16)
        flat = small[:, ::step, ::step].reshape(len(small), -1)
        return np.asarray((flat - flat.mean(axis=0)) / max(float(flat.std()), 1e-6))

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns files of odd sizes and colours, and images that are nearly the same."""
        if brief:
            return
        yield from odd_files(parts, self.shape[:2])
        if min(self.shape[:2]) >= THUMBNAIL:
            yield from near_copies(parts)
