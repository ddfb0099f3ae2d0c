"""Boxes that are there twice, and boxes that are hardly there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dltrain.data.finding import Finding
from dltrain.data.parts import Parts
from dltrain.features._boxes.columns import CLASS, CORNERS
from dltrain.features._boxes.overlaps import overlaps
from dltrain.lazy import np

SAME = 0.95
"""Intersection over union from which on two boxes of a class are one, drawn twice."""
NARROW = 0.01
"""Of a side of the image: three pixels of 300."""


def odd_boxes(parts: Parts, names: Sequence[str]) -> Iterator[Finding]:
    """Yields such boxes.

    Args:
        parts: boxes, as they are stored.
        names: of the classes.
    """
    doubled, narrow = [], []
    for part, images in parts.items():
        for index, stored in enumerate(images):
            rows = np.asarray(stored)
            rows = rows[rows[:, CLASS] >= 0]
            sides = rows[:, 2:4] - rows[:, :2]
            place = f"{parts.place(part, index)}: "
            narrow += [place + names[int(row[CLASS])] for row in rows[(sides < NARROW).any(axis=1)]]
            boxes = rows[:, CORNERS]
            same = (overlaps(boxes[:, None], boxes) >= SAME) & (rows[:, None, CLASS] == rows[None, :, CLASS])
            doubled += [place + names[int(rows[first, CLASS])] for first, _ in np.argwhere(np.triu(same, 1)).tolist()]
    if doubled:
        yield Finding(
            "doubled boxes",
            "warning",
            f"{_counted(doubled)} nearly the same as another of the same class in the image",
            tuple(doubled),
            "delete one of the two: a network is punished for finding the object once",
        )
    if narrow:
        yield Finding(
            "tiny boxes",
            "note",
            f"{_counted(narrow)} narrower than {NARROW:.0%} of the image",
            tuple(narrow),
            "check them; objects of a few pixels are not found: raise dataset.size, or mark them as difficult",
        )


def _counted(boxes: Sequence[str]) -> str:
    return "1 box is" if len(boxes) == 1 else f"{len(boxes):,} boxes are"
