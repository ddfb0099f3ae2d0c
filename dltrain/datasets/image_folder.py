"""The user's own images, in a folder per class or named by a table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain.data import DataSpec, Split, Splits
from dltrain.data.progress import tell
from dltrain.data.proposal import Proposal
from dltrain.datasets import Dataset
from dltrain.datasets._images.archives import Archive
from dltrain.datasets._images.class_folders import class_names, listed
from dltrain.datasets._images.files import ImageFiles
from dltrain.datasets._images.listing import Listing
from dltrain.datasets._images.proposal import images
from dltrain.datasets._images.table import KINDS, ImageTable
from dltrain.datasets._sources.arrays import refusing
from dltrain.datasets._sources.splitting import parted
from dltrain.errors import AbsentData, DataError, KeyProblem
from dltrain.features._images.decoding import Decoding
from dltrain.features._images.encoding import ImageEncoding
from dltrain.features._images.headers import SUFFIXES
from dltrain.features._images.reader import ImageReader
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.fields import PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS


@DATASETS.register("image_folder")
class ImageFolder(Dataset):
    """Your own images (JPEG, PNG, WebP, BMP, GIF), a folder per class: path/cat/1.jpg, path/dog/2.jpg.

    All this may be in an archive (.zip, .tar, .tar.gz, .tgz, .tar.xz, .tar.bz2), at its top or in the one folder there.
    It is unpacked once, into ~/.cache/dltrain (or DLTRAIN_CACHE).

    Where the folder holds a folder `train`, the classes are looked for in there, and `validation` (or `val`) and `test`
    beside it are the parts of these names, in capitals or not; a part without a folder is split off. Beside other
    folders, one of such a name that holds only images is a class. What is called .something is left out. The sorted
    folder names are the classes.

    Or path is a table (.csv, .tsv, .txt; UTF-8; cut by commas, semicolons, tabs or bars) whose first line names its
    columns and each other one an image: the file, relative to the table's folder and with or without its suffix; the
    label; and if there is such a column the part, train, validation or test. The sorted training labels are the
    classes.

    Images are decoded when they are first needed, in several threads, and kept at the trained size. Mean and deviation
    are those of 512 training images, every fourth row and column. A photo is turned as its EXIF data say, before it is
    cut and resized. What is transparent shows white, of a GIF or WebP that moves the first frame is taken, of 16 bits
    the upper 8.

    Args:
        path: the folder, archive or table, relative to the config's folder.
        size: height and width that all images are brought to, in pixels; one number for a square.
        color_mode: rgb for 3 channels, grayscale for 1.
        resize: crop keeps the largest centred part of the right shape; fit shows all of the image, with black beside
            it; stretch changes its shape.
        fast_decode: decode a JPEG at a half, quarter or eighth of its size where that is not below `size`: faster, and
            pixels differ slightly from those of the full image; the same in training, validation and prediction.
        path_column: the table's column of the files; none for path, file, filename or image.
        label_column: the table's column of the labels; none for label or class.
        split_column: the table's column of the parts; none for split, where there is one.
        on_bad_example: what becomes of a file that holds no image that can be used, or that a table names and is not
            there: error names it and stops; skip names it and leaves it out, before any part is split off. To find
            them, skip decodes all images before the first step: work done ahead, except with cache: none, where it is
            one pass more.
        cache: where decoded images are kept: memory; disk, for later runs too, in ~/.cache/dltrain (or DLTRAIN_CACHE),
            by path, size and date of the files and these settings; or none, to decode in each epoch.
        test_fraction: share of all images held out for testing, 0 to below 1, stratified by class; unused where there
            is a part test.
        validation_fraction: share of the remaining images held out for tuning, 0 to below 1, stratified by class;
            unused where there is a part validation.
    """

    reads_with_tensorflow: ClassVar[bool] = True

    path: Path
    size: PositiveInt | tuple[PositiveInt, PositiveInt] = 224
    color_mode: Literal["rgb", "grayscale"] = "rgb"
    resize: Literal["crop", "fit", "stretch"] = "crop"
    fast_decode: bool = True
    path_column: str | None = None
    label_column: str | None = None
    split_column: str | None = None
    on_bad_example: Literal["error", "skip"] = "error"
    cache: Literal["memory", "disk", "none"] = "memory"

    def __post_init__(self) -> None:
        for key in ("path_column", "label_column", "split_column"):
            if getattr(self, key) is not None and not self._is_table:
                raise KeyProblem(key, f"goes with a path to a table ({', '.join(KINDS)}), got {self.path}")

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Returns the block that reads what is at a path; none where that is another dataset's.

        Raises:
            ValueError: if it is of this kind, and cannot be used.
        """
        make: Any = cls
        return images(path, lambda: make(path=path)._listing(()))

    def spec(self) -> DataSpec:
        """Returns shape and classes, from the names of the folders or the table; unpacks no archive, opens no image.

        Raises:
            ValueError: if there are no classes, or archive or table cannot be used.
        """
        if self._is_table:
            return self._spec(self._table.class_names())
        return self._spec(class_names(Archive(self.path).listed() if self.path.is_file() else self._folder()))

    def load(self, like: DataSpec | None = None) -> Splits:
        """Unpacks an archive, lists the files, and reads images for mean and deviation or, to skip bad ones, all.

        Args:
            like: what a run was trained on, whose classes these are.

        Raises:
            DataError: if folders, archive or table cannot be used, or the images do not fit the memory.
        """
        with refusing():
            found = self._listing(like.target.class_names if like else ())
        spec = self._spec(found.class_names)
        files = [file for files, _ in found.parts.values() for file in files]
        images = ImageFiles(files, self._decoding(spec), self.cache)
        if self.cache == "memory":
            _check_memory(images.nbytes)
        problems = images.problems() if self.on_bad_example == "skip" else {}
        splits, lost, first = {}, [], 0
        for part, (files, labels) in found.parts.items():
            positions = np.arange(first, first + len(files))
            good = ~np.isin(positions, list(problems))
            for label in np.setdiff1d(labels, labels[good]):
                reason = problems[first + int((labels == label).argmax())]
                lost.append(f"dataset.path has no image that can be used {found.where(part, label)}: {reason}")
            splits[part] = Split(images.take(positions[good]), labels[good])
            first += len(files)
        if lost:
            raise DataError("\n".join(lost))
        parts = parted(
            spec,
            splits["train"],
            validation=splits.get("validation", self.validation_fraction),
            test=splits.get("test", self.test_fraction),
            split_seed=self.split_seed,
            skipped=(*found.skipped, *problems.values()),
        )
        _tell_absent_classes(parts, own=found.parts)
        _tell_ignored(found.ignored)
        return replace(parts, ignored=found.ignored)

    def reader(self, spec: DataSpec) -> ImageReader:
        """Returns what reads other images for a network that was trained on `spec`."""
        return ImageReader(ImageEncoding(spec.input.shape, decoding=self._decoding(spec)))

    def _decoding(self, spec: DataSpec) -> Decoding:
        height, width, channels = spec.input.shape
        return Decoding(height, width, channels, self.resize, self.fast_decode)

    @property
    def _is_table(self) -> bool:
        return self.path.suffix.lower() in KINDS and not self.path.is_dir()

    @property
    def _table(self) -> ImageTable:
        return ImageTable(self.path, self.path_column, self.label_column, self.split_column)

    def _listing(self, known: tuple[str, ...]) -> Listing:
        if self._is_table:
            return self._table.listed(self.on_bad_example == "skip", known)
        return listed(Archive(self.path).unpacked() if self.path.is_file() else self._folder(), known)

    def _spec(self, names: tuple[str, ...]) -> DataSpec:
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        image = Image(shape=(height, width, 3 if self.color_mode == "rgb" else 1))
        return DataSpec.of(image, ClassLabel(class_names=names))

    def _folder(self) -> Path:
        if not self.path.is_dir():
            raise AbsentData(
                "path",
                "must be a folder with a folder of images per class, an archive of it, or a .csv of file and "
                f"label; there is none: {self.path}",
            )
        return self.path


def _tell_absent_classes(splits: Splits, own: Container[str]) -> None:
    """Says which classes have too few images to be in each part that was split off."""
    names = splits.spec.target.class_names
    for part in ("validation", "test"):
        split = splits.part(part)
        if split is None or part in own:
            continue
        absent = [names[label] for label in np.setdiff1d(np.arange(len(names)), split.targets)]
        if absent:
            shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5:,} more" if len(absent) > 5 else "")
            tell(f"the {part} part has no image of {shown}: too few to hold some out and train on the others")


def _tell_ignored(files: tuple[str, ...]) -> None:
    """Says how many files of which kinds are no images that are read."""
    if files:
        suffixes = Counter(Path(file).suffix.lower() or "no suffix" for file in files)
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common())
        many = "1 file is" if len(files) == 1 else f"{len(files):,} files are"
        tell(f"{many} not read ({kinds}): only {', '.join(sorted(SUFFIXES))} are")


def _check_memory(needed: int) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory / 2:
        raise DataError(
            f"cache: memory needs {needed / 1e9:.1f} GB for the decoded images, more than half of this machine's "
            f"{memory / 1e9:.1f} GB; use cache: disk, or a smaller size"
        )
