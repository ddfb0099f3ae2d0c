"""The user's own images with boxes in text files, as YOLO has them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from dltrain.data.feature import shortened
from dltrain.data.proposal import Proposal
from dltrain.data.size_limit import reason
from dltrain.datasets._boxes.images import missing
from dltrain.datasets._boxes.listing import Annotated, Listing, Thing
from dltrain.datasets._boxes.proposal import of_boxes
from dltrain.datasets._boxes.source import BoxSource
from dltrain.errors import AbsentData, KeyProblem
from dltrain.features._images.folders import images_below
from dltrain.registry import DATASETS
from dltrain.untrusted import Unreadable, content, parsing

_MOST_BYTES = 2**20
"""Of the YAML: it holds names and paths."""
_KEYS = {"train": "train", "validation": "val", "test": "test"}
_IMAGES, _LABELS = "images", "labels"
_YAML = (".yaml", ".yml")


@DATASETS.register("yolo")
class YOLO(BoxSource):
    """Your own images with boxes as YOLO has them: images/train/1.jpg, labels/train/1.txt, and a YAML that names both.

    The YAML (Ultralytics' data.yaml) has `names`, the classes by their numbers; `train`, and optionally `val` and
    `test`: folders of images, or .txt files with one image a line, relative to its `path`, else to the YAML's folder. A
    part that it does not name is split off. The boxes of images/a/1.jpg are in labels/a/1.txt, a line each: the class's
    number, and x and y of the centre, width and height, as shares of the image. A line of a class and three points or
    more is the outline of an object, of which the box is taken. An image without such a file has no object.

    Args:
        path: the YAML, or a folder that has one, relative to the config's folder.
    """

    path: Path

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads such a YAML, or a folder with one; none for others.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        make: Any = cls
        files = _yaml_in(path) if path.is_dir() else [path] if path.suffix.lower() in _YAML and path.is_file() else []
        is_such = any({"names", "train"} <= {*_mapping(file)} for file in files)
        return of_boxes(make, path, "the data's YAML, or a folder that has it") if is_such else None

    def listing(self) -> Listing:
        """Returns what YAML and text files say.

        Raises:
            KeyProblem: if the YAML cannot be used.
        """
        said = self._said
        names = self._names(said.get("names"))
        count = said.get("nc")
        if count is not None and count != len(names):
            raise KeyProblem("path", f"{self._file}: nc is {shortened(count)}, but names are {len(names)}")
        parts = {}
        unlabelled, outlines = list[str](), list[str]()
        for part, key in _KEYS.items():
            if (given := said.get(key)) is None:
                if part == "train":
                    raise KeyProblem("path", f"{self._file}: must have train, the folder of images to train on")
                continue
            each = [self._annotated(image, place, names, outlines) for image, place in self._images(key, given)]
            unlabelled += [str(one.image) for one in each if not Path(one.place).is_file() and not one.problems]
            parts[part] = each
        noticed = {"images have no file of labels, and count as images without an object": unlabelled,
                   "images have objects given by outlines, of which the boxes are taken": outlines}  # fmt: skip
        classes = self.classes or tuple(names[number] for number in sorted(names))
        return Listing(classes, parts, noticed={words: places for words, places in noticed.items() if places})

    @cached_property
    def _file(self) -> Path:
        if self.path.is_file():
            return self.path
        if not self.path.is_dir():
            raise AbsentData("path", f"must be the data's YAML, or a folder that has one: {self.path}")
        found = [file for file in _yaml_in(self.path) if {"names", "train"} <= {*_mapping(file)}]
        if len(found) != 1:
            held = ", ".join(file.name for file in found) or "none"
            raise KeyProblem("path", f"must have one YAML with names and train, found {held} in {self.path}")
        return found[0]

    @cached_property
    def _said(self) -> dict[str, Any]:
        try:
            with parsing():
                said = yaml.safe_load(content(self._file, _MOST_BYTES))
        except OSError as error:
            raise KeyProblem("path", f"{self._file}: cannot be read: {reason(error)}") from None
        except Unreadable as error:
            mark = getattr(error.__cause__, "problem_mark", None)
            line = f":{mark.line + 1}" if mark is not None else ""
            raise KeyProblem("path", f"{self._file}{line}: is no YAML: {error}") from None
        if not isinstance(said, dict):
            raise KeyProblem("path", f"{self._file}: must have names and train, got {shortened(said)}")
        return said

    def _names(self, given: Any) -> dict[int, str]:
        """Returns the classes by their numbers."""
        found = dict(enumerate(given)) if isinstance(given, list) else given
        if not isinstance(found, dict) or not found:
            words = f"names must be the classes, a list, or numbers and names; got {shortened(given)}"
            raise KeyProblem("path", f"{self._file}: {words}")
        for number, name in found.items():
            if isinstance(number, bool) or not isinstance(number, int) or number < 0:
                raise KeyProblem("path", f"{self._file}: names must have whole numbers from 0, got {shortened(number)}")
            if not isinstance(name, str) or [*found.values()].count(name) > 1:
                what = "there twice" if isinstance(name, str) else "no text: write it in quotes"
                raise KeyProblem("path", f"{self._file}: the name {shortened(name)} of class {number} is {what}")
        return found

    def _images(self, key: str, given: Any) -> Iterator[tuple[Path, str]]:
        """Yields the images of a part, and where each is named."""
        for each in given if isinstance(given, list) else [given]:
            if not isinstance(each, str):
                raise KeyProblem("path", f"{self._file}: {key} must be a folder or a .txt, got {shortened(each)}")
            place = self._found(key, each)
            if place.is_dir():
                files = sorted(images_below(place, []))
                if not files:
                    raise KeyProblem("path", f"{self._file}: {key} names {place}, which has no image")
                yield from ((Path(file), file) for file in files)
                continue
            for number, line in enumerate(self._text(place).splitlines(), 1):
                if line.strip():
                    yield place.parent / line.strip(), f"{place}:{number}"

    def _found(self, key: str, given: str) -> Path:
        """Returns the folder or list that a key names."""
        top = self._said.get("path", "")
        root = self._file.parent
        tops = [root / top, root] if isinstance(top, str) else [root]
        # Roboflow's exports say ../train/images of what lies beside the YAML.
        tried = list(dict.fromkeys([each / name for each in tops for name in (given, given.removeprefix("../"))]))
        for each in tried:
            if each.exists():
                return each
        raise KeyProblem("path", f"{self._file}: {key} names {given!r}; there is no {' and no '.join(map(str, tried))}")

    def _annotated(self, image: Path, place: str, names: Mapping[int, str], outlines: list[str]) -> Annotated:
        """Returns an image with what its labels say; adds their file to the others that have outlines."""
        if not image.is_file():
            return missing(place, image.name, [image.parent])
        file = labels_of(image)
        if not file.is_file():
            return Annotated(image, str(file), are_shares=True)
        things, problems = [], []
        try:
            text = self._text(file)
        except KeyProblem as error:
            return Annotated(image, str(file), problems=(error.words,))
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            try:
                things.append(self._thing(f"{file}:{number}", line.split(), names))
            except ValueError as error:
                problems.append(f"{file}:{number}: {error}")
        if any(len(line.split()) > 5 for line in text.splitlines()) and not problems:
            outlines.append(str(file))
        return Annotated(image, str(file), tuple(things), are_shares=True, problems=tuple(problems))

    def _thing(self, place: str, words: Sequence[str], names: Mapping[int, str]) -> Thing:
        is_outline = len(words) >= 7 and len(words) % 2 == 1
        if len(words) != 5 and not is_outline:
            wanted = "must be 5 numbers: class, x and y of the centre, width, height"
            raise ValueError(f"{wanted}; got {len(words)}: {' '.join(words)[:80]!r}")
        numbers = []
        for word in words:
            try:
                numbers.append(float(word))
            except ValueError:
                numbers.append(math.nan)
            if not math.isfinite(numbers[-1]):
                raise ValueError(f"must be numbers, got {word[:40]!r}")
        number, *rest = numbers
        if number not in names:
            known = ", ".join(f"{key} {name}" for key, name in sorted(names.items())[:10])
            raise ValueError(f"no class has the number {words[0]}: the classes are {known}")
        if any(abs(each) > 2 for each in rest):
            shown = " ".join(words[1:])[:80]
            raise ValueError(f"must be shares of the image, 0 to 1, got {shown!r}: are these pixels?")
        if is_outline:
            xs, ys = rest[::2], rest[1::2]
            return Thing(place, names[int(number)], (min(xs), min(ys), max(xs), max(ys)))
        x, y, width, height = rest
        if width <= 0 or height <= 0:
            raise ValueError(f"the box has no area: its width is {width:g}, its height {height:g}")
        return Thing(place, names[int(number)], (x - width / 2, y - height / 2, x + width / 2, y + height / 2))

    def _text(self, file: Path) -> str:
        try:
            return self.limit.content(file).decode("utf-8-sig")
        except OSError as error:
            raise KeyProblem("path", f"{file}: cannot be read: {reason(error)}") from None
        except UnicodeDecodeError as error:
            raise KeyProblem("path", f"{file}: must be UTF-8: {error.reason}") from None


def labels_of(image: Path) -> Path:
    """Returns where the boxes of an image are: its path, with the last `images` in it made `labels`."""
    parts = [*image.parent.parts]
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] == _IMAGES:
            parts[place] = _LABELS
            break
    return Path(*parts, f"{image.stem}.txt")


def _yaml_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _YAML)


def _mapping(file: Path) -> dict[str, Any]:
    """Returns what a YAML says; nothing where it is none."""
    try:
        with parsing():
            said = yaml.safe_load(content(file, _MOST_BYTES))
    except (OSError, Unreadable):
        return {}
    return said if isinstance(said, dict) else {}
