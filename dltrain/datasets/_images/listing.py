"""The list of image files, with their classes and their parts of the dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dltrain.lazy import np


@dataclass(frozen=True)
class Listing:
    """The image files of a dataset, none of them opened yet.

    Args:
        class_names: the classes, in the order of their labels.
        parts: files and labels, (files,), int32, of each part in the source; `train` has the rest.
        places: the location of each part's images, for messages.
        skipped: a message for each skipped file.
        ignored: files that are not images.
    """

    class_names: tuple[str, ...]
    parts: Mapping[str, tuple[list[Path], np.ndarray]]
    places: Mapping[str, str]
    skipped: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def where(self, part: str, label: int) -> str:
        """Returns the location of a class's images in a part, for messages."""
        return f"of the class {self.class_names[label]} in {self.places[part]}"
