"""Images that a CSV names, with their labels and, optionally, their parts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dltrain.data.size_limit import SizeLimit, reason
from dltrain.data.splits import PART_NAMES
from dltrain.datasets._images.listing import Listing
from dltrain.errors import AbsentData, KeyProblem
from dltrain.features._images.headers import SUFFIXES
from dltrain.features._tables.delimited import csv_rows
from dltrain.lazy import np
from dltrain.registry import nearest
from dltrain.untrusted import Unreadable, parsing

KINDS = (".csv", ".tsv", ".txt")
"""Suffixes of such tables."""

_COLUMNS = {"path_column": ("path", "file", "filename", "image"), "label_column": ("label", "class")}
_DELIMITERS = ",;\t|"
_MOST_NAMED = 10
"""The most lines that a message names."""


@dataclass(frozen=True)
class ImageTable:
    """A CSV with a line per image, read whole; its first line names the columns.

    Args:
        path: the table; paths in it are relative to its folder.
        path_column: the column with the files; none for `path`, `file`, `filename` or `image`.
        label_column: the column with the labels; none for `label` or `class`.
        split_column: the column with the parts; none for `split`, if there is one.
        limit: the most that the table may have.
    """

    path: Path
    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    limit: SizeLimit = SizeLimit()

    def class_names(self) -> tuple[str, ...]:
        """Returns the sorted labels of the train part; whole numbers are sorted as such.

        Raises:
            KeyProblem: if the table cannot be used.
        """
        return self._read().classes

    def listed(self, with_missing: bool, known: tuple[str, ...] = ()) -> Listing:
        """Lists the images that exist.

        Args:
            with_missing: whether missing files are skipped with a message; otherwise they are an error.
            known: the classes, some of which may have no image; empty for those of the train part.

        Raises:
            ValueError: as above, or if there is no such file.
        """
        rows, folder = self._read(known), os.path.abspath(self.path.parent)  # noqa: PTH100  links in it stay as they are
        files: dict[str, list[Path]] = {part: [] for part in rows.present}
        labels: dict[str, list[int]] = {part: [] for part in rows.present}
        numbers = {name: number for number, name in enumerate(rows.classes)}
        seen: dict[str, int] = {}
        troubles, missing = [], []
        for line, name, label, part in rows.each:
            file = os.path.normpath(os.path.join(folder, name.replace("\\", "/")))  # noqa: PTH118  as many as there are
            if not os.path.isfile(file):  # noqa: PTH113
                there = _with_suffix(file)
                if len(there) != 1:
                    none = "must be a regular file" if os.path.exists(file) else "no such file"  # noqa: PTH110
                    words = f"either of {' and '.join(there)}" if there else f"{none}: {file}"
                    missing.append(f"{self.path}:{line}: {words}")
                    continue
                file = there[0]
            if file in seen:
                troubles.append(f"{self.path}:{line}: {name} is already in line {seen[file]}")
            elif not _is_meant(file, folder):
                troubles.append(f"{self.path}:{line}: {name} is outside of the table's folder and has no image suffix")
            seen[file] = line
            files[part].append(Path(file))
            labels[part].append(numbers[label])
        if troubles or (missing and not with_missing):
            advice = [] if troubles else ["dataset.on_bad_example: skip leaves out missing files"]
            raise KeyProblem("path", _several(troubles or missing, advice))
        kept = {(part, number) for part in rows.present for number in labels[part]}
        if lost := sorted({(part, label) for _, _, label, part in rows.each if (part, numbers[label]) not in kept}):
            raise KeyProblem(
                "path", _several([f"{self.path} has no existing {part} image of {label}" for part, label in lost])
            )
        parts = {part: (files[part], np.array(labels[part], np.int32)) for part in rows.present}
        return Listing(rows.classes, parts, {part: f"the {part} part of {self.path}" for part in parts}, tuple(missing))

    def _read(self, known: tuple[str, ...] = ()) -> _Rows:
        lines = self._lines()
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
                rows.each.append((line, name, label, part))
        if troubles:
            raise KeyProblem("path", _several(troubles))
        return rows.checked(self.path, known)

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
        return places

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yields the fields of each non-empty line, with its number, separated as the first line is."""
        text = self._text()
        headers = {}
        for delimiter in _DELIMITERS:
            with suppress(ValueError):  # "path";"label" is not comma-separated
                headers[delimiter] = next(_fields(text, delimiter, self.path), (1, []))[1]
        for delimiter, header in headers.items():
            try:
                self._places(header)
            except ValueError:
                continue
            return _fields(text, delimiter, self.path)
        widest = max(headers, key=lambda delimiter: len(headers[delimiter]), default=_DELIMITERS[0])
        return _fields(text, widest, self.path)

    def _text(self) -> str:
        try:
            content = self.limit.content(self.path)
        except FileNotFoundError:
            raise AbsentData("path", f"no such file: {self.path}") from None
        except OSError as error:
            raise KeyProblem("path", f"cannot be read: {self.path}: {reason(error)}") from None
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise KeyProblem("path", f"{self.path}:1: is UTF-16: save it as UTF-8")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
            raise KeyProblem(
                "path",
                f"{self.path}:{line}: the byte 0x{byte:02x} is not UTF-8, but perhaps Latin-1 or Windows-1252: "
                "save the table as UTF-8",
            ) from None
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise KeyProblem("path", f"{self.path}:{line}: is not text: it contains zero bytes")
        return text


