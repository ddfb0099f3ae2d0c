"""A source of images with boxes: what annotations say becomes parts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from dltrain.data import DataSpec, Finding, Groups, Ragged, Split, Splits
from dltrain.data.noticing import notice, noticing
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets import Dataset
from dltrain.datasets._boxes.listing import Annotated, Listing, Thing, require_apart, unknown
from dltrain.datasets._boxes.twins import twins
from dltrain.datasets._images.files import ImageFiles
from dltrain.datasets._images.reading import DecodingKeys, described
from dltrain.datasets._sources.arrays import refusing
from dltrain.datasets._sources.left_out import ignored_words, require_memory
from dltrain.datasets._sources.splitting import sizes_of, split_into_parts
from dltrain.datasets._sources.unusable import TO_SKIP, refuse, tell
from dltrain.errors import DataError, KeyProblem
from dltrain.features._boxes.columns import COLUMNS
from dltrain.features._boxes.objects import ObjectEncoding, turned
from dltrain.features._images.decoding import MOST_MEGABYTES, NoImage
from dltrain.features._images.encoding import ImageEncoding
from dltrain.features._images.headers import SUFFIXES, Header
from dltrain.features._images.reader import ImageReader
from dltrain.features.boxes import Boxes
from dltrain.features.image import Image
from dltrain.fields import PositiveInt
from dltrain.lazy import np

_CUT = "boxes that end up to a pixel outside of their image are cut at its edge"
_UPRIGHT = (
    "photos are rotated by their EXIF data, and no size tells whether boxes were drawn before: they stay as they are"
)
_STORED = "photos are rotated by their EXIF data, and their boxes with them, as the annotations have the size before"
_TO_TURN = "if boxes lie wrong in `dltrain preview`, set dataset.orientation: stored"


@dataclass(frozen=True, kw_only=True)
class BoxSource(Dataset):
    """The contract of sources of images with boxes.

    Images without an object are examples, too: a network must learn to see nothing in them.

    Args:
        size: height and width to which all images are resized, in pixels; one number for a square.
        color_mode: rgb for 3 channels, grayscale for 1.
        resize: stretch changes the aspect ratio, as SSD does; fit keeps the whole image as it is, with black borders.
        classes: the classes in the order of their labels; none for those that the annotations have. An object of
            another class is a mistake, which is named.
        orientation: which way up photos were when boxes were drawn, whose EXIF data rotate them: upright, as viewers
            show them; stored, as their pixels lie in the file; auto decides by the size that the annotations have, else
            upright.
        fast_decode: decode a JPEG at a half, quarter or eighth of its size if that is still twice `size`.
        on_bad_example: error to stop at images or annotations that cannot be used, all of which are named with file and
            line; skip to leave such images out, and name them.
        cache: where decoded images are kept: memory; disk, for later runs too, in ~/.cache/dltrain (or DLTRAIN_CACHE);
            or none, to decode in each epoch.
        max_megabytes: the most that a file of an image may have in megabytes, and one of annotations; none for 512, of
            annotations 8,192.
        test_fraction: share of all images held out for testing, 0 to below 1, stratified by the rarest class of each
            image; unused if there is a test part.
        validation_fraction: share of the remaining images held out for tuning, likewise; unused if there is a
            validation part.
    """

    reads_with_tensorflow: ClassVar[bool] = True
    proposes_first: ClassVar[bool] = True
    task: ClassVar[str] = "detection"

    size: PositiveInt | tuple[PositiveInt, PositiveInt] = 300
    color_mode: Literal["rgb", "grayscale"] = "rgb"
    resize: Literal["stretch", "fit"] = "stretch"
    classes: tuple[str, ...] | None = None
    orientation: Literal["auto", "upright", "stored"] = "auto"
    fast_decode: bool = True
    on_bad_example: Literal["error", "skip"] = "error"
    cache: Literal["memory", "disk", "none"] = "memory"
    max_megabytes: PositiveInt | None = None

    def __post_init__(self) -> None:
        if self.classes is not None and (not self.classes or len({*self.classes}) < len(self.classes)):
            raise KeyProblem("classes", f"must be one name or more, each once, got {list(self.classes)}")

    def listing(self) -> Listing:
        """Returns what the annotations say; opens no image.

        Raises:
            ValueError: if there are none, or nothing of them can be used.
        """
        raise NotImplementedError(f"{type(self).__name__} must have listing()")

    def spec(self) -> DataSpec:
        """Describes shape and classes, from the annotations; opens no image.

        Raises:
            KeyProblem: as `listing`, or if annotations cannot be used, unless these are skipped.
        """
        found = self._listing
        if self.on_bad_example == "error":
            images = [image for of_part in found.parts.values() for image in of_part]
            things = [thing for image in images for thing in image.things if thing.name not in found.classes]
            wrong = [words for image in images for words in image.problems]
            refuse([*found.lost, *wrong, *(unknown(thing, found.classes) for thing in things)], "annotations", TO_SKIP)
        return self._spec(found.classes)

    def sizes(self) -> dict[str, int] | None:
        """Returns how many images each part has, none of them opened; none where bad ones are skipped. Raises as
        `spec`."""
        if self.on_bad_example == "skip":
            return None
        parts = self._listing.parts
        own = {part: len(images) for part, images in parts.items()}
        counts = [*Counter(_strata(self._counts(parts["train"])).tolist()).values()]
        return sizes_of(counts, own.get("validation", self.validation_fraction), own.get("test", self.test_fraction))

    def load(self, like: DataSpec | None = None) -> Splits:
        """Looks at each image's header, and decodes some for mean and deviation, or all to skip bad ones.

        Args:
            like: the data that a run was trained on, whose classes are used.

        Raises:
            DataError: if annotations or images cannot be used, or the images do not fit into memory.
        """
        with refusing(), noticing() as noticed:
            found = self._listing
            spec = self._spec(like.target.class_names if like else found.classes)
            each = [(part, image) for part, images in found.parts.items() for image in images]
            usable, problems = self._stored([image for _, image in each], spec)
            problems = [*found.lost, *problems]
            if self.on_bad_example == "error":
                refuse(problems, "images or annotations", TO_SKIP)
            self._tell(found, len(each), usable)
        places = [*usable]
        images = ImageFiles([each[place][1].image for place in places], self._decoding_of(spec), self.cache)
        if self.cache == "memory":
            require_memory(images.nbytes, "images", "cache: disk, or a smaller size")
        broken = images.problems() if self.on_bad_example == "skip" else {}
        rows = [rows for rows, _ in usable.values()]
        encoding = self._encoding_of(spec)
        whole = Split(
            images,
            Ragged.of(rows, np.float32, (COLUMNS,)),
            metadata=encoding.places(header.upright for _, header in usable.values()),
        )
        splits = {}
        for part in found.parts:
            own = [row for row, place in enumerate(places) if each[place][0] == part and row not in broken]
            if not own and part == "train":
                raise DataError("dataset.path has no image that can be used in the train part")
            if own:
                splits[part] = whole.take(np.array(own, np.int64))
        made = split_into_parts(
            spec,
            splits["train"],
            validation=splits.get("validation", self.validation_fraction),
            test=splits.get("test", self.test_fraction),
            split_seed=self.split_seed,
            like=like,
            skipped=(*problems, *broken.values()),
            groups=lambda split: _stratified(spec, split),
        )
        return replace(made, ignored=found.ignored, noticed=(*made.noticed, *noticed))

    def findings(self, splits: Splits) -> Iterable[Finding]:
        """Returns images that are nearly the same and have other boxes."""
        return twins(splits)

    def describe(self, spec: DataSpec) -> list[str]:
        """Returns how a file becomes pixels."""
        return described(spec.input.shape, self.resize)

    def reader(self, spec: DataSpec) -> ImageReader:
        """Returns a reader of other images for a network that was trained on `spec`, with their sizes."""
        return ImageReader(self._encoding_of(spec), SizeLimit(self.max_megabytes))

    @cached_property
    def _listing(self) -> Listing:
        found = self.listing()
        require_apart(found.parts)
        if not found.parts.get("train"):
            raise KeyProblem("path", "has no image to train on")
        return found

    @property
    def limit(self) -> SizeLimit:
        """The most that a file of annotations may have."""
        return SizeLimit(self.max_megabytes)

    def _spec(self, names: tuple[str, ...]) -> DataSpec:
        height, width = (self.size, self.size) if isinstance(self.size, int) else self.size
        image = Image(shape=(height, width, 3 if self.color_mode == "rgb" else 1))
        return DataSpec.of(image, Boxes(class_names=names))

    def _decoding_of(self, spec: DataSpec) -> Any:
        return DecodingKeys(self.resize, self.fast_decode, self.max_megabytes or MOST_MEGABYTES).of(spec.input.shape)

    def _encoding_of(self, spec: DataSpec) -> ImageEncoding:
        return ImageEncoding(spec.input.shape, decoding=self._decoding_of(spec), with_places=True)

    def _counts(self, images: Sequence[Annotated]) -> np.ndarray:
        """Returns how many objects of each class each image has, (images, classes)."""
        places = {name: place for place, name in enumerate(self._listing.classes)}
        counts = np.zeros((len(images), len(places)), np.int64)
        for row, image in enumerate(images):
            for thing in image.things:
                if thing.name in places:
                    counts[row, places[thing.name]] += 1
        return counts

    def _stored(
        self, images: Sequence[Annotated], spec: DataSpec
    ) -> tuple[dict[int, tuple[np.ndarray, Header]], list[str]]:
        """Returns rows of boxes and header of each image that can be used, by its position, and why others cannot."""
        decoding, encoding = self._decoding_of(spec), ObjectEncoding(spec.target.class_names)

        def header(image: Annotated) -> Header | str:
            if image.problems:
                return ""
            try:
                found: Header = decoding.header(image.image)
            except NoImage as error:
                return f"{image.place}: {error}"
            return found

        with ThreadPoolExecutor(os.cpu_count(), "headers") as threads:
            headers = [*threads.map(header, images)]
        usable: dict[int, tuple[np.ndarray, Header]] = {}
        problems: list[str] = []
        noticed: dict[str, list[str]] = {}
        for place, (image, found) in enumerate(zip(images, headers, strict=True)):
            if isinstance(found, str):
                problems += image.problems or [found]
                continue
            rows, wrong = self._rows(image, found, encoding, decoding.window(*found.upright), noticed)
            problems += wrong
            if not wrong:
                usable[place] = rows, found
        for kind, places in noticed.items():
            tell({kind: places}, len(images), "images", lambda kind: "check them" if kind == _CUT else _TO_TURN)
        return usable, problems

    def _rows(
        self,
        image: Annotated,
        header: Header,
        encoding: ObjectEncoding,
        window: Sequence[float],
        noticed: dict[str, list[str]],
    ) -> tuple[np.ndarray, list[str]]:
        """Returns the objects of an image as rows, and what is wrong with them."""
        stored = header.height, header.width
        is_turned = header.orientation != 1
        are_stored = is_turned and self.orientation == "stored"
        if is_turned and self.orientation == "auto" and image.things:
            are_stored = image.size == stored != header.upright
            if are_stored or image.size is None or stored == header.upright:
                noticed.setdefault(_STORED if are_stored else _UPRIGHT, []).append(str(image.image))
        frame = stored if are_stored else header.upright
        if image.size not in (None, header.upright, stored if is_turned else None):
            height, width = image.size or (0, 0)
            words = f"says that the image has {width}x{height} pixels (width x height), {image.image} has"
            return encoding.nothing, [f"{image.place}: {words} {header.upright[1]}x{header.upright[0]}"]
        objects, problems = [], []
        for thing in image.things:
            if thing.name not in encoding.class_names:
                problems.append(unknown(thing, encoding.class_names))
                continue
            box = np.array(thing.box, np.float64) * (np.array([frame[1], frame[0]] * 2) if image.are_shares else 1.0)
            box = turned(box, header) if are_stored else box
            objects.append((thing.place, self._raw(thing, box.tolist())))
        raw = {"size": [*header.upright], "window": [*window], "objects": [each for _, each in objects]}
        rows, cut, faults = encoding.found(raw)
        problems += [f"{objects[place][0]}: {words}" for place, words in faults.items()]
        if cut and not problems:
            noticed.setdefault(_CUT, []).append(image.place)
        return rows, problems

    @staticmethod
    def _raw(thing: Thing, box: Sequence[float]) -> dict[str, Any]:
        flags = {"difficult": thing.is_difficult, "crowd": thing.is_crowd}
        return {"box": [*box], "class": thing.name, **flags}

    def _tell(self, found: Listing, count: int, usable: dict[int, tuple[np.ndarray, Header]]) -> None:
        """Says what was noticed, and how many images have no object."""
        tell(found.noticed, count, "images", lambda _: "check them in `dltrain preview`")
        if empty := sum(not len(rows) for rows, _ in usable.values()):
            words = f"{empty:,} of {len(usable):,} images have no object: they are trained and measured on as such"
            notice(words, advice="if they were never annotated, take them out of the data")
        if found.ignored:
            notice(f"{ignored_words(found.ignored)}: images end in {', '.join(sorted(SUFFIXES))}")


def _strata(counts: np.ndarray) -> np.ndarray:
    """Returns by which class an image is stratified: the rarest that it has, or one more for none, (images,), int64.

    Args:
        counts: objects of each class in each image, (images, classes).
    """
    rank = np.argsort(np.argsort((counts > 0).sum(axis=0), kind="stable"), kind="stable")
    ranks = np.where(counts > 0, rank, counts.shape[1])
    rarest = np.argmin(ranks, axis=1)
    return np.where((counts > 0).any(axis=1), rarest, counts.shape[1])


def _stratified(spec: DataSpec, split: Split) -> Groups:
    members: Any = spec.target.groups(split.targets)
    return Groups((*members.names, ""), _strata(members.members.astype(np.int64)))
