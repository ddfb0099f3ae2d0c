"""The parts of a report, independent of the page: chapters of figures, tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dltrain.data.showing import Sound
from dltrain.figures.page import Panel

if TYPE_CHECKING:
    import numpy as np

NARROW, WIDE = 400, 760
"""Pixels: a figure that fits a telephone or stands beside another, and one that takes the page's width."""


@dataclass(frozen=True)
class Figure:
    """A figure with a panel to draw.

    Args:
        name: of its files, letters and dashes.
        panel: what is drawn.
        width: in pixels.
    """

    name: str
    panel: Panel
    width: int = NARROW


@dataclass(frozen=True)
class Table:
    """Rows of words and numbers.

    Args:
        title: what they are of.
        columns: the names.
        rows: cells, as they are shown.
        note: what else there is to say.
        words: how many of the first columns are words; the others are numbers, and stand to the right.
        shown: rows that are seen at once; the others after a click.
        longest: letters of a cell that are shown: the middle of longer ones is left out.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    words: int = 1
    shown: int = 15
    longest: int = 60


@dataclass(frozen=True)
class Picture:
    """An image, and perhaps others below it, with lines about them.

    Args:
        images: (height, width) or (height, width, 3), uint8, some.
        lines: the first is the most important.
        place: where it came from.
        sounds: what can be heard of it.
    """

    images: Sequence[np.ndarray]
    lines: Sequence[str] = ()
    place: str = ""
    sounds: Sequence[Sound] = ()


@dataclass(frozen=True)
class Gallery:
    """Pictures beside each other.

    Args:
        name: of its files, letters and dashes.
        title: what they show.
        pictures: in the order of their importance.
        note: what else there is to say.
    """

    name: str
    title: str
    pictures: Sequence[Picture]
    note: str = ""


Part = Figure | Table | Gallery


@dataclass(frozen=True)
class Chapter:
    """Parts of a report that belong together.

    Args:
        title: what they are about.
        parts: in their order.
        note: a sentence or two before them.
    """

    title: str
    parts: Sequence[Part] = ()
    note: str = ""
