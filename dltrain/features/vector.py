"""Numbers of which nothing is known but how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import Encoded, Feature
from dltrain.data.request import Reader
from dltrain.features._arrays.encoding import ArrayEncoding
from dltrain.features._arrays.schema import array_schema
from dltrain.features._channels import EXTREME, Channels
from dltrain.features._columns import odd_columns, vectors
from dltrain.features.image import Image
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.finding import Finding
    from dltrain.data.parts import Parts


@FEATURES.register("vector")
class Vector(Channels):
    """Numbers, the same for each example.

    Args:
        shape: how many, or several axes of them; the last is normalised number by number.
    """

    shape: tuple[int, ...]

    @property
    def has_columns(self) -> bool:
        """Whether there is one axis."""
        return len(self.shape) == 1

    @property
    def model_columns(self) -> tuple[int, ...]:
        """One number for each, where there is one axis."""
        return (1,) * self.shape[0] if self.has_columns else ()

    def column(self, index: int) -> str:
        """Returns what a number is called in messages."""
        return f"feature {index}" if self.has_columns else super().column(index)

    def vectors(self, stored: Any) -> np.ndarray | None:
        """Returns the numbers with mean 0 and variance 1 over these values; none where there are several axes."""
        return vectors(np.asarray(stored[:])) if self.has_columns else None

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns numbers that say nothing, or say it twice."""
        return () if brief or not self.has_columns else odd_columns(self, parts["train"])

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns nested lists of numbers as arrays, (usable, *shape), float32."""
        return ArrayEncoding(self.shape).encode(raws)

    def decode(self, stored: Any) -> list[Any]:
        """Returns arrays as nested lists of numbers."""
        return list(np.asarray(stored).tolist())

    def reader(self) -> Reader:
        """Returns what reads files of arrays, and numbers in requests."""
        from dltrain.features._arrays.reader import ArrayReader

        return ArrayReader(ArrayEncoding(self.shape))

    def request_schema(self) -> dict[str, Any]:
        """Returns the schema of nested lists of numbers."""
        return array_schema(self.shape)

    def corners(self) -> list[np.ndarray]:
        """Returns zeros, and values far from the mean."""
        mean, deviation = (np.array(each) for each in (self.mean or 0.0, self.standard_deviation or 1.0))
        rows = (np.zeros(1), mean - EXTREME * deviation, mean + EXTREME * deviation)
        return [np.broadcast_to(row, self.shape).astype(np.float32) for row in rows]


def of_shape(shape: tuple[int, ...]) -> Feature:
    """Returns what examples of such a shape are where nothing else is known: images if it has three axes."""
    return Image(shape=shape) if len(shape) == 3 else Vector(shape=shape)
