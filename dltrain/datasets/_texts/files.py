"""Text files in a folder per class, optionally with folders of the parts above them."""

from __future__ import annotations

from pathlib import Path

from dltrain.datasets._images.archives import Archive
from dltrain.datasets._sources.part_folders import folders, part_folders
from dltrain.errors import AbsentData, KeyProblem
from dltrain.features._text.reader import SUFFIX, below


def unpacked(path: Path, what: str) -> Path:
    """Returns a folder, or that into which an archive of it was unpacked.

    Args:
        path: the folder or archive.
        what: what it must be, for the message.

    Raises:
        AbsentData: if nothing is there, or something else.
    """
    if path.is_file():
        return Archive(path).unpacked()
    if not path.is_dir():
        raise AbsentData("path", f"must be {what}, or an archive of it: {path}")
    return path


def are_classes(root: Path) -> bool:
    """Whether the files to train on lie in folders of two classes or more, at most half as many beside them."""
    top = root / part_folders(root)["train"]
    of_class = [files for name in folders(top) if (files := below(top / name))]
    return len(of_class) > 1 and 2 * len(_loose(top)) <= sum(map(len, of_class))


def beside_classes(root: Path) -> list[Path]:
    """Returns the text files that lie in no class, such as a README.txt."""
    return [file for top in part_folders(root).values() for file in _loose(root / top)]


def _loose(folder: Path) -> list[Path]:
    found = (file for file in folder.iterdir() if file.suffix.lower() == SUFFIX and not file.name.startswith("."))
    return sorted(file for file in found if file.is_file())


def parts(root: Path) -> dict[str, dict[str, list[Path]]]:
    """Returns the files of each class of each part, classes and files sorted by name.

    Raises:
        KeyProblem: if there are no two classes to train on, or a part has another one.
    """
    named = part_folders(root)
    found = {part: {name: below(root / top / name) for name in folders(root / top)} for part, top in named.items()}
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
