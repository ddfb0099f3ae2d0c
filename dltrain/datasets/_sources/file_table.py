"""Files that a CSV names, with their labels and, optionally, their parts and which stretch of each is meant."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dltrain.data.size_limit import SizeLimit
from dltrain.data.splits import PART_NAMES
from dltrain.datasets._sources.delimited_file import DelimitedFile
from dltrain.errors import KeyProblem
from dltrain.registry import nearest
from dltrain.untrusted import opened

KINDS = (".csv", ".tsv", ".txt")
"""Suffixes of such tables."""

_COLUMNS = {"path_column": ("path", "file", "filename", "image"), "label_column": ("label", "class")}
_STRETCH = ("start", "end")
_MOST_NAMED = 10
"""The most lines that a message names."""


class TableRow(NamedTuple):
    """A line of a table.

    Args:
        line: its number, from 1.
        name: the file as it is written; its path once it is found.
        label: the class.
        part: train, validation or test.
        start: where in the file it begins, in seconds.
        end: where it ends; none for the file's end.
    """

    line: int
    name: str
    label: str
    part: str
    start: float = 0.0
    end: float | None = None


@dataclass(frozen=True)
class FileTable:
    """A CSV with a line per example, read whole; its first line names the columns.

    Args:
        kind: what a file is called in messages, such as image.
        suffixes: of such files, in lower case: one may be given without.
        path: the table; paths in it are relative to its folder.
        path_column: the column with the files; none for `path`, `file`, `filename` or `image`.
        label_column: the column with the labels; none for `label` or `class`.
        split_column: the column with the parts; none for `split`, if there is one.
        limit: the most that the table may have.
        has_stretches: whether the columns `start` and `end`, where they are, say which seconds of a file are meant.
        is_open: whether other parts may have classes that the train part does not have.
    """

    kind: str
    suffixes: Collection[str]
    path: Path
    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    limit: SizeLimit = SizeLimit()
    has_stretches: bool = False
    is_open: bool = False

    def class_names(self) -> tuple[str, ...]:
        """Returns the sorted labels of the train part; whole numbers are sorted as such.

        Raises:
            KeyProblem: if the table cannot be used.
        """
        return self._read().classes

    def found(self, with_missing: bool, known: tuple[str, ...] = ()) -> FoundFiles:
        """Looks for the files; opens none.

        Args:
            with_missing: whether missing files are skipped with a message; otherwise they are an error.
            known: the classes, some of which may have no example; empty for those of the train part.

        Raises:
            ValueError: as above, or if there is no such file.
        """
        rows, folder = self._read(known), os.path.abspath(self.path.parent)  # noqa: PTH100  links in it stay as they are
        each: list[TableRow] = []
        seen: dict[tuple[str, float, float | None], int] = {}
        troubles, missing = [], []
        for row in rows.each:
            line, name = row.line, row.name
            file = os.path.normpath(os.path.join(folder, name.replace("\\", "/")))  # noqa: PTH118  as many as there are
            if not os.path.isfile(file):  # noqa: PTH113
                there = self._with_suffix(file)
                if len(there) != 1:
                    none = "must be a regular file" if os.path.exists(file) else "no such file"  # noqa: PTH110
                    words = f"either of {' and '.join(there)}" if there else f"{none}: {file}"
                    missing.append(f"{self.path}:{line}: {words}")
                    continue
                file = there[0]
            stretch = file, row.start, row.end
            if stretch in seen:
                troubles.append(f"{self.path}:{line}: {name} is already in line {seen[stretch]}")
            elif not self._is_meant(file, folder):
                outside = f"is outside of the table's folder and has no {self.kind} suffix"
                troubles.append(f"{self.path}:{line}: {name} {outside}")
            seen[stretch] = line
            each.append(row._replace(name=file))
        if troubles or (missing and not with_missing):
            advice = [] if troubles else ["dataset.on_bad_example: skip leaves out missing files"]
            raise KeyProblem("path", _several(troubles or missing, advice))
        kept = {(row.part, row.label) for row in each}
        if lost := sorted({(row.part, row.label) for row in rows.each} - kept):
            raise KeyProblem(
                "path", _several([f"{self.path} has no existing {part} {self.kind} of {label}" for part, label in lost])
            )
        return FoundFiles(rows.classes, rows.present, tuple(each), tuple(missing))

    def _read(self, known: tuple[str, ...] = ()) -> _Rows:
        lines = DelimitedFile(self.path, self.limit).lines(self._places)
        header = next(lines, (1, []))[1]
        places = self._places(header)
        rows, troubles = _Rows(), []
        for line, fields in lines:
            if len(fields) != len(header):
                troubles.append(f"{self.path}:{line}: has {len(fields)} fields, line 1 has {len(header)}")
                continue
            name, label = (fields[places[key]].strip() for key in _COLUMNS)
            word = fields[places["split_column"]].strip() if "split_column" in places else "train"
            part = next((part for part, names in PART_NAMES.items() if word.lower() in names), None)
            if not name or not label:
                troubles.append(f"{self.path}:{line}: has no {'label' if name else 'file'}")
            elif part is None:
                words = [name for names in PART_NAMES.values() for name in names]
                near = nearest(word.lower(), words) or ": use train, validation or test"
                troubles.append(f"{self.path}:{line}: {word!r} is not a part{near}")
            else:
                try:
                    start, end = self._stretch(fields, places)
                except ValueError as error:
                    troubles.append(f"{self.path}:{line}: {error}")
                else:
                    rows.each.append(TableRow(line, name, label, part, start, end))
        if troubles:
            raise KeyProblem("path", _several(troubles))
        return rows.checked(self.path, self.kind, known, self.is_open)

    def _stretch(self, fields: list[str], places: dict[str, int]) -> tuple[float, float | None]:
        """Returns where in the file a line begins and ends, in seconds; none for the file's end.

        Raises:
            ValueError: if it says so, but cannot.
        """
        found = []
        for key in _STRETCH:
            text = fields[places[key]].strip() if key in places else ""
            try:
                seconds = float(text) if text else None
            except ValueError:
                seconds = math.nan
            if seconds is not None and not 0 <= seconds < math.inf:
                raise ValueError(f"{key} must be seconds from the file's beginning, such as 1.5, got {text!r}")
            found.append(seconds)
        start, end = found[0] or 0.0, found[1]
        if end is not None and end <= start:
            raise ValueError(f"end must be behind start, {start:g} s, got {end:g}")
        return start, end

    def _places(self, header: list[str]) -> dict[str, int]:
        """Returns where each column is, the split's only if there is one."""
        places = {}
        names = [name.strip().lower() for name in header]
        for key, usual in (*_COLUMNS.items(), ("split_column", ("split",))):
            given = getattr(self, key)
            wanted = [name for name in ((given.lower(),) if given else usual) if name in names]
            if wanted:
                places[key] = names.index(wanted[0])
                if names.count(wanted[0]) > 1:
                    raise KeyProblem("path", f"{self.path}:1: has two columns {wanted[0]}")
            elif given or key in _COLUMNS:
                near = given and nearest(given.lower(), names)
                near = near or next(filter(None, (nearest(name, names) for name in usual)), "")
                raise KeyProblem(
                    key if given else "path",
                    f"{self.path}:1: has no column "
                    f"{given or ' or '.join(usual)}{near}; it has {', '.join(map(repr, header)) or 'nothing'}"
                    + ("" if given else f", and {key} may name one of them"),
                )
        for key in _STRETCH if self.has_stretches else ():
            if key in names:
                places[key] = names.index(key)
                if names.count(key) > 1:
                    raise KeyProblem("path", f"{self.path}:1: has two columns {key}")
        return places

    def _with_suffix(self, file: str) -> list[str]:
        """Returns the files with the name of one that is given without suffix."""
        if os.path.splitext(file)[1].lower() in self.suffixes:  # noqa: PTH122
            return []
        return [file + suffix for suffix in sorted(self.suffixes) if os.path.isfile(file + suffix)]  # noqa: PTH113

    def _is_meant(self, file: str, folder: str) -> bool:
        """Whether a file may be opened: a stranger's table must not open other files of the machine."""
        is_below = file.startswith(os.path.join(folder, ""))  # noqa: PTH118
        return is_below or os.path.splitext(file)[1].lower() in self.suffixes  # noqa: PTH122


