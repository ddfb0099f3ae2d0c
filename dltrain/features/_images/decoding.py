"""How an image file becomes an array of the trained size."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from errno import EACCES, EFBIG, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, ENOTSUP, EPERM
from pathlib import Path
from typing import Any, Literal, TypeVar

from dltrain import untrusted
from dltrain.data.size_limit import MEGABYTE, reason
from dltrain.errors import DataError, printable
from dltrain.features._images.headers import Header, is_jpeg, read_header
from dltrain.features._images.scans import MOST_SCANS, has_too_many_scans
from dltrain.lazy import np, tf

MOST_PIXELS = 50_000_000
"""Larger images are refused before they are decoded: a file of 48 kB can hold 400 MB of pixels."""

MOST_MEGABYTES = 512
"""Larger files are refused before they are read: so many pixels, with 8 bytes each, have 400 MB."""

LEFT_TO_RESIZING = 2
"""How many times the trained size a JPEG is still decoded at: the decoder's own averages of 2x2 pixels are another
filter than that of resizing, which must have the last word for all formats to look the same."""

BEGINNING = 2**16
"""Bytes of a JPEG in which its header is looked for before the rest is read."""

REVISION = 4
"""Another one when the same file decodes to other pixels than before: what is kept on disk is then not believed."""


Found = TypeVar("Found")


class NoImage(DataError):
    """A file holds no image that can be used, and will not the next time.

    Args:
        message: what the user reads.
        reason: why one file cannot be used, without its name; empty for several files.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True)
