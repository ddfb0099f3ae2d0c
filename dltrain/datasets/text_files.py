"""The user's own texts without classes, in a folder: for tasks that make their targets of the texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from dltrain.data import DataSpec
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.datasets._sources.class_folders import unpacked
from dltrain.datasets._sources.part_folders import part_folders
from dltrain.datasets._sources.proposal import held_out
from dltrain.datasets._texts.files import of_classes
from dltrain.datasets._texts.source import Texts, TextSource
from dltrain.errors import KeyProblem
from dltrain.features._text.reader import SUFFIX, DocumentReader, below, text_of
from dltrain.lazy import np
from dltrain.registry import DATASETS

_TO_LEARN = (
    "a network learns to guess hidden words of them, to be fine-tuned on fewer texts that have classes",
    "for classes, put the files into a folder per class",
)


@DATASETS.register("text_files")
class TextFiles(TextSource):
    """Your own texts without classes, .txt files in a folder and the folders below it, for `task.name: masked_lm`.

    They may be in an archive (.zip, .tar, .tar.gz and so on), which is unpacked once into ~/.cache/dltrain (or
    DLTRAIN_CACHE). Folders called train, validation (or val) and test are the parts; a part without a folder is split
    off, whole files at a time. Files are UTF-8, with or without a byte order mark. Names that start with a dot are
    ignored.

    Args:
        path: the folder or archive, relative to the config's folder.
        paragraphs: take each paragraph, up to an empty line, for a text by itself, so that less of long files is cut.
        test_fraction: share of all files held out for testing, 0 to below 1; unused if there is a test part.
        validation_fraction: share of the remaining files held out for tuning, likewise.
    """

    task: ClassVar[str] = "masked_lm"

    path: Path
    paragraphs: bool = True

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads texts; none where there are none, or they lie in a folder per class.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        if not path.is_dir() or not below(path) or of_classes(path).are_classes():
            return None
        keys: dict[str, Any] = {"path": path}
        remarks = {"path": f"a folder of {SUFFIX} files, and folders of them"}
        remarks |= held_out(keys, part_folders(path))
        found = cls(**keys).texts(None)
        count = len({place.rpartition(":")[0] for place in found.places})
        told = f"{count:,} files of {len(found.raws):,} paragraphs, without classes", *_TO_LEARN
        return Proposal(keys, remarks, told, len(found.raws), has_target=False)

    def files(self) -> list[Path]:
        """Returns all files."""
        return [file for files in self._parts().values() for file in files]

    def texts(self, like: DataSpec | None) -> Texts:
        """Returns the texts of all files, or their paragraphs.

        Raises:
            ValueError: if they cannot be used.
        """
        found = self._parts()
        raws: list[str] = []
        places: list[str] = []
        problems: list[str] = []
        of_file: list[tuple[str, range]] = []
        for part, files in found.items():
            for file in files:
                try:
                    pieces = [*self._pieces(text_of(file))]
                except ValueError as error:
                    problems.append(f"{file}: {error}")
                    continue
                of_file.append((part, range(len(raws), len(raws) + len(pieces))))
                raws += [piece for piece, _ in pieces]
                places += [f"{file}:{line}" if self.paragraphs else str(file) for _, line in pieces]
        self.refuse(problems)
        named = {
            name: np.array([place for place, (part, _) in enumerate(of_file) if part == name], np.int64)
            for name in found
        }
        chosen = self.with_drawn(named)
        rows = {
            part: np.array([row for place in files for row in of_file[place][1]], np.int64)
            for part, files in chosen.items()
        }
        return Texts(raws, None, None, places, rows, skipped=tuple(problems))

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of further texts: a file is one."""
        return DocumentReader(spec.input)

    def _pieces(self, text: str) -> list[tuple[str, int]]:
        """Returns the texts of a file, each with the line that it begins in; empty files are one empty text."""
        if not self.paragraphs or not text.strip():
            return [(text, 1)]
        found = re.finditer(r"\S(?:.|\n(?!\s*\n))*", text)
        return [(each[0].strip(), text.count("\n", 0, each.start()) + 1) for each in found]

    def _parts(self) -> dict[str, list[Path]]:
        """Returns the files of each part."""
        root = unpacked(self.path, f"a folder of {SUFFIX} files")
        found = {part: below(root / name) for part, name in part_folders(root).items()}
        if not found["train"]:
            raise KeyProblem("path", f"has no {SUFFIX} file to train on in {root}")
        return found
