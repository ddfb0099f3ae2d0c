"""Pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from dltrain.data.feature import Plain
from dltrain.data.statistics import SAMPLE, Pieces, chunks, spaced
from dltrain.errors import KeyProblem
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

    def signature(self) -> Plain:
        """Returns the channels; whether weights depend on height and width is the network's affair."""
        return {"name": self.registered_name, "channels": self.shape[-1]}

    def resized(self, size: tuple[int, int]) -> tuple[Self, Any]:
        """Returns smaller images, each pixel the mean of the area that it covers."""
        height, width, channels = self.shape
        if size[0] > height or size[1] > width:
            raise KeyProblem("image_size", f"must be at most that of the images, {height} x {width}")
        rows, columns = _areas(height, size[0]), _areas(width, size[1])

        def shrink(images: Any) -> Any:
            return tf.einsum("hi,bijc,wj->bhwc", tf.constant(rows), images, tf.constant(columns))

        return self.replaced(shape=(*size, channels)), shrink

    def beyond_bytes(self, stored: Any) -> tuple[float, float] | None:
        """Returns the range of some float images, where it is not that of pixels."""
        if stored.dtype.kind != "f" or not len(stored):
            return None
        places = spaced(len(stored), SAMPLE)
        low, high = np.inf, -np.inf
        for start in range(0, len(places), 32):  # large images, a few at a time
            values = np.asarray(stored[places[start : start + 32]])
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        return None if low >= 0 and 1.001 < high <= 255 else (low, high)  # a rounding above 1 is 1


def _areas(old: int, new: int) -> np.ndarray:
    """Returns the share of each old pixel in each new one, (new, old), float32."""
    edges = np.arange(new + 1) * old / new
    starts, ends = np.arange(old), np.arange(1, old + 1)
    overlaps = np.minimum(edges[1:, None], ends) - np.maximum(edges[:-1, None], starts)
    return (np.maximum(overlaps, 0.0) * new / old).astype(np.float32)
