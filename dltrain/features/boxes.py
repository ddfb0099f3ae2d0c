"""Boxes around objects, each with its class."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from dltrain.data.feature import Encoded, Feature, Groups, Notice, fitted
from dltrain.data.proposal import Entries, Entry
from dltrain.data.ragged import Ragged, filled
from dltrain.features._boxes.columns import CLASS, COLUMNS, CORNERS, PADDING
from dltrain.features._boxes.objects import ObjectEncoding, corner_words, plain
from dltrain.features._boxes.odd_boxes import odd_boxes
from dltrain.features._names import listed
from dltrain.features.class_label import differing_names
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.finding import Finding
    from dltrain.data.parts import Parts
    from dltrain.data.proposal import Keys, Proposal
    from dltrain.figures.page import Panel

_DRAWN = 150
"""Pixels of the shorter side of a picture with boxes on it, many of which stand beside each other."""


@FEATURES.register("boxes")
class Boxes(Feature):
    """Any number of objects of an image, also none, stored as rows (objects, 7), float32.

    A row is x_min, y_min, x_max, y_max as shares of the image that the network sees (0, 0 is the outer corner of the
    first pixel, 1, 1 that of the last); the class as its position among the classes, from 0, without a background; and
    0 or 1 for difficult (not judged in evaluation) and crowd (a group that was not told apart). In a batch, rows of -1
    are no objects.

    Raw values are `{"size": [height, width], "objects": [{"box": [x_min, y_min, x_max, y_max], "class": "cat",
    "difficult": false, "crowd": false}, ...]}` with boxes in pixels of the image; with `window`, where the corners of
    the network's image lie in that; without a size, boxes are shares.

    Args:
        class_names: the classes, in the order of their integer labels.
    """

    padding: ClassVar[float] = PADDING
    task: ClassVar[str] = "detection"
    plural: ClassVar[str] = "boxes"
    has_places: ClassVar[bool] = True

    class_names: tuple[str, ...] = fitted(())

    @property
    def shape(self) -> tuple[None, int]:
        """As many rows as the image has objects."""
        return (None, COLUMNS)

    def fit(self, pieces: Iterable[Sequence[Any]]) -> Self:
        """Returns the feature with the classes that there are, sorted, unless it has some already."""
        if self.class_names:
            return self
        names = {each["class"] for piece in pieces for raw in piece for each in raw["objects"]}
        return self.replaced(class_names=tuple(sorted(names)))

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns objects as rows; an image with one that lies outside, has no area or an unknown class is a problem.

        A box that ends up to a pixel outside of its image is cut.
        """
        encoding, rows = ObjectEncoding(self.class_names), list[np.ndarray]()
        problems, notices = dict[int, str](), dict[int, str | Sequence[str]]()
        for place, raw in enumerate(raws):
            try:
                found, cut = encoding.rows(raw)
            except ValueError as error:
                problems[place] = str(error)
                continue
            if cut:
                kind = "boxes that end up to a pixel outside of their image are cut"
                notices[len(rows)] = Notice(f"{cut} of {len(found)} {kind}", kind)
            rows.append(found)
        return Encoded(Ragged.of(rows, np.float32, (COLUMNS,)), problems, notices)

    def decode(self, stored: Any) -> list[dict[str, Any]]:
        """Returns the objects of each image, boxes as shares; what is difficult or a crowd says so."""
        return [plain(rows, self.class_names) for rows in stored]

    def words(self, stored: Any) -> list[str]:
        """Returns how many objects of each class an image has."""
        names = [[each["class"] for each in raw["objects"]] for raw in self.decode(stored)]
        counted = [Counter(sorted(each, key=self.class_names.index)) for each in names]
        return [", ".join(f"{count} {name}" for name, count in each.items()) or "no object" for each in counted]

    def fault(self, stored: Any) -> str | None:
        """Returns which box has no area or lies outside of its image, or which class is none."""
        if stored.shape[2:] != (COLUMNS,):
            return f"targets must be rows of {COLUMNS} numbers each, got {list(stored.shape[1:])}"
        values, count = filled(stored, PADDING), len(self.class_names)
        classes, boxes = values[..., CLASS], values[..., CORNERS]
        is_object = ~(classes < 0)  # also where a class is NaN
        strange = is_object & ~((classes < count) & (classes == np.floor(classes)))
        flat = is_object & ~(boxes[..., 2:] > boxes[..., :2]).all(axis=-1)
        outside = is_object & ~((boxes >= 0) & (boxes <= 1)).all(axis=-1)
        for wrong in (strange, flat, outside):
            if wrong.any():
                row, place = np.argwhere(wrong)[0].tolist()
                box = corner_words(boxes[row, place])
                if wrong is strange:
                    return f"classes must be 0 to {count - 1}, got {classes[row, place]:g} at position {row}"
                if wrong is flat:
                    return f"boxes must have an area, got {box} at position {row}"
                return f"boxes must be within 0 and 1, as shares of the image, got {box} at position {row}"
        return None

    def mismatch(self, other: Feature) -> str | None:
        """Returns which class is unknown, or that they are in another order; none where classes are the same."""
        return differing_names(self, other)

    def groups(self, stored: Any) -> Groups:
        """Returns the images that have an object of each class."""
        return Groups(self.class_names, self._counts(stored) > 0)

    def files(self) -> dict[str, bytes]:
        """Returns classes.json, the classes in the order of the outputs."""
        return {"classes.json": f"{json.dumps([*self.class_names], ensure_ascii=False)}\n".encode()}

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how many objects each class has, how large and wide they are, and how many an image has."""
        from dltrain.features._boxes.panels import panels

        return panels(self.class_names, parts)

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns boxes that are there twice, and tiny ones."""
        return () if brief else odd_boxes(parts, self.class_names)

    def outlined(self, pictures: Sequence[np.ndarray], stored: Any) -> list[np.ndarray]:
        """Returns pictures with the boxes on them, in a colour of each class; dashed where difficult or a crowd."""
        from dltrain.figures.boxes import Outline, outlined

        drawn = []
        for picture, rows in zip(pictures, stored, strict=True):
            objects = [row for row in np.asarray(rows) if row[CLASS] >= 0]
            flags = [bool(row[CLASS + 1 :].max() > 0) for row in objects]
            outlines = [
                Outline(row[CORNERS].tolist(), hue=int(row[CLASS]), is_dashed=flag)
                for row, flag in zip(objects, flags, strict=True)
            ]
            scale = _DRAWN / min(picture.shape[:2])
            drawn.append(outlined(picture, outlines, (scale * picture.shape[0], scale * picture.shape[1]), smallest=1))
        return drawn

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how many classes there are, what the numbers of a row are, and the place of each class."""
        return [
            f"boxes of {len(self.class_names):,} classes",
            "a row per object: x_min, y_min, x_max, y_max as shares of the image; class, difficult, crowd; rows of -1 "
            "are no objects.",
            *listed("class", self.class_names),
        ]

    def corners(self) -> list[np.ndarray]:
        """Returns no object at all; one of each class, the whole image; and tiny ones in the corners, one a crowd."""
        every = [[0, 0, 1, 1, place, 0, 0] for place in range(len(self.class_names))]
        last = len(self.class_names) - 1
        tiny = [[0, 0, 1e-3, 1e-3, 0, 1, 0], [0.999, 0.999, 1, 1, last, 0, 1]]
        rows = [[], every, tiny] if self.class_names else []
        return [np.array(each, np.float32).reshape(-1, COLUMNS) for each in rows]

    def starter(self, examples: Proposal) -> dict[str, Keys | Entries]:
        """Returns a detector on a network that fits the images, and changes that move boxes too."""
        size = ("imagenet", 18, 16) if examples.photographs else ("cifar", 20, 4)
        backbone = {"name": "resnet", "variant": size[0], "depth": size[1]}
        model: Keys = {
            "name": ("ssd", "anchors on any image network; ssd300 for images of 300x300 or more"),
            "backbone": (backbone, "any convolutional one; `weights: RUN` begins with a classifier's"),
            "feature_maps": (4, "sizes of cells; `dltrain preview` shows which objects their anchors match"),
            "first_stride": (size[2], "pixels of the smallest cells: about half the smallest object"),
            "scales": ([0.1, 0.9], "of the first and the last map's anchors, in shares of the image"),
        }
        flip = Entry({"name": "flip"}, "not where left and right differ")
        return {"model": model, "augment": Entries("training images and their boxes, otherwise in each epoch", (flip,))}

    def _counts(self, stored: Any) -> np.ndarray:
        """Returns how many objects of each class each image has, (images, classes)."""
        counts = np.zeros((len(stored), len(self.class_names)), np.int64)
        for row, boxes in enumerate(stored):
            classes = np.asarray(boxes)[:, CLASS].astype(int)
            np.add.at(counts[row], classes[classes >= 0], 1)
        return counts
