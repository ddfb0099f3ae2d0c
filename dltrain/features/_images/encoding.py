"""How images are stored: uint8 of one height and width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dltrain.data.feature import Encoded
from dltrain.data.ragged import Ragged
from dltrain.errors import DataError
from dltrain.features._arrays.encoding import ArrayEncoding
from dltrain.features._arrays.reader import words
from dltrain.features._boxes.columns import SIZE, WINDOW
from dltrain.features._files import content_in
from dltrain.features._images.decoding import Decoding, NoImage
from dltrain.features._images.headers import read_header
from dltrain.lazy import np


@dataclass(frozen=True)
class ImageEncoding(ArrayEncoding):
    """Takes files, as paths, bytes or {"b64": ...}, and pixels as numbers.

    Whole numbers from 0 to 255 are stored as uint8, others as float32. A text is never a path: one may come from
    elsewhere.

    Args:
        decoding: how a file becomes an array; none for the largest centred part of the right shape, resized.
        with_places: whether metadata say how large each image was, and which part of it an array shows: for answers in
            pixels of the original.
    """

    may_be_bare: bool = True
    decoding: Decoding | None = None
    with_places: bool = False

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns the images that can be used, (usable, *shape)."""
        encoded = super().encode(raws)
        usable = [raw for row, raw in enumerate(raws) if row not in encoded.problems]
        return replace(encoded, metadata=self.places(map(self.size, usable))) if self.with_places else encoded

    def places(self, sizes: Iterable[tuple[int, int]]) -> dict[str, np.ndarray | Ragged]:
        """Returns the metadata of images: their sizes, and where in them the corners of the arrays lie.

        Args:
            sizes: height and width of each, in pixels.
        """
        found = [*sizes]
        windows = [self.decoding_used.window(*size) for size in found]
        return {
            SIZE: np.array(found, np.int32).reshape(-1, 2),
            WINDOW: np.array(windows, np.float32).reshape(-1, 4),
        }

    def size(self, raw: Any) -> tuple[int, int]:
        """Returns height and width of an image that can be used, as it is to be seen, in pixels."""
        if isinstance(raw, Path):
            return self.decoding_used.header(raw).upright
        if isinstance(raw, dict):
            raw = content_in(raw, "")
        return read_header(raw)[0].upright if isinstance(raw, bytes) else self.bare_size

    def value(self, raw: Any) -> np.ndarray:
        """Returns one image, (height, width, channels), uint8 where it can be.

        Raises:
            ValueError: if it is none that can be used.
        """
        if isinstance(raw, Path):
            return self._file(raw)
        if isinstance(raw, bytes):
            return self._content(raw)
        if not isinstance(raw, dict):
            return compact(super().value(raw))
        return self._content(content_in(raw, 'must be numbers or {"b64": "..."}, an image file in base64'))

    @property
    def bare_size(self) -> tuple[int, int]:
        """Height and width of an image that came as an array."""
        return self.shape[0], self.shape[1]

    @property
    def decoding_used(self) -> Decoding:
        """How a file becomes an array."""
        height, width, channels = self.shape
        return self.decoding or Decoding(height, width, channels, "crop", fast=False)

    def _file(self, path: Path) -> np.ndarray:
        if path.is_dir():
            raise ValueError("has no image below it")
        try:
            return self.decoding_used(path)
        except NoImage as error:
            raise ValueError(" ".join(error.reason.split())) from None
        except DataError as error:
            raise ValueError(words(error, str(path))) from None

    def _content(self, content: bytes) -> np.ndarray:
        return self.decoding_used.decoded(content)


def compact(pixels: np.ndarray) -> np.ndarray:
    """Returns numbers as uint8 where that loses nothing."""
    with np.errstate(invalid="ignore"):
        small = pixels.astype(np.uint8)
    return small if np.array_equal(small, pixels) else pixels
