"""Figures and tables of a report on boxes: precision of each class, kinds of mistakes, the worst images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dltrain.figures.boxes import Outline, outlined
from dltrain.figures.precision_recall import MOST_CURVES, ClassCurve, PrecisionRecall
from dltrain.report.parts import Chapter, Figure, Gallery, Part, Picture, Table

MOST_IMAGES = 25
"""Of the worst, shown one by one."""
_UNKNOWN = "-"


@dataclass(frozen=True)
class ClassCounts:
    """What was found of a class.

    Args:
        curve: precision over recall; none where there is no object of the class that counts.
        name: of the class.
        objects: that count.
        found: of these, by boxes as sure as answers are.
        false: boxes as sure that are wrong.
    """

    curve: ClassCurve | None
    name: str
    objects: int
    found: int
    false: int


@dataclass(frozen=True)
class WrongImage:
    """An image with wrong or missing boxes.

    Args:
        pixels: (height, width) or (height, width, 3), uint8.
        predicted: the boxes that answers have.
        actual: those that are right.
        lines: what is wrong.
        place: where the image came from.
    """

    pixels: np.ndarray
    predicted: Sequence[Outline]
    actual: Sequence[Outline]
    lines: Sequence[str]
    place: str


def precision(classes: Sequence[ClassCounts], part: str, threshold: float) -> Chapter:
    """Returns the curves of all classes, and what was found of each."""
    curves = [each.curve for each in classes if each.curve is not None]
    worst = sorted(curves, key=lambda curve: curve.average)
    shown = worst[:MOST_CURVES] if len(curves) > MOST_CURVES else curves
    note = f"{part} part, at an intersection over union of 0.5"
    if len(curves) > MOST_CURVES:
        note += f"; the {MOST_CURVES} worst of {len(curves):,} classes"
    parts: list[Part] = []
    if shown:
        panel = PrecisionRecall("Precision over recall", note, shown)
        parts.append(Figure("precision-recall", panel))
    rows = [
        (
            each.name,
            f"{each.objects:,}",
            _UNKNOWN if each.curve is None else f"{each.curve.average:.3f}",
            f"{each.found:,}",
            f"{each.objects - each.found:,}",
            f"{each.false:,}",
        )
        for each in classes
    ]
    columns = ("class", "objects", "average precision", "found", "missed", "false")
    words = f"found, missed and false: with boxes of a score of {threshold:g} or more, as `predict` tells them"
    parts.append(Table("By class", columns, rows, words))
    return Chapter("Boxes", parts)


def mistakes(
    kinds: Mapping[str, tuple[int, str]], sizes: Mapping[str, tuple[int, int]], right: int, threshold: float
) -> Chapter:
    """Returns how many boxes are wrong in which way, and how many objects of each size are missed.

    Args:
        kinds: how many false boxes are of each kind, and what that means.
        sizes: how many objects of each size there are, and how many of them were missed.
        right: boxes that are right.
        threshold: the score of the boxes that count here.
    """
    total = sum(count for count, _ in kinds.values())
    rows = [
        (name, words, f"{count:,}", f"{count / total:.0%}" if total else _UNKNOWN)
        for name, (count, words) in kinds.items()
    ]
    note = f"boxes of a score of {threshold:g} or more: {right:,} right, {total:,} wrong; Hoiem et al. 2012, as in TIDE"
    missed = [
        (name, f"{count:,}", f"{lost:,}", f"{lost / count:.0%}" if count else _UNKNOWN)
        for name, (count, lost) in sizes.items()
    ]
    of_sizes = "by area in pixels of the original image, up to 32x32, up to 96x96, above"
    return Chapter(
        "Wrong and missing boxes",
        [
            Table("False positives", ("kind", "", "boxes", "share"), rows, note, words=2),
            Table("Missed objects", ("size", "objects", "missed", "share"), missed, of_sizes),
        ],
    )


def worst(images: Sequence[WrongImage], wrong: int) -> Chapter:
    """Returns the images with the most mistakes, each with what is predicted above and what is right below."""
    found = [
        Picture([outlined(each.pixels, each.predicted), outlined(each.pixels, each.actual)], each.lines, each.place)
        for each in images
    ]
    if not found:
        return Chapter("Worst images", [Table("No image has a wrong or a missing box", (), ())])
    title = f"{len(found)} of {wrong:,} images with a wrong or a missing box" if wrong > len(found) else (
        f"{wrong:,} image{'s' * (wrong > 1)} with a wrong or a missing box")  # fmt: skip
    note = "above what is predicted, wrong boxes in dashes; below what is right, missed objects in dashes"
    return Chapter("Worst images", [Gallery("boxes", title, found, note)])
