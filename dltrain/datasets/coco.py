"""The user's own images with boxes, annotated in JSON as COCO is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dltrain.data.feature import shortened
from dltrain.data.proposal import Proposal
from dltrain.data.size_limit import SizeLimit, reason
from dltrain.data.splits import PART_NAMES
from dltrain.datasets._boxes.images import missing
from dltrain.datasets._boxes.listing import Annotated, Listing, Thing
from dltrain.datasets._boxes.proposal import of_boxes
from dltrain.datasets._boxes.source import BoxSource
from dltrain.datasets._sources.class_folders import unpacked
from dltrain.errors import AbsentData, KeyProblem
from dltrain.registry import DATASETS
from dltrain.untrusted import Unreadable, parsing

_LISTS = ("images", "annotations", "categories")


@DATASETS.register("coco")
class COCO(BoxSource):
    """Your own images with boxes in a JSON file as COCO has it: lists of images, annotations and categories.

    T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", 2014. `path` is the file, or a folder (or an archive
    of it) whose files say by their names, or by those of their folders, which part they are:
    annotations/instances_train2017.json, valid/_annotations.coco.json. A part without a file is split off.

    A box is x, y, width and height in pixels, from 0. The classes are the categories in the order of their ids, which
    may begin anywhere and have gaps. Crowds (iscrowd) are not trained on as objects; images without an annotation are
    examples without an object. Segmentations are not read.

    Args:
        path: the file, folder or archive, relative to the config's folder.
        validation: the file of the validation part; none for what the folder has, else a share that is split off.
        test: likewise of the test part.
        images: the folder of the images; none to look beside the file, in a folder of the part (train2017), and in
            images.
    """

    path: Path
    validation: Path | None = None
    test: Path | None = None
    images: Path | None = None

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads such a file or folder; none for others.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        make: Any = cls
        if path.is_dir():
            is_such = any(_is_annotations(file) for file in _json_below(path))
        else:
            is_such = path.suffix.lower() == ".json" and _is_annotations(path)
        words = "a .json as COCO has it, or a folder of such"
        return of_boxes(make, path, words) if is_such else None

    def listing(self) -> Listing:
        """Returns what the files say.

        Raises:
            KeyProblem: if there are none, or one is no such file.
        """
        files = {part: _File.read(path, self.limit) for part, path in self._files.items()}
        known = files["train"].names
        names = self.classes or tuple(known)
        for part, file in files.items():
            if strange := [name for name in file.used if name not in names]:
                whose = "dataset.classes" if self.classes else "the train part"
                words = f"{file.path}: has the category {strange[0]!r}, which {whose} does not have: "
                raise KeyProblem("path", f"{words}{', '.join(names[:10])} ({part} part)")
        parts = {part: file.annotated(self._folders(part, file.path)) for part, file in files.items()}
        return Listing(names, parts, tuple(words for file in files.values() for words in file.lost))

    def _folders(self, part: str, file: Path) -> list[Path]:
        """Returns where images of a part may be."""
        if self.images is not None:
            return [self.images]
        root = self._root if self._root.is_dir() else file.parent
        tops = list(dict.fromkeys([file.parent, root, root.parent if file.parent != root else root]))
        named = [
            folder
            for top in tops
            for beside in (top, top / "images")
            if beside.is_dir()
            for folder in sorted(each for each in beside.iterdir() if each.is_dir() and _part_of(each.name) == part)
        ]
        return [file.parent, *named, *(top / "images" for top in tops), *tops[1:]]

    @cached_property
    def _root(self) -> Path:
        if self.path.suffix.lower() == ".json" and self.path.is_file():
            return self.path
        return unpacked(self.path, "a .json file as COCO has it, or a folder of such")

    @cached_property
    def _files(self) -> dict[str, Path]:
        own = {part: file for part, file in (("validation", self.validation), ("test", self.test)) if file is not None}
        for part, file in own.items():
            if not file.is_file():
                raise AbsentData(part, f"no such file: {file}")
        if self._root.is_file():
            return {"train": self._root, **own}
        found: dict[str, list[Path]] = {}
        every = [file for file in _json_below(self._root) if _is_annotations(file)]
        for file in every:
            named = _part_of(file.stem) or _part_of(file.parent.name if file.parent != self._root else "")
            if named is not None:
                found.setdefault(named, []).append(file)
        if not found and len(every) == 1:
            found["train"] = every
        for part, files in found.items():
            if len(files) > 1 and part not in own:
                several = ", ".join(str(file.relative_to(self._root)) for file in files[:5])
                words = f"has {len(files)} files for the {part} part in {self._root}: {several}"
                raise KeyProblem("path", f"{words}; name one of them as path, or as {part}")
        if "train" not in found:
            held = ", ".join(str(file.relative_to(self._root)) for file in every[:5]) or "none"
            words = "needs a .json with the word train in its name, or that of its folder"
            raise KeyProblem("path", f"{words}, in {self._root}; found {held}")
        return {"train": found["train"][0], **{part: files[0] for part, files in found.items()}, **own}


@dataclass
class _File:
    """What a file says.

    Args:
        path: the file.
        text: its content.
        images: their entries, by id.
        names: of the categories, in the order of their ids, by id.
        annotations: of each image, by its id, each with its position in the list.
        lost: what belongs to no image, and problems of images by their id.
    """

    path: Path
    text: str
    images: dict[Any, Mapping[str, Any]] = field(default_factory=dict)
    categories: dict[Any, str] = field(default_factory=dict)
    annotations: dict[Any, list[tuple[int, Mapping[str, Any]]]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path, limit: SizeLimit) -> _File:
        """Reads a file.

        Raises:
            KeyProblem: if it is none as COCO has it.
        """
        try:
            with parsing():
                text = limit.content(path).decode("utf-8-sig")
                content = json.loads(text)
        except OSError as error:
            raise KeyProblem("path", f"{path}: cannot be read: {reason(error)}") from None
        except Unreadable as error:
            at = error.__cause__
            line = f":{at.lineno}" if isinstance(at, json.JSONDecodeError) else ""
            raise KeyProblem("path", f"{path}{line}: is no JSON: {error}") from None
        if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in _LISTS):
            held = ", ".join(map(repr, [*content][:6])) if isinstance(content, dict) else shortened(content)
            raise KeyProblem(
                "path", f"{path}: must have the lists {', '.join(_LISTS)}, as COCO has them; it has {held}"
            )
        made = cls(path, text)
        made._take(content)
        return made

    @property
    def names(self) -> list[str]:
        """The categories in the order of their ids."""
        return [self.categories[key] for key in sorted(self.categories, key=lambda key: (str(type(key)), key))]

    @property
    def used(self) -> list[str]:
        """The categories that an annotation has."""
        return list(dict.fromkeys(self.categories[each["category_id"]] for some in self.annotations.values()
                                  for _, each in some if _key(each.get("category_id")) in self.categories))  # fmt: skip

    def annotated(self, folders: Sequence[Path]) -> list[Annotated]:
        """Returns the images, in the order of the file.

        Args:
            folders: where they may be.
        """
        found = []
        there = [folder for folder in folders if folder.is_dir()]
        for number, (key, image) in enumerate(self.images.items()):
            name = image["file_name"].replace("\\", "/")
            place = f"{self.path}: image {key} ({name})"
            file = next((folder / name for folder in there if (folder / name).is_file()), None)
            if file is None:
                otherwise = "" if len(there) else "; dataset.images names their folder"
                found.append(missing(self._place("images", number), name, there or folders, otherwise))
                continue
            things, problems = [], []
            for position, each in self.annotations.get(key, ()):
                try:
                    things.append(self._thing(position, each))
                except ValueError as error:
                    problems.append(f"{self._place('annotations', position)}: {error}")
            height, width = image.get("height"), image.get("width")
            size = (height, width) if isinstance(height, int) and isinstance(width, int) and height * width else None
            found.append(Annotated(file, place, tuple(things), size, problems=tuple(problems)))
        return found

    def _thing(self, position: int, raw: Mapping[str, Any]) -> Thing:
        category, box = raw.get("category_id"), raw.get("bbox")
        if _key(category) not in self.categories:
            ids = ", ".join(map(str, [*self.categories][:10]))
            raise ValueError(f"no category has the id {shortened(category)}: the ids are {ids}")
        if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
            raise ValueError(f"bbox must be four numbers, x, y, width and height, got {shortened(box)}")
        x, y, width, height = map(float, box)
        place = f"{self.path}: annotations[{position}] (id {raw.get('id')})"
        if width <= 0 or height <= 0:
            raise ValueError(f"the box has no area: its width is {width:g}, its height {height:g}")
        is_difficult = bool(raw.get("difficult") or raw.get("ignore"))
        corners = (x, y, x + width, y + height)
        return Thing(place, self.categories[category], corners, is_difficult, bool(raw.get("iscrowd")))

    def _take(self, content: Mapping[str, Any]) -> None:
        """Takes what the lists hold, and collects what cannot be used.

        Raises:
            KeyProblem: if ids or names of categories or images are missing, or there twice.
        """
        problems = []
        for position, each in enumerate(content["categories"]):
            key, name = (each.get("id"), each.get("name")) if isinstance(each, dict) else (None, None)
            if _key(key) is None or not isinstance(name, str) or not name.strip():
                words = f"must have an id and a name, got {shortened(each)}"
                problems.append(f"{self._place('categories', position)}: {words}")
            elif key in self.categories or name in self.categories.values():
                twice = f"the id {key}" if key in self.categories else f"the name {name!r}"
                problems.append(f"{self._place('categories', position)}: {twice} is there twice")
            else:
                self.categories[key] = name
        for position, each in enumerate(content["images"]):
            key, name = (each.get("id"), each.get("file_name")) if isinstance(each, dict) else (None, None)
            if _key(key) is None or not isinstance(name, str) or not _is_below(name):
                words = f"must have an id and a file_name below the images' folder, got {shortened(each)}"
                problems.append(f"{self._place('images', position)}: {words}")
            elif key in self.images:
                problems.append(f"{self._place('images', position)}: the id {key} is there twice")
            else:
                self.images[key] = each
        if problems:
            more = f"\nand {len(problems) - 10:,} more" if len(problems) > 10 else ""
            raise KeyProblem("path", "\n".join(problems[:10]) + more)
        for position, each in enumerate(content["annotations"]):
            key = each.get("image_id") if isinstance(each, dict) else None
            if _key(key) in self.images:
                self.annotations.setdefault(key, []).append((position, each))
            else:
                words = f"no image has the id {shortened(key)}, which image_id names"
                self.lost.append(f"{self._place('annotations', position)}: {words}")

    def _place(self, name: str, position: int) -> str:
        """Returns where an entry of a list is: file, line, and its position."""
        line = next((line for at, line in enumerate(_lines_of(self.text, name)) if at == position), None)
        return f"{self.path}{f':{line}' if line else ''}: {name}[{position}]"


def _lines_of(text: str, key: str) -> Iterator[int]:
    """Yields the line in which each entry of a list begins; read again, for a parser does not tell."""
    decoder, blank = json.JSONDecoder(), re.compile(r"[\s,:]*")
    position = blank.match(text, text.index("{") + 1).end()  # type: ignore[union-attr]
    while text[position] != "}":
        name, position = decoder.raw_decode(text, position)
        position = blank.match(text, position).end()  # type: ignore[union-attr]
        if name != key:
            _, position = decoder.raw_decode(text, position)
            position = blank.match(text, position).end()  # type: ignore[union-attr]
            continue
        line, counted = 1, 0
        position = blank.match(text, position + 1).end()  # type: ignore[union-attr]
        while text[position] != "]":
            line, counted = line + text.count("\n", counted, position), position
            yield line
            _, position = decoder.raw_decode(text, position)
            position = blank.match(text, position).end()  # type: ignore[union-attr]
        return


def _key(value: Any) -> int | str | None:
    """Returns what may be an id; none for others."""
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_below(name: str) -> bool:
    """Whether a name leads nowhere else: a stranger's file must not open other files of the machine."""
    path = Path(name.replace("\\", "/"))
    return bool(name) and not path.is_absolute() and ".." not in path.parts


def _part_of(name: str) -> str | None:
    """Returns the part that a name says, as instances_train2017 does; none where it says none."""
    words = [word.rstrip("0123456789") for word in re.split(r"[^a-z0-9]+", name.lower())]
    return next((part for part, names in PART_NAMES.items() if {*words} & {*names}), None)


def _json_below(root: Path) -> list[Path]:
    """Returns the .json files in a folder and the folders in it, sorted."""
    return sorted(file for pattern in ("*.json", "*/*.json") for file in root.glob(pattern) if file.is_file())


def _is_annotations(file: Path) -> bool:
    """Whether a file looks like one of COCO's: the names of two of its lists stand near its beginning or its end."""
    with file.open("rb") as opened:
        ends = opened.read(2**16)
        opened.seek(max(file.stat().st_size - 2**16, 0))
        ends += opened.read()
    return sum(f'"{key}"'.encode() in ends for key in _LISTS) >= len(_LISTS) - 1
