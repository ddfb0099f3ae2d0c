"""Images in a folder per class, optionally with folders of the parts above them."""

from __future__ import annotations

from pathlib import Path

from dltrain.datasets._images.archives import Listed
from dltrain.datasets._images.listing import Listing
from dltrain.datasets._sources.part_folders import folders, part_folders
from dltrain.errors import KeyProblem
from dltrain.features._images.folders import entries, images_below, is_image, names_of
from dltrain.features._images.headers import SUFFIXES
from dltrain.lazy import np


def class_names(root: Path | Listed) -> tuple[str, ...]:
    """Returns the sorted names of the folders in the train part.

    Raises:
        KeyProblem: if there are fewer than two, or the parts are ambiguous.
    """
    return _classes(root / part_folders(root)["train"])


def listed(root: Path, known: tuple[str, ...] = ()) -> Listing:
    """Lists all images below the folders of the classes, in the order of their names.

    Args:
        root: the folder.
        known: the classes, some of which may have no folder; empty for those of the train part.

    Raises:
        ValueError: as above, or if a class has no image or a folder cannot be read.
    """
    of_part = {part: root / name for part, name in part_folders(root).items()}
    names = known or _classes(of_part["train"])
    others: list[str] = []
    parts = {part: _part(folder, names, others) for part, folder in of_part.items()}
    places = {part: str(folder) for part, folder in of_part.items()}
    return Listing(names, parts, places, ignored=tuple(sorted(others)))


def _classes(folder: Path | Listed, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    names = folders(folder)
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
