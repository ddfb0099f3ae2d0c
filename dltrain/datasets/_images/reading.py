"""How files of images are read by any source, and how that is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dltrain.features._images.decoding import Decoding

Resize = Literal["crop", "fit", "stretch"]


@dataclass(frozen=True)
class DecodingKeys:
    """The keys of a source that say how a file becomes an array.

    Args:
        resize: as `Decoding` has it.
        fast: likewise.
        most_megabytes: likewise.
    """

    resize: Resize
    fast: bool
    most_megabytes: int

    def of(self, shape: tuple[int, int, int]) -> Decoding:
        """Returns what decodes files to arrays of a shape."""
        return Decoding(*shape, self.resize, self.fast, self.most_megabytes)


def described(shape: tuple[int, int, int], resize: Resize) -> list[str]:
    """Returns, line of Markdown by line, how a file becomes pixels.

    Args:
        shape: height, width and channels of the result.
        resize: as `Decoding` has it.
    """
    height, width, channels = shape
    first = "decode the image, rotate it as its EXIF says, put white behind transparent pixels, and "
    grey = "as one channel of grey, " if channels == 1 else ""
    kept = {
        "crop": "the largest centred part with that aspect ratio, its sides rounded to whole pixels, from pixel "
        "(side of the image - side of the part) // 2 on",
        "fit": "the whole image, as large as fits, in whole pixels, centred on black",
        "stretch": "the whole image, its aspect ratio changed",
    }[resize]
    return [
        f"Before the network: {first}resize it, {grey}to {height}x{width} pixels (`resize: {resize}`: {kept})"
        ", bilinear with antialiasing, each value rounded to a whole number.",
        "",
    ]