@dataclass(frozen=True)
class FoundFiles:
    """The files of a table that exist.

    Args:
        classes: the sorted labels of the train part; whole numbers are sorted as such.
        present: the parts that the table names.
        each: the lines, with the path of each file for its name.
        missing: a message for each file that does not exist.
    """

    classes: tuple[str, ...]
    present: tuple[str, ...]
    each: tuple[TableRow, ...]
    missing: tuple[str, ...]


def is_table(path: Path) -> bool:
    """Whether a path is that of a table, by its suffix."""
    return path.suffix.lower() in KINDS and not path.is_dir()


def names_files(path: Path, suffixes: Collection[str]) -> bool:
    """Whether a file is a table whose second line names a file of some suffix."""
    if not path.is_file() or path.suffix.lower() not in KINDS:
        return False
    with opened(path) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace") as file:
        beginning = [file.readline(10_000) for _ in range(2)]
    return any(suffix in beginning[1].lower() for suffix in suffixes)


@dataclass
class _Rows:
    """The content of a table.

    Args:
        each: every line.
        present: the parts that the table names.
        classes: the sorted labels of the train part.
    """

    each: list[TableRow] = field(default_factory=list)
    present: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def checked(self, path: Path, kind: str, known: tuple[str, ...] = (), is_open: bool = False) -> _Rows:
        """Checks the table once all lines are read, and returns it with its classes.

        Args:
            path: the table.
            kind: what a file is called.
            known: the classes; empty for those of the train part.
            is_open: whether other classes may stand in the table too.

        Raises:
            ValueError: if there are too few classes or files to train on.
        """
        if not self.each:
            raise KeyProblem("path", f"{path} names no {kind}: it has only its first line")
        found = {row.part for row in self.each}
        labels = set(known) or {row.label for row in self.each if row.part == "train"}
        if "train" not in found:
            raise KeyProblem("path", f"{path} has no line with the part train, only with {' and '.join(sorted(found))}")
        if len(labels) < 2:
            raise KeyProblem("path", f"{path} has only the class {labels.pop()} to train on: two or more are needed")
        whose = "the run" if known else "the train part"
        strange = [
            f"{path}:{row.line}: {row.label!r} is not a class of {whose}{nearest(row.label, list(labels))}"
            for row in self.each
            if row.label not in labels and not is_open
        ]
        if strange:
            raise KeyProblem("path", _several(strange))
        numbered = all(label.isdecimal() and label.isascii() for label in labels)
        classes = sorted(labels, key=lambda label: (int(label), label)) if numbered else sorted(labels)
        return _Rows(self.each, tuple(part for part in PART_NAMES if part in found), known or tuple(classes))


def _several(troubles: list[str], advice: list[str] | None = None) -> str:
    more = [f"and {len(troubles) - _MOST_NAMED:,} more"] if len(troubles) > _MOST_NAMED else []
    return "\n".join([*troubles[:_MOST_NAMED], *more, *(advice or [])])
