"""Text files in a folder per class."""

from __future__ import annotations

from pathlib import Path

from dltrain.datasets._sources.class_folders import ClassFolders
from dltrain.features._text.reader import SUFFIX, below


def of_classes(root: Path) -> ClassFolders:
    """Returns the text files of each class below a folder."""
    return ClassFolders(root, below, f"{SUFFIX} file")
