"""The user's own images in a folder per class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Literal

from dltrain.data import DataSpec, Split, Splits
from dltrain.datasets._archives import Archive, Listed
from dltrain.datasets._arrays import refusing
from dltrain.datasets._images import SUFFIXES, Decoding, ImageFiles
from dltrain.datasets._splitting import parted
from dltrain.errors import DataError
from dltrain.fields import Fraction, PositiveInt, Seed
from dltrain.lazy import np
from dltrain.registry import DATASETS

_PARTS = {"train": ("train", "training"), "validation": ("validation", "val", "valid"), "test": ("test", "testing")}


@DATASETS.register("image_folder")
class ImageFolder:
    """Your own images (JPEG, PNG, BMP, GIF), a folder per class: path/cat/1.jpg, path/dog/2.jpg.

    All this may be in an archive (.zip, .tar, .tar.gz, .tgz, .tar.xz, .tar.bz2), at its top or in the one folder there.
    It is unpacked once, into ~/.cache/dltrain (or DLTRAIN_CACHE).

    Where the folder holds a folder `train`, the classes are looked for in there, and `validation` (or `val`) and `test`
    beside it are the parts of these names, in capitals or not; a part without a folder is split off. Beside other
    folders, one of such a name that holds only images is a class. What is called .something is left out. The sorted
    folder names are the classes.

    Images are decoded when they are first needed, in several threads, and kept at the trained size. Mean and deviation
    are those of 512 training images, every fourth row and column. A rotation noted in a photo's EXIF data is not
    applied. Of a GIF the first frame is taken.

    Args:
        path: the folder or the archive, relative to the config's folder.
        size: height and width that all images are brought to, in pixels; one number for a square.
        color_mode: rgb for 3 channels, grayscale for 1.
        resize: crop keeps the largest centred part of the right shape; fit shows all of the image, with black beside
            it; stretch changes its shape.
        fast_decode: decode a JPEG at a half, quarter or eighth of its size where that is not below `size`: faster, and
            pixels differ slightly from those of the full image; the same in training, validation and prediction.
        on_bad_example: what becomes of a file that holds no image that can be used: error names it and stops; skip
            names it and leaves it out, before any part is split off. To find them, skip decodes all images before the
            first step: work done ahead, except with cache: none, where it is one pass more.
        cache: where decoded images are kept: memory; disk, for later runs too, in ~/.cache/dltrain (or DLTRAIN_CACHE),
            by path, size and date of the files and these settings; or none, to decode in each epoch.
        test_fraction: share of all images held out for testing, 0 to below 1, stratified by class; unused where there
            is a folder `test`.
        validation_fraction: share of the remaining images held out for tuning, 0 to below 1, stratified by class;
            unused where there is a folder `validation`.
        split_seed: which images are held out; apart from the experiment's seed, so that runs share one test set.
    """

    task: ClassVar[str] = "classification"

    path: Path
    size: PositiveInt | tuple[PositiveInt, PositiveInt] = 224
    color_mode: Literal["rgb", "grayscale"] = "rgb"
    resize: Literal["crop", "fit", "stretch"] = "crop"
    fast_decode: bool = True
    on_bad_example: Literal["error", "skip"] = "error"
    cache: Literal["memory", "disk", "none"] = "memory"
    test_fraction: Fraction = 0.2
    validation_fraction: Fraction = 0.1
    split_seed: Seed = 0

    def spec(self) -> DataSpec:
        """Returns shape and classes, from the names of the folders; unpacks no archive.

        Raises:
            ValueError: if there are no classes, or the archive cannot be used.
        """
        root = Archive(self.path).listed() if self.path.is_file() else self._folder()
        return self._spec(root / _parts(root)["train"])

    def load(self) -> Splits:
        """Unpacks an archive, lists the files, and reads images for mean and deviation or, to skip bad ones, all.

        Raises:
            DataError: if folders or archive cannot be used, or the images do not fit the memory.
        """
        with refusing():
            root = Archive(self.path).unpacked() if self.path.is_file() else self._folder()
            folders = {part: root / name for part, name in _parts(root).items()}
            spec = self._spec(folders["train"])
            found = {part: _listed(folder, spec.class_names) for part, folder in folders.items()}
        every = [path for paths, _ in found.values() for path in paths]
        height, width, channels = spec.input_shape
        decoding = Decoding(height, width, channels, self.resize, self.fast_decode)
        images = ImageFiles(every, decoding, self.cache)
        if self.cache == "memory":
            _check_memory(images.nbytes)
        problems = images.problems() if self.on_bad_example == "skip" else {}
        splits, lost, first = {}, [], 0
        for part, (paths, labels) in found.items():
            places = np.arange(first, first + len(paths))
            good = ~np.isin(places, list(problems))
            for label in np.setdiff1d(labels, labels[good]):
                reason = problems[first + int((labels == label).argmax())]
                folder = folders[part] / spec.class_names[label]
                lost.append(f"dataset.path has no image that can be used in {folder}; the first of them: {reason}")
            splits[part] = Split(images.take(places[good]), labels[good])
            first += len(paths)
        if lost:
            raise DataError("\n".join(lost))
        return parted(
            spec,
            splits["train"],
            validation=splits.get("validation", self.validation_fraction),
            test=splits.get("test", self.test_fraction),
            split_seed=self.split_seed,
            skipped=tuple(problems.values()),
        )

    def _spec(self, train: Path | Listed) -> DataSpec:
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        return DataSpec((height, width, 3 if self.color_mode == "rgb" else 1), _classes(train))

    def _folder(self) -> Path:
        if not self.path.is_dir():
            raise ValueError(
                f"path must be a folder with a folder of images per class, or an archive of it, got {self.path}"
            )
        return self.path


def _parts(root: Path | Listed) -> dict[str, str]:
    """Returns the name of the folder of each part that has one; an empty name is the root's.

    Raises:
        ValueError: if two folders are one part, or there are parts but none to train on.
    """
    folders = _folders(root)
    named = {part: [name for name in folders if name.lower() in names] for part, names in _PARTS.items()}
    found = [name for names in named.values() for name in names]
    # Beside other folders, one that holds none itself is a class: of photos of trains, or of valid forms.
    if len(found) < len(folders) and not any(_folders(root / name) for name in found):
        return {"train": ""}
    for names in named.values():
        if len(names) > 1:
            raise ValueError(f"path has two folders of one part, {names[0]} and {names[1]}, in {root}; keep one")
    if found and not named["train"]:
        raise ValueError(
            f"path has the part {found[0]} in {root}, but no folder train beside it; "
            f"put the classes to train on into one, or give another name to {found[0]}"
        )
    return {part: names[0] for part, names in named.items() if names} or {"train": ""}


def _folders(folder: Path | Listed) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _classes(folder: Path | Listed) -> tuple[str, ...]:
    names = _folders(folder)
    if len(names) < 2:
        held = f"only {names[0]}" if names else "none"
        raise ValueError(f"path needs a folder of images for each of two classes or more, found {held} in {folder}")
    return tuple(names)


def _listed(folder: Path, class_names: tuple[str, ...]) -> tuple[list[Path], np.ndarray]:
    """Returns the images of a part and their labels, in the order of their names."""
    if foreign := sorted(set(_classes(folder)) - set(class_names)):
        raise ValueError(f"path has the class {foreign[0]} in {folder}, but not in the training part")
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(class_names):
        files = sorted(_images_below(folder / name))
        if not files and (folder / name).is_dir():
            raise ValueError(f"path has no image in {folder / name}: expected {', '.join(sorted(SUFFIXES))}")
        paths += files
        labels += [label] * len(files)
    return paths, np.array(labels, np.int32)


def _images_below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += (
            Path(place, name) for name in names if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        )
    return found


def _check_memory(needed: int) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory / 2:
        raise DataError(
            f"cache: memory needs {needed / 1e9:.1f} GB for the decoded images, more than half of this machine's "
            f"{memory / 1e9:.1f} GB; use cache: disk, or a smaller size"
        )
