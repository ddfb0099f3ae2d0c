"""Which image files there are, what they show and which part of the dataset they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dltrain.lazy import np

PARTS = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test", "testing")}
"""What each part may be called, in capitals or not."""


@dataclass(frozen=True)
class Listing:
    """The image files of a dataset, none of them opened yet.

    Args:
        class_names: the classes, in the order of their labels.
        parts: files and labels, (files,), int32, of each part that the source has of its own; `train` is all else.
        places: where the images of each part are, as a message says it.
        skipped: a message for each file that was left out.
        ignored: files of other kinds beside the images.
    """

    class_names: tuple[str, ...]
    parts: Mapping[str, tuple[list[Path], np.ndarray]]
    places: Mapping[str, str]
    skipped: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def where(self, part: str, label: int) -> str:
        """Returns where the images of a class in a part are, as a message says it."""
        return f"of the class {self.class_names[label]} in {self.places[part]}"
