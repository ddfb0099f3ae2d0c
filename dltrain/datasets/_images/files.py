"""Image files as an array: an image is read and decoded when it is first looked at, at the trained size, and kept."""

from __future__ import annotations

import hashlib
import math
import os
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from dltrain import cache
from dltrain.data import Examples
from dltrain.data.progress import with_progress
from dltrain.errors import DataError
from dltrain.features._images.decoding import REVISION, Decoding, NoImage
from dltrain.lazy import np

AT_ONCE = 8
"""Images that are opened while training, which waits for its own behind them."""
SEARCH_SECONDS = 10.0
"""How long others are looked for where one cannot be used, so that a message names them all."""
MOST_NAMED = 100
"""Files that a message names."""


class ImageFiles(Examples):
    """Images in files, as an array of uint8 (examples, height, width, channels) that is decoded as it is read.

    Args:
        paths: the files.
        decoding: how a file becomes an array.
        keep: where decoded images are kept: memory; disk, for later runs too; or none, to decode them each time.
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
        """Decodes the images at the positions, always to the same pixels."""
        return self._files.read(self._chosen[positions])

    @property
    def paths(self) -> list[Path]:
        """The file of each image."""
        return [self._files.paths[index] for index in self._chosen.tolist()]

    def problems(self) -> dict[int, str]:
        """Decodes every image; returns why some cannot be used, by position."""
        words = f"checking that {len(self):,} images can be decoded"
        found = enumerate(with_progress(words, self._files.problems(self._chosen)))
        return {place: problem for place, problem in found if problem}

    def opened(self) -> Iterator[int]:
        """Decodes all images that were not yet, a few at a time: training may be reading others."""
        waiting = self._files.unopened(self._chosen)
        for start in range(0, len(waiting), AT_ONCE):
            self._files.open(waiting[start : start + AT_ONCE])
            yield len(self) - len(waiting) + min(start + AT_ONCE, len(waiting))

    def take(self, positions: Any) -> ImageFiles:
        """Returns the images at the positions without reading them."""
        chosen = object.__new__(ImageFiles)
        chosen._files, chosen._chosen = self._files, self._chosen[positions]
        return chosen


class _Files:
    """The files of all parts of a dataset, and the images decoded so far."""

    def __init__(self, paths: tuple[Path, ...], decoding: Decoding, keep: str) -> None:
        self.paths, self._decoding, self._keep = paths, decoding, keep
        self.image_shape = (decoding.height, decoding.width, decoding.channels)
        self._ready = np.zeros(len(paths), bool)
        self._opened = np.zeros(len(paths), bool)
        self._problems: dict[int, str] = {}

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
        """The checksum of each image on disk, 0 for a missing one: a damaged file is never used."""
        return _mapped(self._folder / "checksums", "u4", (len(self.paths),)) if self._keep == "disk" else None

    @cached_property
    def _folder(self) -> Path:
        """The folder on disk for exactly these versions of the files and this way of decoding."""
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
            NoImage: with all files that cannot be used.
        """
        if self._keep == "none":
            images = np.empty((len(indices), *self.image_shape), np.uint8)

            places: dict[int, list[int]] = {}
            for place, index in enumerate(indices.tolist()):
                places.setdefault(index, []).append(place)

            def decode(index: int) -> None:
                images[places[index]] = self._decoding(self.paths[index])

            self._require(decode, places)
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

    def unopened(self, indices: np.ndarray) -> np.ndarray:
        """Returns those of the indices whose files were never decoded."""
        return indices[~self._opened[indices]]

    def open(self, indices: np.ndarray) -> None:
        """Decodes the files at the indices.

        Raises:
            NoImage: as `read`.
        """
        self._require(self._decode_only if self._keep == "none" else partial(self._fetch, self._kept), indices.tolist())

    def _require(self, work: Callable[[int], None], each: Iterable[int]) -> None:
        if any([*self._attempted(work, each)]):
            self._search()
            raise NoImage(self._words())

    def _search(self) -> None:
        """Opens the files that were not opened yet, for some seconds."""
        end = time.monotonic() + SEARCH_SECONDS
        waiting = self.unopened(np.arange(len(self.paths)))
        work = self._decode_only if self._keep == "none" else partial(self._fetch, self._kept)
        for start in range(0, len(waiting), 64):
            if time.monotonic() > end:
                return
            list(self._attempted(work, waiting[start : start + 64].tolist()))

    def _words(self) -> str:
        """Returns which files cannot be used, as far as that is known, and how the others are found."""
        bad, unopened = self._problems, int(np.count_nonzero(~self._opened))
        lines = [bad[index] for index in sorted(bad)[:MOST_NAMED]]
        total = f"{len(bad):,} of {len(self.paths):,} images cannot be used"
        is_all = not unopened and len(bad) <= MOST_NAMED
        if unopened:
            total += f"; {unopened:,} were not opened yet"
        if not is_all:
            total += "; to name all, type: dltrain inspect CONFIG dataset.on_bad_example=skip"
        return "\n".join([*lines, total, "dataset.on_bad_example: skip leaves such files out"])

    def _attempted(self, work: Callable[[int], None], each: Iterable[int]) -> Iterator[str | None]:
        def attempt(index: int) -> str | None:
            try:
                work(index)
            except NoImage as problem:
                self._problems[index] = str(problem)
            self._opened[index] = True
            return self._problems.get(index)

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
    """Maps an array in a file, made of zeros if it is new; never emptied, for another run may be using it.

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