@dataclass
class _Rows:
    """The content of a table.

    Args:
        each: line, file, label and part of every image.
        present: the parts that the table names.
        classes: the sorted labels of the train part.
    """

    each: list[tuple[int, str, str, str]] = field(default_factory=list)
    present: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def checked(self, path: Path, known: tuple[str, ...] = ()) -> _Rows:
        """Checks the table once all lines are read, and returns it with its classes.

        Args:
            path: the table.
            known: the classes; empty for those of the train part.

        Raises:
            ValueError: if there are too few classes or images to train on.
        """
        if not self.each:
            raise KeyProblem("path", f"{path} names no image: it has only its first line")
        found = {part for _, _, _, part in self.each}
        labels = set(known) or {label for _, _, label, part in self.each if part == "train"}
        if "train" not in found:
            raise KeyProblem("path", f"{path} has no line with the part train, only with {' and '.join(sorted(found))}")
        if len(labels) < 2:
            raise KeyProblem("path", f"{path} has only the class {labels.pop()} to train on: two or more are needed")
        whose = "the run" if known else "the train part"
        strange = [
            f"{path}:{line}: {label!r} is not a class of {whose}{nearest(label, list(labels))}"
            for line, _, label, _ in self.each
            if label not in labels
        ]
        if strange:
            raise KeyProblem("path", _several(strange))
        numbered = all(label.isdecimal() and label.isascii() for label in labels)
        classes = sorted(labels, key=lambda label: (int(label), label)) if numbered else sorted(labels)
        return _Rows(self.each, tuple(part for part in PART_NAMES if part in found), known or tuple(classes))


def _fields(text: str, delimiter: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    reader = csv_rows(text, delimiter)
    line = 1
    while True:
        try:
            with parsing():
                fields = next(reader, None)
        except Unreadable as error:
            raise KeyProblem("path", f"{path}:{line}: cannot be separated into fields: {error}") from None
        if fields is None:
            return
        if any(fields):
            yield line, fields
        line = reader.line_num + 1


def _with_suffix(file: str) -> list[str]:
    """Returns the images with the name of a file that is given without suffix."""
    if os.path.splitext(file)[1].lower() in SUFFIXES:  # noqa: PTH122
        return []
    return [file + suffix for suffix in sorted(SUFFIXES) if os.path.isfile(file + suffix)]  # noqa: PTH113


def _is_meant(file: str, folder: str) -> bool:
    """Whether a file may be opened: a stranger's table must not open other files of the machine."""
    return file.startswith(os.path.join(folder, "")) or os.path.splitext(file)[1].lower() in SUFFIXES  # noqa: PTH118, PTH122


def _several(troubles: list[str], advice: list[str] | None = None) -> str:
    more = [f"and {len(troubles) - _MOST_NAMED:,} more"] if len(troubles) > _MOST_NAMED else []
    return "\n".join([*troubles[:_MOST_NAMED], *more, *(advice or [])])
