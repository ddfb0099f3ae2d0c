"""Text files in a folder per class, optionally with folders of the parts above them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dltrain.data import PARTS
from dltrain.errors import AbsentData, KeyProblem
from dltrain.features._text.reader import SUFFIX, below

_NAMES = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test", "testing")}


def parts(root: Path) -> dict[str, dict[str, list[Path]]]:
    """Returns the files of each class of each part, classes and files sorted by name.

    Raises:
        KeyProblem: if there are no two classes to train on, or a part has another one.
    """
    folders = _folders(root)
    named = {part: name for part in PARTS for name in folders if name.lower() in _NAMES[part]}
    # Beside other folders, or with files of its own, one of such a name is a class.
    if not named or len(named) < len(folders) or not all(_folders(root / name) for name in named.values()):
        named = {"train": ""}
    if "train" not in named:
        raise KeyProblem("path", f"has the part {next(iter(named.values()))} in {root}, but no folder train beside it")
    found = {
        part: {name: below(root / folder / name) for name in _folders(root / folder)} for part, folder in named.items()
    }
    classes = [*found["train"]]
    if len(classes) < 2:
        held = f"only {classes[0]}" if classes else "none"
        words = f"needs a folder of {SUFFIX} files for each of two classes or more, found {held}"
        raise KeyProblem("path", f"{words} in {root / named['train']}")
    for part, of_class in found.items():
        for name, files in of_class.items():
            if name not in classes:
                words = f"which the train part does not have: {', '.join(classes[:10])}"
                raise KeyProblem("path", f"has the class {name} in {root / named[part]}, {words}")
            if not files and part == "train":
                raise KeyProblem("path", f"has no {SUFFIX} file in {root / named[part] / name}")
    return found


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(folder) if entry.is_dir())


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        raise AbsentData("path", f"must be a folder of a folder per class, or an archive of it: {folder}") from None
    except OSError as error:
        raise KeyProblem("path", f"cannot be read: {folder}: {error.strerror}") from None
