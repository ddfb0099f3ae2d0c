"""The user's own images with boxes, annotated in XML as Pascal VOC is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from dltrain.data.proposal import Proposal
from dltrain.data.size_limit import reason
from dltrain.datasets._boxes.images import by_stem, missing
from dltrain.datasets._boxes.listing import Annotated, Listing, Thing, ordered
from dltrain.datasets._boxes.proposal import of_boxes
from dltrain.datasets._boxes.source import BoxSource
from dltrain.datasets._boxes.xml import Element, Unusable, parsed
from dltrain.datasets._sources.class_folders import unpacked
from dltrain.datasets._sources.part_folders import part_folders
from dltrain.errors import KeyProblem
from dltrain.registry import DATASETS, nearest

_ANNOTATIONS, _IMAGES, _LISTS = "Annotations", "JPEGImages", Path("ImageSets", "Main")
_USUAL = {"train": ("train", "trainval"), "validation": ("val", "validation"), "test": ("test",)}
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@DATASETS.register("voc")
class VOC(BoxSource):
    """Your own images with boxes as Pascal VOC has them: JPEGImages/1.jpg, Annotations/1.xml, ImageSets/Main/train.txt.

    M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge", 2010. `path` is such a folder, one of
    several (VOCdevkit with VOC2007 and VOC2012), whose lists are joined, or an archive of it. Lists called train (else
    trainval), val and test are the parts; a part without a list is split off; without any list, all annotations are
    used. Or images and their .xml lie beside each other, in `path` or in its folders train, valid and test.

    Corners are 1-based and inclusive: xmin 1 and xmax 10 are the first ten pixels. Objects are difficult where the file
    says so: they are trained on, and not judged. The names of the classes are sorted. An image without an .xml is not
    used; one whose .xml has no object is.

    Args:
        path: the folder or archive, relative to the config's folder.
        train_list: the list of ImageSets/Main to train on, such as trainval; none for train, else trainval.
        validation_list: likewise; none for val, unless train_list is given: then a part is split off.
        test_list: likewise; none for test, where the images of that list have annotations.
    """

    path: Path
    train_list: str | None = None
    validation_list: str | None = None
    test_list: str | None = None

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads a folder with .xml beside images or in Annotations; none for others.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        make: Any = cls
        if not path.is_dir() or not any(_has_annotations(folder) for folder in (path, *_folders(path))):
            return None
        return of_boxes(make, path, "a folder with Annotations, JPEGImages and ImageSets, as Pascal VOC has them")

    def listing(self) -> Listing:
        """Returns what the .xml files say.

        Raises:
            KeyProblem: if there are none, or a list is missing.
        """
        found = self._of_lists() if self._roots else self._beside()
        used = {each.image for images in found.values() for each in images}
        unused = [str(file) for folder in self._image_folders for file in by_stem(folder).values() if file not in used]
        noticed = {"images have no annotation, or are in no list, and are not used": unused} if unused else {}
        return Listing(ordered(self.classes, found), found, noticed=noticed)

    @cached_property
    def _root(self) -> Path:
        return unpacked(self.path, f"a folder with {_ANNOTATIONS} and {_IMAGES}")

    @cached_property
    def _roots(self) -> list[Path]:
        """The folders that have annotations in a folder of their own."""
        return [each for each in (self._root, *_folders(self._root)) if (each / _ANNOTATIONS).is_dir()]

    @property
    def _image_folders(self) -> list[Path]:
        return [root / _IMAGES for root in self._roots] or [self._root / name for name in self._part_folders.values()]

    @property
    def _part_folders(self) -> dict[str, str]:
        return part_folders(self._root)

    def _beside(self) -> dict[str, list[Annotated]]:
        found = {}
        for part, name in self._part_folders.items():
            folder = self._root / name
            images = by_stem(folder)
            found[part] = [self._read(file, images, folder) for file in sorted(folder.glob("*.xml"))]
        if not found.get("train"):
            words = f"needs a folder {_ANNOTATIONS} of .xml files, beside {_IMAGES}, or .xml files beside images"
            raise KeyProblem("path", f"{words}; found none in {self._root}")
        for key in ("train_list", "validation_list", "test_list"):
            if getattr(self, key) is not None:
                raise KeyProblem(key, f"needs a folder {_LISTS} in {self._root}, beside {_ANNOTATIONS}")
        return found

    def _of_lists(self) -> dict[str, list[Annotated]]:
        lists = {root: sorted(file.stem for file in (root / _LISTS).glob("*.txt")) for root in self._roots}
        every = sorted({name for names in lists.values() for name in names})
        images = {root: by_stem(root / _IMAGES) for root in self._roots}
        chosen = self._chosen(every)
        if not chosen:
            every_xml = [(root, file) for root in self._roots for file in sorted((root / _ANNOTATIONS).glob("*.xml"))]
            return {"train": [self._read(file, images[root], root / _IMAGES) for root, file in every_xml]}
        found: dict[str, list[Annotated]] = {}
        for part, name in chosen.items():
            here = [self._of_list(root, name, images[root]) for root, names in lists.items() if name in names]
            listed = [each for of_root in here for each in of_root]
            if part == "test" and self.test_list is None and all(each.problems for each in listed):
                continue  # VOC 2012 keeps what is in these images to itself
            found[part] = listed
        return found

    def _chosen(self, names: Sequence[str]) -> dict[str, str]:
        """Returns the list of each part that has one."""
        given = {"train": self.train_list, "validation": self.validation_list, "test": self.test_list}
        found = {}
        for part, asked in given.items():
            usual = () if part == "validation" and self.train_list else _USUAL[part]
            there = [name for name in ((asked,) if asked else usual) if name in names]
            if there:
                found[part] = there[0]
            elif asked:
                near = nearest(asked, [*names]) or f": there are {', '.join(names[:10]) or 'none'}"
                raise KeyProblem(f"{part}_list", f"must be a list of {_LISTS} in {self._root}, got {asked!r}{near}")
        if found.get("train") == "trainval" and not self.validation_list:
            found.pop("validation", None)  # whose images are in it
        if found and "train" not in found:
            raise KeyProblem("train_list", f"must name the list to train on: there are {', '.join(names[:10])}")
        return found

    def _of_list(self, root: Path, name: str, images: dict[str, Path]) -> list[Annotated]:
        """Returns the images that a list names, each in a line; lists of a class have 1 or -1 behind, which is left."""
        path, found = root / _LISTS / f"{name}.txt", []
        try:
            text = self.limit.content(path).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise KeyProblem("path", f"{path}: cannot be read: {reason(error)}") from None
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            key, place = line.split()[0], f"{path}:{number}"
            file = root / _ANNOTATIONS / f"{key}.xml"
            if Path(key).name != key or not file.is_file():
                image = images.get(key, root / _IMAGES / f"{key}.jpg")
                words = f"{place}: there is no {_ANNOTATIONS}/{key}.xml in {root}"
                found.append(Annotated(image, place, problems=(words,)))
            else:
                found.append(self._read(file, images, root / _IMAGES))
        return found

    def _read(self, file: Path, images: dict[str, Path], folder: Path) -> Annotated:
        """Returns what an .xml says of an image in a folder."""
        try:
            top = parsed(self.limit.content(file))
        except Unusable as error:
            return Annotated(folder / file.stem, str(file), problems=(f"{file}:{error.line}: {error}",))
        except OSError as error:
            return Annotated(folder / file.stem, str(file), problems=(f"{file}: cannot be read: {reason(error)}",))
        if top.name != "annotation":
            words = f"{file}:{top.line}: must be an <annotation>, got <{top.name[:40]}>"
            return Annotated(folder / file.stem, str(file), problems=(words,))
        written = top.first("filename")
        image = images.get(file.stem)
        if image is None and written is not None:
            image = images.get(Path(written.text.strip().replace("\\", "/")).stem)
        if image is None:
            return missing(f"{file}:{written.line if written else top.line}", file.stem, [folder])
        things, problems = [], []
        for each in top.each("object"):
            try:
                things.append(_thing(file, each))
            except Unusable as error:
                problems.append(f"{file}:{error.line}: {error}")
        try:
            size = _size(top)
        except Unusable as error:
            size = None
            problems.append(f"{file}:{error.line}: {error}")
        return Annotated(image, str(file), tuple(things), size, problems=tuple(problems))


def _thing(file: Path, element: Element) -> Thing:
    """Returns an object.

    Raises:
        Unusable: if it lacks its name or box, or a corner is no number.
    """
    name, box = element.first("name"), element.first("bndbox")
    if name is None or not name.text.strip():
        raise Unusable(element.line, "the object has no <name>")
    if box is None:
        raise Unusable(element.line, f"the object {name.text.strip()!r} has no <bndbox>")
    x_min, y_min, x_max, y_max = (_number(box, corner) for corner in _CORNERS)
    difficult = element.first("difficult")
    is_difficult = difficult is not None and difficult.text.strip().lower() in ("1", "true")
    # 1-based and inclusive: the first pixel begins at 0, and the last ends where its number says.
    corners = (x_min - 1, y_min - 1, x_max, y_max)
    return Thing(f"{file}:{box.line}", name.text.strip(), corners, is_difficult)


def _number(element: Element, name: str) -> float:
    found = element.first(name)
    if found is None:
        raise Unusable(element.line, f"<{element.name}> has no <{name}>")
    try:
        value = float(found.text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Unusable(found.line, f"<{name}> must be a number, got {found.text.strip()[:40]!r}")
    return value


def _size(top: Element) -> tuple[int, int] | None:
    """Returns height and width; none where there are none, or 0, as some programs write.

    Raises:
        Unusable: if they are no numbers.
    """
    size = top.first("size")
    if size is None or size.first("height") is None or size.first("width") is None:
        return None
    height, width = int(_number(size, "height")), int(_number(size, "width"))
    return (height, width) if height > 0 and width > 0 else None


def _folders(root: Path) -> list[Path]:
    return sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))


def _has_annotations(folder: Path) -> bool:
    return (folder / _ANNOTATIONS).is_dir() or any(True for _ in folder.glob("*.xml"))
