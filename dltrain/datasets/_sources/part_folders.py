"""Folders of the parts of data, above folders of the classes."""

from __future__ import annotations

from pathlib import Path

from dltrain.data.splits import PART_NAMES
from dltrain.datasets._images.archives import Listed
from dltrain.errors import KeyProblem
from dltrain.features._images.folders import entries, is_folder


def part_folders(root: Path | Listed) -> dict[str, str]:
    """Returns the name of the folder of each part that has one; an empty name is the root's.

    Raises:
        ValueError: if two folders are one part, or there are parts but none to train on.
    """
    there = folders(root)
    named = {part: [name for name in there if name.lower() in names] for part, names in PART_NAMES.items()}
    found = [name for names in named.values() for name in names]
    # Beside other folders, one that holds none itself is a class: of photos of trains, or of valid forms.
    if len(found) < len(there) and not any(folders(root / name) for name in found):
        return {"train": ""}
    for names in named.values():
        if len(names) > 1:
            raise KeyProblem(
                "path", f"has two folders for the same part, {names[0]} and {names[1]}, in {root}: keep one"
            )
    if found and not named["train"]:
        raise KeyProblem(
            "path",
            f"has the part {found[0]} in {root}, but no folder train beside it: "
            f"put the classes to train on into a folder train, or rename {found[0]}",
        )
    return {part: names[0] for part, names in named.items() if names} or {"train": ""}


def folders(folder: Path | Listed) -> list[str]:
    """Returns the names of the folders in a folder, sorted, without those that start with a dot."""
    if isinstance(folder, Listed):
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entry.name for entry in entries(folder) if is_folder(entry))
