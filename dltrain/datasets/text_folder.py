"""The user's own texts, in a folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from dltrain.data import DataSpec
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.datasets._sources.class_folders import unpacked
from dltrain.datasets._sources.proposal import held_out
from dltrain.datasets._texts.files import of_classes
from dltrain.datasets._texts.source import Texts, TextSource
from dltrain.errors import KeyProblem
from dltrain.features._text.reader import SUFFIX, DocumentReader, below, text_of
from dltrain.features.class_label import ClassLabel
from dltrain.lazy import np
from dltrain.registry import DATASETS

_SHOWN = 6
"""Files in no class that are named."""


@DATASETS.register("text_folder")
class TextFolder(TextSource):
    """Your own texts, a .txt file each, in a folder per class: path/good/1.txt, path/bad/2.txt.

    These folders may be in an archive (.zip, .tar, .tar.gz and so on), which is unpacked once into ~/.cache/dltrain (or
    DLTRAIN_CACHE). Folders called train, validation (or val) and test, with a folder per class in each, are the parts;
    a part without a folder is split off. Files are UTF-8, with or without a byte order mark. Names that start with a
    dot are ignored.

    Args:
        path: the folder or archive, relative to the config's folder.
        test_fraction: share of all texts held out for testing, 0 to below 1, stratified by class; unused if there is a
            test part.
        validation_fraction: share of the remaining texts held out for tuning, likewise.
    """

    task: ClassVar[str] = "classification"

    path: Path

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads texts; none where there are none in folders.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        if not path.is_dir() or not below(path) or not of_classes(path).are_classes():
            return None
        found = of_classes(path).parts()
        counts = {name: sum(len(of_class.get(name, ())) for of_class in found.values()) for name in found["train"]}
        keys: dict[str, Any] = {"path": path}
        remarks = {"path": f"a folder of {SUFFIX} files per class"} | held_out(keys, found)
        examples = sum(counts.values())
        told = [f"{examples:,} texts of {len(counts)} classes"]
        for part in ("validation", "test"):
            if lacking := [name for name in counts if part in found and not found[part].get(name)]:
                few = ", ".join(lacking[:_SHOWN])
                told.append(f"no text in the {part} part: {few}; a folder of texts without a class must be moved away")
        if loose := of_classes(path).beside():
            names = ", ".join(str(file.relative_to(path)) for file in loose[:_SHOWN])
            more = f" and {len(loose) - _SHOWN:,} more" if len(loose) > _SHOWN else ""
            told.append(f"not used, as they are in no class: {names}{more}")
        return Proposal(keys, remarks, tuple(told), examples, counts)

    def files(self) -> list[Path]:
        """Returns all files of all classes."""
        return [
            file for of_class in of_classes(self._root).parts().values() for some in of_class.values() for file in some
        ]

    def texts(self, like: DataSpec | None) -> Texts:
        """Returns the texts of all files, with the classes of their folders.

        Raises:
            ValueError: if they cannot be used.
        """
        found = of_classes(self._root).parts()
        classes = tuple(found["train"]) if like is None else like.target.class_names
        raws: list[str] = []
        labels: list[int] = []
        places: list[str] = []
        problems: list[str] = []
        positions: dict[str, list[int]] = {part: [] for part in found}
        for part, of_class in found.items():
            for name, files in of_class.items():
                if name not in classes:
                    raise KeyProblem("path", f"has a class that the run does not know: {name!r} ({', '.join(classes)})")
                for file in files:
                    try:
                        raws.append(text_of(file))
                    except ValueError as error:
                        problems.append(f"{file}: {error}")
                        continue
                    positions[part].append(len(places))
                    labels.append(classes.index(name))
                    places.append(str(file))
        self.refuse(problems)
        targets, target = np.array(labels, np.int32), ClassLabel(class_names=classes)
        chosen = {part: np.array(rows, np.int64) for part, rows in positions.items()}
        chosen = self.with_drawn(chosen, target, targets)
        return Texts(raws, target, targets, places, chosen, skipped=tuple(problems))

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of further texts: a file is one."""
        return DocumentReader(spec.input)

    @property
    def _root(self) -> Path:
        return unpacked(self.path, "a folder of a folder per class")
