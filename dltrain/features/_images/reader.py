"""Images that are given to a trained network: files, folders, and images as JSON."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dltrain.data.request import Request
from dltrain.features._arrays import reader as arrays
from dltrain.features._arrays.reader import ArrayReader
from dltrain.features._images.encoding import ImageEncoding
from dltrain.features._images.folders import images_below, names_of
from dltrain.features._images.headers import SUFFIXES
from dltrain.lazy import np


@dataclass(frozen=True)
class ImageReader(ArrayReader):
    """Reads image files as those of training were read, several at a time; and arrays.

    Args:
        encoding: how images are stored.
        limit: the most that a file of arrays may have that is read into memory.
    """

    encoding: ImageEncoding

    @property
    def takes(self) -> str:
        """What may be given."""
        return f"images ({', '.join(sorted(SUFFIXES))}), folders of them, or {super().takes}"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields images, decoded while the ones before are looked at; `-` reads their paths, one a line.

        A folder gives all images below it, sorted by the names on the way to them.
        """
        is_listed = arrays.STDIN not in sources
        files = self._listed(arrays.named(sources))
        total = None
        if is_listed:
            files = iter(every := list(files))
            total = None if any(_is_array(file) for file in every) else len(every)
        with ThreadPoolExecutor(os.cpu_count(), "decode") as threads:
            waiting = None
            for is_array, group in itertools.groupby(files, _is_array):
                if is_array:
                    if waiting:
                        yield self._decoded(*waiting, total)
                        waiting = None
                    for file in group:
                        yield from map(self._whole, self._file(file, size))
                    continue
                for piece in _pieces(group, size):
                    begun = piece, [threads.submit(self._image, Path(file)) for file in piece]
                    if waiting:
                        yield self._decoded(*waiting, total)
                    waiting = begun
            if waiting:
                yield self._decoded(*waiting, total)

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the image that a file's content is, or the examples of an .npy file."""
        if _is_array(name):
            return self._whole(super().read_file(name, content))
        try:
            return Request([name], self.encoding.value(content)[np.newaxis], metadata=self._places([content]))
        except ValueError as error:
            return self._unusable(name, error)

    def _listed(self, sources: Iterator[str]) -> Iterator[str]:
        for source in sources:
            if Path(source).is_dir():
                found = sorted(images_below(Path(source), []), key=names_of)
                yield from found or [source]
            else:
                yield source

    def _image(self, path: Path) -> np.ndarray | str:
        """Returns the image in a file, or what is wrong with it."""
        try:
            return self.encoding.value(path)
        except ValueError as error:
            return str(error)

    def _decoded(self, files: Sequence[str], begun: Sequence[Any], total: int | None) -> Request:
        results = [future.result() for future in begun]
        problems = {index: each for index, each in enumerate(results) if isinstance(each, str)}
        images = [each for each in results if not isinstance(each, str)]
        usable = [Path(file) for index, file in enumerate(files) if index not in problems]
        return Request(files, self.encoding.joined(images), problems, total, self._places(usable))

    def _places(self, raws: Sequence[Path | bytes]) -> dict[str, Any]:
        """Returns where in images that can be used their arrays lie; empty where nobody asks."""
        return self.encoding.places(map(self.encoding.size, raws)) if self.encoding.with_places else {}

    def _whole(self, request: Request) -> Request:
        """Returns arrays with where in an image they lie: they are all of it."""
        if not self.encoding.with_places:
            return request
        return replace(request, metadata=self.encoding.places([self.encoding.bare_size] * len(request.inputs)))


def _is_array(file: str) -> bool:
    return file.lower().endswith(arrays.SUFFIXES)


def _pieces(items: Iterator[str], size: int) -> Iterator[tuple[str, ...]]:
    while piece := tuple(itertools.islice(items, size)):
        yield piece
