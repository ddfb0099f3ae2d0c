"""Pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from dltrain.data.statistics import Pieces, chunks
from dltrain.features._channels import Channels
from dltrain.lazy import np, tf
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

    def resized(self, size: tuple[int, int]) -> tuple[Self, Callable[[Any], Any]]:
        """Returns images of another size; each new pixel is the mean of the area that it covers."""
        rows, columns = (_areas(*sides) for sides in zip(self.shape[:2], size, strict=True))

        def resize(images: Any) -> Any:
            return tf.einsum("hi,bijc,wj->bhwc", tf.constant(rows), images, tf.constant(columns))

        return self.replaced(shape=(*size, self.shape[2])), resize


def _areas(old: int, new: int) -> np.ndarray:
    """Returns the share of each old pixel in each new one, (new, old), float32."""
    edges = np.arange(new + 1) * old / new
    starts, ends = np.arange(old), np.arange(1, old + 1)
    overlaps = np.minimum(edges[1:, None], ends) - np.maximum(edges[:-1, None], starts)
    return (np.maximum(overlaps, 0.0) * new / old).astype(np.float32)
