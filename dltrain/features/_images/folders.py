"""The image files below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dltrain.errors import KeyProblem
from dltrain.features._images.headers import SUFFIXES


def names_of(file: str) -> list[str]:
    """Returns the names on the way to a file."""
    return file.split(os.sep)  # noqa: PTH206


def images_below(folder: Path, others: list[str]) -> list[str]:
    """Returns the images; what else there is goes to the others."""
    found: list[str] = []
    waiting = [str(folder)] if folder.is_dir() else []
    while waiting:
        for entry in entries(Path(waiting.pop())):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            else:
                (found if is_image(entry) else others).append(entry.path)
    return found


def is_image(entry: os.DirEntry[str]) -> bool:
    """Whether a file is called like an image."""
    return os.path.splitext(entry.name)[1].lower() in SUFFIXES  # noqa: PTH122  a Path each would take the longer time


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one; a link without end is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yields what is in a folder and not called .something."""
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise KeyProblem("path", f"cannot be read: {folder}: {error.strerror}") from None
