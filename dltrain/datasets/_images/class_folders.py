"""Images in a folder per class, optionally with folders of the parts above them."""

from __future__ import annotations

from pathlib import Path

from dltrain.data.splits import PART_NAMES
from dltrain.datasets._images.archives import Listed
from dltrain.datasets._images.listing import Listing
from dltrain.errors import KeyProblem
from dltrain.features._images.folders import entries, images_below, is_folder, is_image, names_of
from dltrain.features._images.headers import SUFFIXES
from dltrain.lazy import np


def class_names(root: Path | Listed) -> tuple[str, ...]:
    """Returns the sorted names of the folders in the train part.

    Raises:
        KeyProblem: if there are fewer than two, or the parts are ambiguous.
    """
    return _classes(root / _parts(root)["train"])


def listed(root: Path, known: tuple[str, ...] = ()) -> Listing:
    """Lists all images below the folders of the classes, in the order of their names.

    Args:
        root: the folder.
        known: the classes, some of which may have no folder; empty for those of the train part.

    Raises:
        ValueError: as above, or if a class has no image or a folder cannot be read.
    """
    folders = {part: root / name for part, name in _parts(root).items()}
    names = known or _classes(folders["train"])
    others: list[str] = []
    parts = {part: _part(folder, names, others) for part, folder in folders.items()}
    places = {part: str(folder) for part, folder in folders.items()}
    return Listing(names, parts, places, ignored=tuple(sorted(others)))


def _parts(root: Path | Listed) -> dict[str, str]:
    """Returns the name of the folder of each part that has one; an empty name is the root's.

    Raises:
        ValueError: if two folders are one part, or there are parts but none to train on.
    """
    folders = _folders(root)
    named = {part: [name for name in folders if name.lower() in names] for part, names in PART_NAMES.items()}
    found = [name for names in named.values() for name in names]
    # Beside other folders, one that holds none itself is a class: of photos of trains, or of valid forms.
    if len(found) < len(folders) and not any(_folders(root / name) for name in found):
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


def _folders(folder: Path | Listed) -> list[str]:
    if isinstance(folder, Listed):
        return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entry.name for entry in entries(folder) if is_folder(entry))


def _classes(folder: Path | Listed, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    names = _folders(folder)
    if len(names) < (1 if known else 2):
        held = f"only {names[0]}" if names else "none"
        message = f"needs a folder of images for each of two classes or more, found {held} in {folder}"
        loose = 0 if isinstance(folder, Listed) else sum(is_image(entry) for entry in entries(folder))
        if loose:
            message += f", beside {loose:,} images in no such folder; or name the images in a .csv of files and labels"
        elif not names and not isinstance(folder, Listed) and not any(entries(folder)):
            message += ", which is empty"
        raise KeyProblem("path", message)
    return tuple(names)


def _part(folder: Path, names: tuple[str, ...], others: list[str]) -> tuple[list[Path], np.ndarray]:
    if foreign := sorted(set(_classes(folder, names)) - set(names)):
        few = ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
        raise KeyProblem("path", f"has the class {foreign[0]} in {folder}, which the train part does not have: {few}")
    paths: list[Path] = []
    counts = []
    empty = []
    for name in names:
        # As paths are sorted, by the names on the way to a file; a Path each would take three times as long.
        files = sorted(images_below(folder / name, others), key=names_of)
        if not files and (folder / name).is_dir():
            empty.append(str(folder / name))
        paths += map(Path, files)
        counts.append(len(files))
    if empty:
        raise KeyProblem("path", f"has no image in {', '.join(empty)}: expected {', '.join(sorted(SUFFIXES))}")
    return paths, np.repeat(np.arange(len(names), dtype=np.int32), counts)
