"""How images are stored: uint8 of one height and width."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.errors import DataError
from dltrain.features._arrays.encoding import ArrayEncoding
from dltrain.features._arrays.reader import words
from dltrain.features._files import content_in
from dltrain.features._images.decoding import Decoding, NoImage
from dltrain.lazy import np


@dataclass(frozen=True)
class ImageEncoding(ArrayEncoding):
    """Takes files, as paths, bytes or {"b64": ...}, and pixels as numbers.

    Whole numbers from 0 to 255 are stored as uint8, others as float32. A text is never a path: one may come from
    elsewhere.

    Args:
        decoding: how a file becomes an array; none for the largest centred part of the right shape, resized.
    """

    may_be_bare: bool = True
    decoding: Decoding | None = None

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
    def _decoding(self) -> Decoding:
        height, width, channels = self.shape
        return self.decoding or Decoding(height, width, channels, "crop", fast=False)

    def _file(self, path: Path) -> np.ndarray:
        if path.is_dir():
            raise ValueError("has no image below it")
        try:
            return self._decoding(path)
        except NoImage as error:
            raise ValueError(" ".join(error.reason.split())) from None
        except DataError as error:
            raise ValueError(words(error, str(path))) from None

    def _content(self, content: bytes) -> np.ndarray:
        return self._decoding.decoded(content)


def compact(pixels: np.ndarray) -> np.ndarray:
    """Returns numbers as uint8 where that loses nothing."""
    with np.errstate(invalid="ignore"):
        small = pixels.astype(np.uint8)
    return small if np.array_equal(small, pixels) else pixels
