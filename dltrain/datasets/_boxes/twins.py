"""Images that are nearly the same and have other boxes: one of them is annotated wrongly, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

from dltrain.data import Finding, Parts, Splits
from dltrain.features._boxes.columns import CLASS, CORNERS
from dltrain.features._boxes.overlaps import overlaps
from dltrain.features._images.likeness import pairs
from dltrain.features._images.thumbnails import THUMBNAIL, thumbnails
from dltrain.lazy import np

LEAST_OVERLAP = 0.5
"""Intersection over union from which on two boxes of a class are of one object."""


def twins(splits: Splits) -> Iterator[Finding]:
    """Yields pairs of images, in any parts, that are nearly the same, and have an object that the other lacks."""
    if min(splits.spec.input.shape[:2]) < THUMBNAIL:
        return
    parts = Parts({part: split.inputs for part, split in splits.parts.items()}, lambda part, row: f"{part}[{row}]")
    pictures = np.concatenate([thumbnails(images) for images in parts.values()])
    boxes = [rows for split in splits.parts.values() for rows in split.targets]
    names, places = splits.spec.target.class_names, []
    for first, second in pairs(pictures):
        lacking = [*_lacking(boxes[first], boxes[second]), *_lacking(boxes[second], boxes[first])]
        if lacking:
            one, other = (_place(parts, position) for position in (first, second))
            places.append(f"{one} ~ {other}: {', '.join(dict.fromkeys(names[label] for label in lacking))}")
    if places:
        pair = "1 pair of images is" if len(places) == 1 else f"{len(places):,} pairs of images are"
        yield Finding(
            "unlabelled twins",
            "warning",
            f"{pair} nearly the same, and one has objects that the other lacks",
            tuple(places),
            "annotate both alike, or delete one",
        )


def _lacking(boxes: np.ndarray, others: np.ndarray) -> list[int]:
    """Returns the classes of the boxes that overlap no other of their class."""
    found = []
    for row in boxes:
        same = others[others[:, CLASS] == row[CLASS]]
        if not (overlaps(row[CORNERS], same[:, CORNERS]) >= LEAST_OVERLAP).any():
            found.append(int(row[CLASS]))
    return found


def _place(parts: Parts, position: int) -> str:
    part, row = parts.owner(position)
    return str(parts.files[part][row]) if part in parts.files else parts.place(part, row)