class Decoding:
    """How a file becomes an array.

    Args:
        height: of the result, in pixels.
        width: of the result, in pixels.
        channels: 1 for grey, 3 for red, green and blue.
        resize: crop keeps the largest centred part of the right shape; fit shows all of the image, with black beside
            it; stretch changes its shape.
        fast: decode a JPEG at a half, quarter or eighth of its size where that is still twice the trained one.
        most_megabytes: of a file; of no effect on what it decodes to.
    """

    height: int
    width: int
    channels: int
    resize: Literal["crop", "fit", "stretch"]
    fast: bool
    most_megabytes: int = field(default=MOST_MEGABYTES, repr=False, compare=False)

    def __call__(self, path: Path) -> np.ndarray:
        """Returns the image in a file, (height, width, channels), uint8.

        Raises:
            NoImage: if the file holds no image that can be used.
            DataError: if it cannot be read just now.
        """
        return self._found(path, lambda: self.decoded(untrusted.content(path, self._most)))

    def header(self, path: Path) -> Header:
        """Returns what a file says of its image, of a JPEG without reading all of it; raises as `__call__`."""

        def found() -> Header:
            with untrusted.opened(path, self._most) as file:
                beginning = file.read(BEGINNING)
            with suppress(ValueError), untrusted.parsing():
                if is_jpeg(beginning):
                    return _checked(read_header(beginning)[0])
            with untrusted.parsing():
                return _checked(read_header(untrusted.content(path, self._most))[0])

        return self._found(path, found)

    def window(self, height: int, width: int) -> tuple[float, float, float, float]:
        """Returns where the corners of the result lie in an image, in its pixels: x_min, y_min, x_max, y_max.

        Args:
            height: of the image, the right way up.
            width: likewise.
        """
        used = self._used(height, width)
        starts = [float((side - part) // 2) for side, part in zip((height, width), used, strict=True)]
        ends = [start + part for start, part in zip(starts, used, strict=True)]
        if self.resize == "fit":
            for axis, (goal, side) in enumerate(zip(self._inner(used), (self.height, self.width), strict=True)):
                before, scale = (side - goal) // 2, used[axis] / goal
                starts[axis], ends[axis] = -before * scale, (side - before) * scale
        return starts[1], starts[0], ends[1], ends[0]

    @property
    def _most(self) -> int:
        return self.most_megabytes * MEGABYTE

    def _found(self, path: Path, work: Callable[[], Found]) -> Found:
        """Returns what is made of a file's content.

        Raises:
            NoImage: if the file holds no image that can be used.
            DataError: if it cannot be read just now.
        """
        try:
            return work()
        except OSError as error:
            if error.errno in _LASTING:
                raise _no_image(path, reason(error)) from None
            raise DataError(f"{path}: cannot be read: {reason(error)}") from None
        except ValueError as error:
            raise _no_image(path, str(error)) from None

    def decoded(self, content: bytes) -> np.ndarray:
        """Returns the image that a file's content is, (height, width, channels), uint8.

        Raises:
            ValueError: if it is none that can be used.
        """
        with unusable():
            return self._decoded_of(content)

    def _decoded_of(self, content: bytes) -> np.ndarray:
        header, content = read_header(content)
        _checked(header)
        if header.kind == "jpeg" and has_too_many_scans(content):
            raise ValueError(f"it is painted in more than {MOST_SCANS} scans")
        ratio = self._ratio(*header.upright) if header.kind == "jpeg" else 1
        with tf.device("CPU:0"):
            return self._fitted(self._decoded(header, content, ratio), header, ratio)

    def _decoded(self, header: Header, content: bytes, ratio: int) -> Any:
        """Returns an image the right way up, (1, height, width, channels), its sides divided by the ratio."""
        channels = 1 if self.channels == 1 and header.can_be_grey else header.channels
        # The bare operations: tf.io and tf.image would add half a millisecond of Python to each image.
        if header.kind == "jpeg":
            # TensorFlow's own choice of arithmetic is as slow, and up to 20 grey levels beside what others decode.
            image = tf.raw_ops.DecodeJpeg(
                contents=content, channels=channels, ratio=ratio, dct_method="INTEGER_ACCURATE"
            )
            image = tf.raw_ops.ExpandDims(input=image, axis=0)
        elif header.kind == "webp":
            image = tf.raw_ops.DecodeWebP(contents=content)
        else:
            image = tf.expand_dims(tf.io.decode_image(content, channels=channels, expand_animations=False), 0)
        if image.shape[-1] == 4:
            image = _on_white(image)
        if header.kind == "gif":
            image = _framed(image, header)
        if image.shape[-1] > self.channels:
            image = tf.image.rgb_to_grayscale(image)
        return _turned(image, header)

    def _ratio(self, height: int, width: int) -> int:
        """Returns what the sides of a JPEG are divided by as it is decoded."""
        ratio, goals = 1, self._goals(self._used(height, width))
        while self.fast and ratio < 8 and all(side // (2 * ratio) >= LEFT_TO_RESIZING * goal for side, goal in goals):
            ratio *= 2
        return ratio

    def _goals(self, used: tuple[int, int]) -> list[tuple[int, int]]:
        """Returns pairs of a side's length now and in the result."""
        if self.resize != "fit":
            return list(zip(used, (self.height, self.width), strict=True))
        scale = min(self.height / used[0], self.width / used[1])
        return [(side, round(side * scale)) for side in used]

    def _inner(self, used: tuple[int, int]) -> tuple[int, int]:
        """Returns height and width of what is not border where all of an image is to be seen."""
        (_, height), (_, width) = self._goals(used)
        return max(height, 1), max(width, 1)

    def _used(self, height: int, width: int) -> tuple[int, int]:
        if self.resize != "crop":
            return height, width
        scale = min(height / self.height, width / self.width)
        return max(round(self.height * scale), 1), max(round(self.width * scale), 1)

    def _fitted(self, image: Any, header: Header, ratio: int) -> np.ndarray:
        """Returns an image, (1, height, width, channels), at the height and width that are wanted."""
        size = header.upright if ratio > 1 else tuple(image.shape)[1:3]
        goal, used = (self.height, self.width), self._used(*size)
        if self.resize == "fit":
            goal = self._inner(used)
        if used == goal == size and ratio == 1:
            fitted = image.numpy()[0]
        else:
            sides = zip(size, used, tuple(image.shape)[1:3], header.is_mirrored, strict=True)
            fitted = _resized(image, [_Span.middle(*side, ratio) for side in sides], goal)
        if goal == (self.height, self.width):
            return fitted
        whole = np.zeros((self.height, self.width, self.channels), np.uint8)
        top, left = (self.height - goal[0]) // 2, (self.width - goal[1]) // 2
        whole[top : top + goal[0], left : left + goal[1]] = fitted
        return whole


@dataclass(frozen=True)
class _Span:
    """The middle of a side of an image that was decoded at a part of its size.

    Args:
        start: the first pixel to take of the decoded ones.
        stop: the pixel behind the last.
        before: how much of the first pixel lies before the span, 0 to 1.
        length: of the span, in decoded pixels.
    """

    start: int
    stop: int
    before: float
    length: float

    @classmethod
    def middle(cls, size: int, used: int, decoded: int, is_mirrored: bool, ratio: int) -> _Span:
        """Returns the span of the `used` of `size` pixels that lie in the middle.

        The decoder rounds up: its last pixel may lie partly beyond the image, its first where the side is mirrored.
        """
        start = ((size - used) // 2 + (decoded * ratio - size) * is_mirrored) / ratio
        length = used / ratio
        return cls(math.floor(start), math.ceil(start + length), start % 1, length)


_LASTING = {ENOENT, ENOTDIR, EACCES, EPERM, ELOOP, ENAMETOOLONG, EFBIG, ENOTSUP}
"""What is wrong with a file that will be wrong the next time, too."""


def _checked(header: Header) -> Header:
    """Returns the header of an image that may be decoded.

    Raises:
        ValueError: if it has no pixels, or too many.
    """
    if header.height * header.width == 0:
        raise ValueError("it has no pixels")
    if header.height * header.width > MOST_PIXELS:
        raise ValueError(f"it has {header.height}x{header.width} pixels, more than {MOST_PIXELS:,}")
    return header


def _no_image(path: Path, reason: str) -> NoImage:
    return NoImage(f"{path}: no image that can be used: {reason}", reason)


@contextmanager
def unusable() -> Iterator[None]:
    """Turns what TensorFlow says of an image that it cannot decode into a ValueError; a lack of memory stays one."""
    try:
        with untrusted.parsing():
            yield
    except untrusted.Unreadable as error:
        match error.__cause__:
            case tf.errors.ResourceExhaustedError() | MemoryError():
                raise error.__cause__ from None
            case tf.errors.OpError():
                raise ValueError(f"TensorFlow cannot read it: {_reason(error.__cause__)}") from None
        raise


def _on_white(image: Any) -> Any:
    """Returns what is seen of an image with opacity, (1, height, width, 4), before white, (1, height, width, 3)."""
    colours, opacity = tf.split(tf.cast(image, tf.int32), [3, 1], axis=-1)
    return tf.cast((colours * opacity + 255 * (255 - opacity) + 127) // 255, tf.uint8)


def _framed(image: Any, header: Header) -> Any:
    """Returns an image that is a part of what is seen, (1, height, width, channels), with the white around it."""
    sides = zip((header.height, header.width), image.shape[1:3], header.corner, strict=True)
    around = [(before, side - before - inner) for side, inner, before in sides]
    return tf.pad(image, [(0, 0), *around, (0, 0)], constant_values=255) if any(map(any, around)) else image


def _turned(image: Any, header: Header) -> Any:
    """Returns a stored image, (1, height, width, channels), as it is to be seen."""
    if header.is_transposed:
        image = tf.transpose(image, (0, 2, 1, 3))
    mirrored = [axis for axis, is_mirrored in enumerate(header.is_mirrored, start=1) if is_mirrored]
    return tf.reverse(image, mirrored) if mirrored else image


def _reason(error: Any) -> str:
    """Returns TensorFlow's own words on one line, without the places in its graph."""
    words = re.sub(r"\{\{.{,300}?\}\}+|\[Op:\w*\]", "", error.message)
    return printable(textwrap.shorten(words, 200, placeholder=" ..."))


def _resized(images: Any, spans: Sequence[_Span], goal: tuple[int, int]) -> np.ndarray:
    """Returns a part of one image at another size, (*goal, channels), uint8.

    Each side is sampled bilinearly where it grows, and averaged under a triangle as wide as two of the new pixels where
    it shrinks, by whatever factor: no pixel is stepped over.
    """
    rows, columns = spans
    images = images[:, rows.start : rows.stop, columns.start : columns.stop]
    scale = [side / span.length for side, span in zip(goal, spans, strict=True)]
    before = [-span.before * factor for span, factor in zip(spans, scale, strict=True)]
    if max(scale) > 1 and min(scale) >= 1 and not any(before):
        resized = tf.raw_ops.ResizeBilinear(images=images, size=goal, half_pixel_centers=True)
    else:
        resized = tf.raw_ops.ScaleAndTranslate(
            images=images, size=goal, scale=scale, translation=before, kernel_type="triangle", antialias=True
        )
    values = resized.numpy()
    values += 0.5
    rounded: np.ndarray = values[0].astype(np.uint8)  # a mean of bytes: never beyond 255
    return rounded
