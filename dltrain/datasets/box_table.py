"""The user's own images with boxes in a table, a line per box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from dltrain.data.proposal import Proposal
from dltrain.data.splits import PART_NAMES
from dltrain.datasets._boxes.images import missing
from dltrain.datasets._boxes.listing import Annotated, Listing, Thing, ordered
from dltrain.datasets._boxes.proposal import of_boxes
from dltrain.datasets._boxes.source import BoxSource
from dltrain.datasets._sources.delimited_file import DelimitedFile
from dltrain.datasets._sources.file_table import KINDS, is_table
from dltrain.errors import KeyProblem
from dltrain.features._images.headers import SUFFIXES
from dltrain.registry import DATASETS, nearest

_PATH, _CLASS, _SPLIT = "path", "class", "split"
_CORNERS = ("x_min", "y_min", "x_max", "y_max")
_FLAGS = ("difficult", "crowd")
_NAMES = {
    _PATH: ("path", "file", "filename", "image", "image_path"),
    _CLASS: ("class", "label", "class_name", "name"),
    "x_min": ("x_min", "xmin", "x1", "left"),
    "y_min": ("y_min", "ymin", "y1", "top"),
    "x_max": ("x_max", "xmax", "x2", "right"),
    "y_max": ("y_max", "ymax", "y2", "bottom"),
    _SPLIT: ("split", "part", "subset"),
    "difficult": ("difficult",),
    "crowd": ("crowd", "iscrowd"),
}
"""What each column may be called, in any case."""
_NEEDED = (_PATH, _CLASS, *_CORNERS)
_WORDS = {"0": False, "false": False, "": False, "1": True, "true": True}


@DATASETS.register("box_table")
class BoxTable(BoxSource):
    """Your own images with boxes in a table (.csv, .tsv, .txt; UTF-8), a line per box.

    Its first line names the columns: `path`, the image, relative to the table's folder; `class`; `x_min`, `y_min`,
    `x_max` and `y_max`; optionally `split`, the part of the image (train, validation or test), `difficult` and `crowd`,
    0 or 1. The names that other programs have are known too (filename, label, xmin, x1). An image without an object is
    a line without class and corners. Fields are separated by commas, semicolons, tabs or bars. The names of the classes
    are sorted.

    Args:
        path: the table, relative to the config's folder.
        units: pixels, where 0 is the left edge of the first pixel, so that a box of the first ten ends at 10; or
            shares of the image, 0 to 1.
    """

    path: Path
    units: Literal["pixels", "shares"] = "pixels"

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads a table of boxes; none for others.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        make: Any = cls
        if not is_table(path) or not path.is_file():
            return None
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            names = [name.strip().strip('"').lower() for name in _split(file.readline(10_000))]
        if not all(any(name in names for name in _NAMES[key]) for key in _CORNERS):
            return None
        shares = all(
            all(0 <= each <= 1 for each in thing.box)
            for one in make(path=path).listing().parts["train"]
            for thing in one.things
        )
        more = {"units": "shares"} if shares else {}
        return of_boxes(make, path, "a line per box: path, class, x_min, y_min, x_max, y_max", more)

    def listing(self) -> Listing:
        """Returns what the lines say.

        Raises:
            KeyProblem: if the table cannot be used.
        """
        if not is_table(self.path):
            raise KeyProblem("path", f"must be a table ({', '.join(KINDS)}), got {self.path}")
        lines = DelimitedFile(self.path, self.limit).lines(self._places)
        header = next(lines, (1, []))[1]
        places = self._places(header)
        images: dict[Path, list[Thing]] = {}
        first: dict[Path, tuple[int, str]] = {}
        problems: dict[Path, list[str]] = {}
        for number, fields in lines:
            place = f"{self.path}:{number}"
            if len(fields) != len(header):
                raise KeyProblem("path", f"{place}: has {len(fields)} fields, line 1 has {len(header)}")
            line = {key: fields[at].strip() for key, at in places.items()}
            if not line[_PATH]:
                raise KeyProblem("path", f"{place}: has no file")
            image = self.path.parent / line[_PATH].replace("\\", "/")
            try:
                part = _part(line.get(_SPLIT, "train"))
                before = first.setdefault(image, (number, part))
                if before[1] != part:
                    words = f"and of the {before[1]} part in line {before[0]}"
                    raise ValueError(f"{line[_PATH]} is of the {part} part here, {words}")
                thing = self._thing(place, line)
            except ValueError as error:
                first.setdefault(image, (number, "train"))
                problems.setdefault(image, []).append(f"{place}: {error}")
                continue
            images.setdefault(image, []).extend([thing] if thing else [])
        if not first:
            raise KeyProblem("path", f"{self.path} names no image: it has only its first line")
        parts: dict[str, list[Annotated]] = {}
        for image, (number, part) in first.items():
            place = f"{self.path}:{number}"
            if not image.is_file() or not self._is_meant(image):
                found = missing(place, image.name, [image.parent])
            else:
                wrong = tuple(problems.get(image, ()))
                found = Annotated(image, place, tuple(images.get(image, ())), None, self.units == "shares", wrong)
            parts.setdefault(part, []).append(found)
        ranked = {part: parts[part] for part in PART_NAMES if part in parts}
        return Listing(ordered(self.classes, ranked), ranked)

    def _thing(self, place: str, line: Mapping[str, str]) -> Thing | None:
        """Returns the object of a line; none where it says that there is none.

        Raises:
            ValueError: if it is none.
        """
        corners = [line[key] for key in _CORNERS]
        if not line[_CLASS] and not any(corners):
            return None
        numbers = []
        for key, text in zip(_CORNERS, corners, strict=True):
            try:
                numbers.append(float(text))
            except ValueError:
                numbers.append(math.nan)
            if not math.isfinite(numbers[-1]):
                raise ValueError(f"{key} must be a number, got {text[:40]!r}; a line without an object has no corner")
        if not line[_CLASS]:
            raise ValueError("has corners, and no class")
        flags = [line.get(flag, "").lower() for flag in _FLAGS]
        if strange := [flag for flag in flags if flag not in _WORDS]:
            raise ValueError(f"difficult and crowd must be 0 or 1, got {strange[0][:40]!r}")
        x_min, y_min, x_max, y_max = numbers
        return Thing(place, line[_CLASS], (x_min, y_min, x_max, y_max), *(_WORDS[flag] for flag in flags))

    def _places(self, header: Sequence[str]) -> dict[str, int]:
        """Returns where each column is that there is.

        Raises:
            KeyProblem: if one that is needed is missing, or one is there twice.
        """
        names = [name.strip().lower() for name in header]
        found = {}
        for key, usual in _NAMES.items():
            there = [name for name in usual if name in names]
            if not there and key in _NEEDED:
                near = next(filter(None, (nearest(name, names) for name in usual)), "")
                held = ", ".join(map(repr, header)) or "nothing"
                raise KeyProblem("path", f"{self.path}:1: has no column {' or '.join(usual)}{near}; it has {held}")
            if there:
                found[key] = names.index(there[0])
                if names.count(there[0]) > 1:
                    raise KeyProblem("path", f"{self.path}:1: has two columns {there[0]}")
        return found

    def _is_meant(self, image: Path) -> bool:
        """Whether a file may be opened: a stranger's table must not open other files of the machine."""
        return image.suffix.lower() in SUFFIXES


def _part(word: str) -> str:
    """Returns the part that a word names.

    Raises:
        ValueError: if it names none.
    """
    for part, names in PART_NAMES.items():
        if word.lower() in names:
            return part
    words = [name for names in PART_NAMES.values() for name in names]
    near = nearest(word.lower(), words) or ": use train, validation or test"
    raise ValueError(f"{word!r} is not a part{near}")


def _split(line: str) -> list[str]:
    """Returns the names in a first line, whatever separates them."""
    return max((line.split(delimiter) for delimiter in ",;\t|"), key=len)
