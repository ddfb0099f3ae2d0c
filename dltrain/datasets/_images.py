"""Image files as an array: an image is read and decoded when it is first looked at, at the trained size, and kept."""

from __future__ import annotations

import hashlib
import math
import os
import re
import textwrap
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from dltrain import cache
from dltrain.data import Examples
from dltrain.datasets._headers import read_header
from dltrain.datasets._telling import told
from dltrain.errors import DataError, printable
from dltrain.lazy import np, tf

MOST_PIXELS = 50_000_000
"""Larger images are refused before they are decoded: a file of 48 kB can hold 400 MB of pixels."""

REVISION = 3
"""Another one when the same file decodes to other pixels than before: what is kept on disk is then not believed."""


class NoImage(DataError):
    """A file holds no image that can be used, and will not the next time."""


@dataclass(frozen=True)
class Decoding:
    """How a file becomes an array.

    Args:
        height: of the result, in pixels.
        width: of the result, in pixels.
        channels: 1 for grey, 3 for red, green and blue.
        resize: crop keeps the largest centred part of the right shape; fit shows all of the image, with black beside
            it; stretch changes its shape.
        fast: decode a JPEG at a half, quarter or eighth of its size where that is still not below the trained one.
    """

    height: int
    width: int
    channels: int
    resize: Literal["crop", "fit", "stretch"]
    fast: bool

    def __call__(self, path: Path) -> np.ndarray:
        """Returns the image in a file, (height, width, channels), uint8.

        Raises:
            NoImage: if the file holds no image that can be used.
            DataError: if it cannot be read just now.
        """
        try:
            with unusable():
                return self.decoded(path.read_bytes())
        except (FileNotFoundError, PermissionError) as error:
            raise NoImage(f"{path}: no image that can be used: {error.strerror}") from None
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
        except ValueError as error:
            raise NoImage(f"{path}: no image that can be used: {error}") from None

    def decoded(self, content: bytes) -> np.ndarray:
        """Returns the image that a file's content is, (height, width, channels), uint8.

        Raises:
            ValueError, tf.errors.InvalidArgumentError: if it is none that can be used.
        """
        with tf.device("CPU:0"):
            return self._fitted(self._decoded(content))

    def _decoded(self, content: bytes) -> Any:
        """Returns an image the right way up, (1, height, width, channels)."""
        header, content = read_header(content)
        if header.height * header.width == 0:
            raise ValueError("it has no pixels")
        if header.height * header.width > MOST_PIXELS:
            raise ValueError(f"it has {header.height}x{header.width} pixels, more than {MOST_PIXELS:,}")
        channels = 1 if self.channels == 1 and header.can_be_grey else header.channels
        # The bare operations: tf.io and tf.image would add half a millisecond of Python to each image.
        if header.kind == "jpeg":
            image = tf.raw_ops.DecodeJpeg(contents=content, channels=channels, ratio=self._ratio(*header.upright))
            image = tf.raw_ops.ExpandDims(input=image, axis=0)
        elif header.kind == "webp":
            image = tf.raw_ops.DecodeWebP(contents=content)
        else:
            image = tf.expand_dims(tf.io.decode_image(content, channels=channels, expand_animations=False), 0)
        if image.shape[-1] == 4:
            image = _on_white(image)
        if image.shape[-1] > self.channels:
            image = tf.image.rgb_to_grayscale(image)
        return _turned(image, header.orientation)

    def _ratio(self, height: int, width: int) -> int:
        """Returns what the sides of a JPEG are divided by as it is decoded."""
        ratio, goals = 1, self._goals(self._used(height, width))
        while self.fast and ratio < 8 and all(side // (2 * ratio) >= goal for side, goal in goals):
            ratio *= 2
        return ratio

    def _goals(self, used: tuple[int, int]) -> list[tuple[int, int]]:
        """Returns pairs of a side's length now and in the result."""
        if self.resize != "fit":
            return list(zip(used, (self.height, self.width), strict=True))
        scale = min(self.height / used[0], self.width / used[1])
        return [(side, round(side * scale)) for side in used]

    def _used(self, height: int, width: int) -> tuple[int, int]:
        if self.resize != "crop":
            return height, width
        scale = min(height / self.height, width / self.width)
        return max(round(self.height * scale), 1), max(round(self.width * scale), 1)

    def _fitted(self, image: Any) -> np.ndarray:
        """Returns an image, (1, height, width, channels), at the height and width that are wanted."""
        size = tuple(image.shape)[1:3]
        goal, used = (self.height, self.width), self._used(*size)
        if used != size:
            top, left = (size[0] - used[0]) // 2, (size[1] - used[1]) // 2
            image = image[:, top : top + used[0], left : left + used[1]]
        if self.resize == "fit":
            goal = max(self._goals(used)[0][1], 1), max(self._goals(used)[1][1], 1)
        fitted = image.numpy()[0] if used == goal else _resized(image, used, goal)
        if goal == (self.height, self.width):
            return fitted
        whole = np.zeros((self.height, self.width, self.channels), np.uint8)
        top, left = (self.height - goal[0]) // 2, (self.width - goal[1]) // 2
        whole[top : top + goal[0], left : left + goal[1]] = fitted
        return whole


@contextmanager
def unusable() -> Iterator[None]:
    """Turns what TensorFlow says of an image that it cannot decode into a ValueError."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"TensorFlow cannot read it: {_reason(error)}") from None


def _on_white(image: Any) -> Any:
    """Returns what is seen of an image with opacity, (1, height, width, 4), before white, (1, height, width, 3)."""
    colours, opacity = tf.split(tf.cast(image, tf.int32), [3, 1], axis=-1)
    return tf.cast((colours * opacity + 255 * (255 - opacity) + 127) // 255, tf.uint8)


def _turned(image: Any, orientation: int) -> Any:
    """Returns a stored image, (1, height, width, channels), as it is to be seen.

    Args:
        image: as it is stored.
        orientation: EXIF's number: at which sides of what is seen the stored first row and first column lie.
    """
    if orientation > 4:
        image = tf.transpose(image, (0, 2, 1, 3))
    mirrored = {2: [2], 3: [1, 2], 4: [1], 6: [2], 7: [1, 2], 8: [1]}.get(orientation)
    return tf.reverse(image, mirrored) if mirrored else image


def _reason(error: Any) -> str:
    """Returns TensorFlow's own words on one line, without the places in its graph."""
    words = re.sub(r"\{\{.*?\}\}+|\[Op:\w*\]", "", error.message)
    return printable(textwrap.shorten(words, 200, placeholder=" ..."))


def _resized(images: Any, size: tuple[int, int], goal: tuple[int, int]) -> np.ndarray:
    """Returns one image at another size, by bilinear sampling, (*goal, channels), uint8."""
    if size[0] > 3 * goal[0] or size[1] > 3 * goal[1]:  # plain sampling would step over too many pixels
        resized = tf.image.resize(images, goal, antialias=True)
    else:
        resized = tf.raw_ops.ResizeBilinear(images=images, size=goal, half_pixel_centers=True)
    values = resized.numpy()
    values += 0.5
    rounded: np.ndarray = values[0].astype(np.uint8)  # a mean of bytes: never beyond 255
    return rounded


class ImageFiles(Examples):
    """Images in files, as an array of uint8 (examples, height, width, channels) that is decoded as it is read.

    Args:
        paths: the files.
        decoding: how a file becomes an array.
        keep: what was decoded once: memory and disk keep it, disk for later runs too; none decodes it each time.
    """

    def __init__(self, paths: Sequence[Path], decoding: Decoding, keep: Literal["memory", "disk", "none"]) -> None:
        self._files = _Files(tuple(paths), decoding, keep)
        self._chosen = np.arange(len(paths))

    @property
    def shape(self) -> tuple[int, ...]:
        """(examples, height, width, channels)."""
        return len(self), *self._files.image_shape

    @property
    def dtype(self) -> np.dtype:
        """uint8."""
        return np.dtype(np.uint8)

    @property
    def nbytes(self) -> int:
        """Bytes of all images, decoded."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._chosen)

    def read(self, positions: np.ndarray, seeds: np.ndarray | None = None) -> np.ndarray:
        """Returns the images at the positions, decoded: always the same."""
        return self._files.read(self._chosen[positions])

    @property
    def paths(self) -> list[Path]:
        """The file of each image."""
        return [self._files.paths[index] for index in self._chosen.tolist()]

    def headers(self) -> Iterator[tuple[int, int, str] | None]:
        """Yields height, width and kind of colour of each file, as its header has them; none where it has none."""
        for path in self.paths:
            try:
                content = path.read_bytes()
                header, _ = read_header(content)
                yield header.height, header.width, header.colours
            except (OSError, ValueError, IndexError):
                yield None

    def problems(self) -> dict[int, str]:
        """Decodes every image and returns, for the positions of those that cannot be used, why not."""
        words = f"looking for images that cannot be used among {len(self):,}"
        found = enumerate(told(words, self._files.problems(self._chosen)))
        return {place: problem for place, problem in found if problem}

    def take(self, positions: Any) -> ImageFiles:
        """Returns the images at the positions without reading them."""
        chosen = object.__new__(ImageFiles)
        chosen._files, chosen._chosen = self._files, self._chosen[positions]
        return chosen


class _Files:
    """The files behind all parts of a dataset, and what was decoded of them."""

    def __init__(self, paths: tuple[Path, ...], decoding: Decoding, keep: str) -> None:
        self.paths, self._decoding, self._keep = paths, decoding, keep
        self.image_shape = (decoding.height, decoding.width, decoding.channels)
        self._ready = np.zeros(len(paths), bool)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count(), "decode")

    @cached_property
    def _kept(self) -> np.ndarray:
        """All images, (files, height, width, channels); those that are not ready are to be decoded."""
        shape = (len(self.paths), *self.image_shape)
        return np.empty(shape, np.uint8) if self._keep == "memory" else _mapped(self._folder / "images", "u1", shape)

    @cached_property
    def _checksums(self) -> np.ndarray | None:
        """What each image on disk must sum up to, and 0 for one that is not there: a damaged file is never believed."""
        return _mapped(self._folder / "checksums", "u4", (len(self.paths),)) if self._keep == "disk" else None

    @cached_property
    def _folder(self) -> Path:
        """The folder on disk that belongs to just these files, as they are, and this way of decoding."""
        known = hashlib.sha256(repr((REVISION, self._decoding)).encode())
        for path in self.paths:
            known.update(f"{path}\0".encode(errors="surrogateescape"))
            with suppress(OSError):  # decoding will say what is wrong
                state = path.stat()
                known.update(f"{state.st_size}\0{state.st_mtime_ns}\0".encode())
        return cache.folder("images") / known.hexdigest()[:32]

    def read(self, indices: np.ndarray) -> np.ndarray:
        """Returns the images of the files at the indices.

        Raises:
            NoImage: with all those of them that cannot be used.
        """
        if self._keep == "none":
            images = np.empty((len(indices), *self.image_shape), np.uint8)

            def decode(place: int) -> None:
                images[place] = self._decoding(self.paths[indices[place]])

            self._require(decode, range(len(indices)))
            return images
        missing = indices[~self._ready[indices]]
        if len(missing):
            self._require(partial(self._fetch, self._kept), missing.tolist())
        return self._kept[indices]

    def problems(self, indices: np.ndarray) -> Iterator[str | None]:
        """Decodes the files at the indices, and yields for each why it cannot be used, or none."""
        work = self._decode_only if self._keep == "none" else partial(self._fetch, self._kept)
        for start in range(0, len(indices), 4096):  # a waiting file takes a kilobyte
            yield from self._attempted(work, indices[start : start + 4096].tolist())

    def _require(self, work: Callable[[int], None], each: Iterable[int]) -> None:
        problems = [problem for problem in self._attempted(work, each) if problem]
        if problems:
            more = [f"and {len(problems) - 10} more"] if len(problems) > 10 else []
            raise NoImage("\n".join([*problems[:10], *more, "dataset.on_bad_example: skip leaves such files out"]))

    def _attempted(self, work: Callable[[int], None], each: Iterable[int]) -> Iterator[str | None]:
        def attempt(index: int) -> str | None:
            try:
                work(index)
            except NoImage as problem:
                return str(problem)
            return None

        return self._threads.map(attempt, each)

    def _decode_only(self, index: int) -> None:
        self._decoding(self.paths[index])

    def _fetch(self, kept: np.ndarray, index: int) -> None:
        sums = self._checksums
        if sums is None or sums[index] == 0 or sums[index] != _checksum(kept[index]):
            kept[index] = self._decoding(self.paths[index])
            if sums is not None:
                sums[index] = _checksum(kept[index])
        self._ready[index] = True


def _mapped(file: Path, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns an array in a file, made of zeros if it is new; never emptied, for another run may be using it.

    Raises:
        DataError: if it cannot be written.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as opened:
            if opened.tell() < size:
                # Takes the room now: a disk that is full later would end the process at a write into the map.
                getattr(os, "posix_fallocate", lambda number, _, length: os.truncate(number, length))(
                    opened.fileno(), 0, size
                )
        return np.memmap(file, dtype, "r+", shape=shape)
    except OSError as error:
        raise DataError(f"cache: disk cannot be written to {file.parent}: {error.strerror or error}") from None


def _checksum(image: np.ndarray) -> int:
    return zlib.crc32(image.data) or 1  # 0 says that there is none
