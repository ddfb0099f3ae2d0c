"""What annotations say of images, before an image is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dltrain.errors import KeyProblem
from dltrain.registry import nearest

Corners = tuple[float, float, float, float]
"""x_min, y_min, x_max, y_max; 0, 0 is the outer corner of the first pixel."""


class Thing(NamedTuple):
    """An object of an image.

    Args:
        place: where it is said, for messages: file and line.
        name: its class.
        box: corners in pixels, or as shares of the image.
        is_difficult: whether it is not judged in evaluation.
        is_crowd: whether it is a group that was not told apart.
    """

    place: str
    name: str
    box: Corners
    is_difficult: bool = False
    is_crowd: bool = False


class Annotated(NamedTuple):
    """An image, and what is in it.

    Args:
        image: the file.
        place: where it is said, for messages: file, and line where there is one.
        things: its objects.
        size: height and width that the annotations say; none where they say none.
        are_shares: whether boxes are shares of the image.
        problems: why it cannot be used, each with file and line; empty where it can.
    """

    image: Path
    place: str
    things: tuple[Thing, ...] = ()
    size: tuple[int, int] | None = None
    are_shares: bool = False
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listing:
    """All that the annotations say.

    Args:
        classes: in the order of their labels.
        parts: the images of each part that the source has; `train` has the rest.
        lost: what belongs to no image that could be left out: a message each, with file and line.
        noticed: what was taken for what where that is not plain: a sentence, and the places.
        ignored: files that are not read.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, Sequence[Annotated]]
    lost: tuple[str, ...] = ()
    noticed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def ordered(classes: Sequence[str] | None, parts: Mapping[str, Sequence[Annotated]]) -> tuple[str, ...]:
    """Returns the classes in the order of their labels: as they are given, else all that there are, sorted.

    Raises:
        KeyProblem: if there is none.
    """
    found = classes or sorted({thing.name for each in parts.values() for one in each for thing in one.things})
    if not found:
        raise KeyProblem("path", "has no object in any image: nothing can be learnt")
    return tuple(found)


def unknown(thing: Thing, classes: Sequence[str]) -> str:
    """Returns the message about an object whose class is none."""
    near = nearest(thing.name, [*classes]) or f": the classes are {', '.join(classes[:10])}"
    return f"{thing.place}: no class {thing.name!r}{near}"


def require_apart(parts: Mapping[str, Sequence[Annotated]]) -> None:
    """Makes sure that no image is in two parts, nor twice in one.

    Raises:
        KeyProblem: if one is, with both places.
    """
    seen: dict[Path, tuple[str, str]] = {}
    problems = []
    for part, images in parts.items():
        for each in images:
            if each.image in seen:
                before, place = seen[each.image]
                where = (
                    f"twice in the {part} part" if before == part else f"in the {before} part and in the {part} part"
                )
                problems.append(f"{each.image} is {where}: {place}, {each.place}")
            seen.setdefault(each.image, (part, each.place))
    if problems:
        more = f"\nand {len(problems) - 10:,} more" if len(problems) > 10 else ""
        raise KeyProblem("path", "\n".join(problems[:10]) + more)
