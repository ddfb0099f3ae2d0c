"""Sounds that are given to a trained network: files, folders of them, and JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dltrain.data.request import STDIN, LineReader, Request
from dltrain.features._audio.decoding import SUFFIXES
from dltrain.features._files import files_below


@dataclass(frozen=True)
class SoundReader(LineReader):
    """Reads sound files as those of training were read; lines of standard input are their paths.

    Args:
        feature: what the sounds become.
    """

    @property
    def takes(self) -> str:
        """What may be given."""
        return f"sounds ({', '.join(SUFFIXES)}), or folders of them"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the sounds of files, of all files below folders; `-` reads their paths, one a line."""
        files = self._listed(sources)
        while piece := [*islice(files, size)]:
            yield self._request([*map(str, piece)], piece)

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the sound that a file's content is."""
        return self._request([name], [content])

    def _listed(self, sources: Sequence[str]) -> Iterator[Path]:
        for source in sources:
            if source == STDIN:
                yield from (Path(line) for each in sys.stdin if (line := each.rstrip("\n")))
            elif Path(source).is_dir():
                yield from files_below(Path(source), SUFFIXES) or [Path(source)]
            else:
                yield Path(source)
