"""The user's own images, in a folder per class or named by a table."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain.data import DataSpec, Split, Splits
from dltrain.data.noticing import notice, noticing
from dltrain.data.proposal import Proposal
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets import Dataset
from dltrain.datasets._images.archives import Archive
from dltrain.datasets._images.class_folders import class_names, listed
from dltrain.datasets._images.files import ImageFiles
from dltrain.datasets._images.listing import Listing
from dltrain.datasets._images.proposal import images
from dltrain.datasets._images.reading import DecodingKeys, described
from dltrain.datasets._sources.arrays import refusing
from dltrain.datasets._sources.file_table import KINDS, FileTable, is_table
from dltrain.datasets._sources.left_out import ignored_words, require_memory
from dltrain.datasets._sources.splitting import sizes_of, split_into_parts
from dltrain.errors import AbsentData, DataError, KeyProblem
from dltrain.features._images.decoding import MOST_MEGABYTES, Decoding
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

    These folders may be in an archive (.zip, .tar, .tar.gz, .tgz, .tar.xz, .tar.bz2), at its top or in its only folder.
    It is unpacked once, into ~/.cache/dltrain (or DLTRAIN_CACHE).

    If there is a folder `train`, the classes are the folders in it, and the folders `validation` (or `val`) and `test`
    beside it are the parts of these names, in any case; a part without a folder is split off. Beside other folders, a
    folder of such a name that contains only images is a class. Names that start with a dot are ignored. The sorted
    folder names are the classes.

    Or path is a table (.csv, .tsv, .txt; UTF-8; separated by commas, semicolons, tabs or bars). Its first line names
    the columns, each other line an image: the file, relative to the table's folder, with or without its suffix; the
    label; and optionally the part, train, validation or test. The sorted training labels are the classes.

    Images are decoded when they are first needed, in several threads, and kept at the trained size. What
    shrinks is averaged, whatever its format (bilinear with antialiasing, as in Pillow). Mean and deviation are computed
    from every fourth row and column of 512 training images. A photo is rotated as its EXIF data say, before it is
    cropped and resized. Transparent pixels become white, also around the frame of a GIF; an animated GIF or WebP is
    reduced to its first frame, and 16-bit images to their upper 8 bits.

    Args:
        path: the folder, archive or table, relative to the config's folder.
        size: height and width to which all images are resized, in pixels; one number for a square.
        color_mode: rgb for 3 channels, grayscale for 1.
        resize: crop keeps the largest centred part with the right aspect ratio; fit keeps the whole image, with black
            borders; stretch changes the aspect ratio.
        fast_decode: decode a JPEG at a half, quarter or eighth of its size if that is still twice `size`: faster, but
            pixels differ by a few grey levels from those of the full image. Applies to training, validation and
            prediction alike.
        path_column: the table's column with the files; none for path, file, filename or image.
        label_column: the table's column with the labels; none for label or class.
        split_column: the table's column with the parts; none for split, if there is one.
        on_bad_example: what to do with a file that cannot be decoded, or that a table names but does not exist: error
            names it and stops; skip names it and leaves it out, before any part is split off. To find such files, skip
            decodes all images before the first step; that costs no time later, except with cache: none.
        cache: where decoded images are kept: memory; disk, for later runs too, in ~/.cache/dltrain (or DLTRAIN_CACHE),
            by path, size and date of the files and these settings; or none, to decode in each epoch.
        max_megabytes: the most that an image's file, or the table, may have in megabytes; none for 512, of the table
            8,192.
        test_fraction: share of all images held out for testing, 0 to below 1, stratified by class; unused if there is a
            test part.
        validation_fraction: share of the remaining images held out for tuning, 0 to below 1, stratified by class;
            unused if there is a validation part.
    """

    reads_with_tensorflow: ClassVar[bool] = True
    task: ClassVar[str] = "classification"

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
    max_megabytes: PositiveInt | None = None

    def __post_init__(self) -> None:
        for key in ("path_column", "label_column", "split_column"):
            if getattr(self, key) is not None and not is_table(self.path):
                raise KeyProblem(key, f"needs a path to a table ({', '.join(KINDS)}), got {self.path}")

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads images; none where the path contains none.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        make: Any = cls
        return images(path, lambda: make(path=path)._listing(()))

    def spec(self) -> DataSpec:
        """Describes shape and classes, from the names of the folders or the table; unpacks no archive, opens no image.

        Raises:
            ValueError: if there are no classes, or archive or table cannot be used.
        """
        if is_table(self.path):
            return self._spec(self._table.class_names())
        return self._spec(class_names(Archive(self.path).listed() if self.path.is_file() else self._folder()))

    def sizes(self) -> dict[str, int] | None:
        """Returns how many images each part has, none of them opened; none where bad ones are skipped, or an archive
        would have to be unpacked. Raises as `spec`."""
        if self.on_bad_example == "skip" or (self.path.is_file() and not is_table(self.path)):
            return None
        parts = {part: labels for part, (_, labels) in self._listing(()).parts.items()}
        own = {part: len(labels) for part, labels in parts.items()}
        counts = [count for count in np.bincount(parts["train"]).tolist() if count]
        return sizes_of(counts, own.get("validation", self.validation_fraction), own.get("test", self.test_fraction))

    def load(self, like: DataSpec | None = None) -> Splits:
        """Unpacks an archive, lists the files, and decodes some images for mean and deviation, or all to skip bad ones.

        Args:
            like: the data that a run was trained on, whose classes are used.

        Raises:
            DataError: if folders, archive or table cannot be used, or the images do not fit into memory.
        """
        with refusing():
            found = self._listing(like.target.class_names if like else ())
        spec = self._spec(found.class_names)
        files = [file for files, _ in found.parts.values() for file in files]
        images = ImageFiles(files, self._decoding(spec), self.cache)
        if self.cache == "memory":
            require_memory(images.nbytes, "images", "cache: disk, or a smaller size")
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
        parts = split_into_parts(
            spec,
            splits["train"],
            validation=splits.get("validation", self.validation_fraction),
            test=splits.get("test", self.test_fraction),
            split_seed=self.split_seed,
            like=like,
            skipped=(*found.skipped, *problems.values()),
        )
        with noticing() as noticed:
            _notice_absent_classes(parts, own=found.parts)
            if found.ignored:
                notice(f"{ignored_words(found.ignored)}: images end in {', '.join(sorted(SUFFIXES))}")
        return replace(parts, ignored=found.ignored, noticed=(*parts.noticed, *noticed))

    def describe(self, spec: DataSpec) -> list[str]:
        """Returns how a file becomes pixels."""
        return described(spec.input.shape, self.resize)

    def reader(self, spec: DataSpec) -> ImageReader:
        """Returns a reader of other images for a network that was trained on `spec`."""
        encoding = ImageEncoding(spec.input.shape, decoding=self._decoding(spec))
        return ImageReader(encoding, SizeLimit(self.max_megabytes))

    def _decoding(self, spec: DataSpec) -> Decoding:
        keys = DecodingKeys(self.resize, self.fast_decode, self.max_megabytes or MOST_MEGABYTES)
        return keys.of(spec.input.shape)

    @property
    def _table(self) -> FileTable:
        columns = self.path_column, self.label_column, self.split_column
        return FileTable("image", SUFFIXES, self.path, *columns, SizeLimit(self.max_megabytes))

    def _listing(self, known: tuple[str, ...]) -> Listing:
        if is_table(self.path):
            return self._named(known)
        return listed(Archive(self.path).unpacked() if self.path.is_file() else self._folder(), known)

    def _named(self, known: tuple[str, ...]) -> Listing:
        """Returns the files that the table names."""
        found, parts = self._table.found(self.on_bad_example == "skip", known), {}
        numbers = {name: number for number, name in enumerate(found.classes)}
        for part in found.present:
            rows = [row for row in found.each if row.part == part]
            parts[part] = [Path(row.name) for row in rows], np.array([numbers[row.label] for row in rows], np.int32)
        places = {part: f"the {part} part of {self.path}" for part in parts}
        return Listing(found.classes, parts, places, found.missing)

    def _spec(self, names: tuple[str, ...]) -> DataSpec:
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        image = Image(shape=(height, width, 3 if self.color_mode == "rgb" else 1))
        return DataSpec.of(image, ClassLabel(class_names=names))

    def _folder(self) -> Path:
        if self.path.exists() and not self.path.is_dir():
            raise KeyProblem("path", f"must be a folder or a regular file, is neither: {self.path}")
        if not self.path.is_dir():
            raise AbsentData(
                "path",
                "must be a folder with a folder of images per class, an archive of one, or a .csv of files and "
                f"labels; does not exist: {self.path}",
            )
        return self.path


def _notice_absent_classes(splits: Splits, own: Container[str]) -> None:
    """Reports the classes with too few images to be in each part that was split off."""
    names = splits.spec.target.class_names
    for part in ("validation", "test"):
        split = splits.part(part)
        if split is None or part in own:
            continue
        absent = [names[label] for label in np.setdiff1d(np.arange(len(names)), split.targets)]
        if absent:
            shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5:,} more" if len(absent) > 5 else "")
            notice(f"the {part} part has no image of {shown}: too few to be in every part")
