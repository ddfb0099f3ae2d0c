"""How the objects of images are distributed: classes, sizes, shapes, and how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import Groups
from dltrain.features._boxes.columns import CLASS
from dltrain.lazy import np

if TYPE_CHECKING:
    from dltrain.figures.page import Panel


def panels(names: Sequence[str], parts: Mapping[str, Any]) -> list[Panel]:
    """Returns how many objects each class has, in each part, how large and wide they are, and how many an image has.

    Args:
        names: of the classes.
        parts: boxes as they are stored, by part, the train part's first.
    """
    from dltrain.figures.distributions import counts, over_parts

    rows = {part: [each[each[:, CLASS] >= 0] for each in map(np.asarray, images)] for part, images in parts.items()}
    every = {part: np.concatenate(each) if each else np.zeros((0, 7)) for part, each in rows.items()}
    found: list[Panel] = [
        counts("Objects", {part: Groups(tuple(names), each[:, CLASS].astype(int)) for part, each in every.items()})
    ]
    if not len(next(iter(every.values()))):
        return found
    sides = {part: each[:, 2:4] - each[:, :2] for part, each in every.items()}
    sizes = {part: np.sqrt(each.prod(axis=1)) for part, each in sides.items()}
    shapes = {part: np.log2(each[:, 0] / each[:, 1]) for part, each in sides.items()}
    numbers = {part: np.array([len(each) for each in some]) for part, some in rows.items()}
    return [
        *found,
        over_parts("Sizes of objects", sizes, "root of the area, share of the image"),
        over_parts("Aspect ratios", shapes, "log2 of width / height, in shares of the image"),
        over_parts("Objects of an image", numbers),
    ]
