"""Files in a folder per class, optionally with folders of the parts above them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dltrain.datasets._images.archives import Archive
from dltrain.datasets._sources.part_folders import folders, part_folders
from dltrain.errors import AbsentData, KeyProblem


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


@dataclass(frozen=True)
class ClassFolders:
    """The files of each class of each part.

    Args:
        root: the folder that has the classes, or the parts above them.
        below: returns the files of the right kind below a folder, sorted.
        kind: what such a file is called in messages, such as ".txt file".
        is_open: whether other parts may have classes that the train part does not have.
        advice: what to set where they have such, but may not; empty for nothing.
    """

    root: Path
    below: Callable[[Path], list[Path]]
    kind: str
    is_open: bool = False
    advice: str = ""

    def are_classes(self) -> bool:
        """Whether the files to train on lie in folders of two classes or more, at most half as many beside them."""
        top = self.root / part_folders(self.root)["train"]
        of_class = [files for name in folders(top) if (files := self.below(top / name))]
        return len(of_class) > 1 and 2 * len(self._loose(top)) <= sum(map(len, of_class))

    def beside(self) -> list[Path]:
        """Returns the files that lie in no class, such as a README.txt."""
        return [file for top in part_folders(self.root).values() for file in self._loose(self.root / top)]

    def classes(self) -> tuple[str, ...]:
        """Returns the classes of the train part, sorted.

        Raises:
            KeyProblem: if there are no two.
        """
        top = self.root / part_folders(self.root)["train"]
        found = folders(top)
        if len(found) < 2:
            held = f"only {found[0]}" if found else "none"
            words = f"needs a folder of {self.kind}s for each of two classes or more, found {held}"
            raise KeyProblem("path", f"{words} in {top}")
        return tuple(found)

    def parts(self) -> dict[str, dict[str, list[Path]]]:
        """Returns the files of each class of each part, classes and files sorted by name.

        Raises:
            KeyProblem: if there are no two classes to train on, or a part has another one that may not.
        """
        classes, found = self.classes(), dict[str, dict[str, list[Path]]]()
        for part, top in part_folders(self.root).items():
            found[part] = {name: self.below(self.root / top / name) for name in folders(self.root / top)}
            for name, files in found[part].items():
                if name not in classes and not self.is_open:
                    words = f"which the train part does not have: {', '.join(classes[:10])}"
                    advice = f"; {self.advice}" if self.advice else ""
                    raise KeyProblem("path", f"has the class {name} in {self.root / top}, {words}{advice}")
                if not files and part == "train":
                    raise KeyProblem("path", f"has no {self.kind} in {self.root / top / name}")
        return found

    def _loose(self, folder: Path) -> list[Path]:
        return [file for file in self.below(folder) if file.parent == folder]
