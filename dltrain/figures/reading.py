"""How examples are laid out: images as pixels that can be drawn, other examples as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dltrain.data.showing import Lines, Picture, Row, Shown, Sound, Text
from dltrain.wording import number


class Marked(str):
    """A cell of words of which pieces spoke for a network's answer, and others against it.

    Args:
        words: the whole.
        marks: the pieces in their order, each with its weight, -1 to 1.
    """

    __slots__ = ("marks",)

    marks: Sequence[tuple[str, float]]

    def __new__(cls, words: str, marks: Sequence[tuple[str, float]]) -> Marked:
        """Returns the words, with their marks."""
        made = super().__new__(cls, words)
        made.marks = marks
        return made


class Piece(NamedTuple):
    """A word, or words that belong together.

    Args:
        words: them.
        kind: what they are; empty for nothing in particular.
        hue: the number of the kind's colour.
        is_wrong: whether they are taken for something else elsewhere.
    """

    words: str
    kind: str = ""
    hue: int = 0
    is_wrong: bool = False


class Pieced(str):
    """A cell of words of which some belong together.

    Args:
        pieces: in their order.
    """

    __slots__ = ("pieces",)

    pieces: Sequence[Piece]

    def __new__(cls, pieces: Sequence[Piece]) -> Pieced:
        """Returns the words, with their pieces."""
        made = super().__new__(
            cls, " ".join(f"[{each.words}]{each.kind}" if each.kind else each.words for each in pieces)
        )
        made.pieces = pieces
        return made


NUMBERS = 6
"""Of a vector that are shown in a table."""


def drawable(images: np.ndarray, reference: np.ndarray) -> tuple[list[np.ndarray], str]:
    """Returns images as bytes, grey or of three colours, on the scale of others; and what must be said of it."""
    said = []
    there = images.shape[-1]
    used = 3 if there >= 3 else 1
    if used != there:
        said.append(f"channels 1 to 3 of {there}" if used == 3 else f"channel 1 of {there}")
    images, reference = images[..., :used], reference[..., :used]
    low, high = 0.0, 255.0
    if reference.dtype != np.uint8:
        low, high = float(reference.min()), float(reference.max())
        said.append(f"{number(low)} is drawn black, {number(high)} white")
    scaled = (images.astype(np.float64) - low) / ((high - low) or 1.0) * 255
    drawn = np.clip(scaled.round(), 0, 255).astype(np.uint8)
    return list(drawn[..., 0] if used == 1 else drawn), ", ".join(said)


def tabled(caption: str, items: Sequence[Shown]) -> tuple[list[str], list[list[str]]]:
    """Returns what examples look like as a table: the names of its columns, and what each example has in them.

    Args:
        caption: what such examples are called.
        items: of one kind; pictures, and curves over something, have no columns.
    """
    names, rows = _columns(caption, items), []
    for item in items:
        match item:
            case Row(cells=cells):
                rows.append([*cells])
            case Text(words=words, marks=marks):
                rows.append([Marked(words, marks) if marks else words])
            case Lines(values=values, over=over):
                rows.append([] if over else [number(value) for value in values.reshape(-1)[:NUMBERS]])
            case Sound(samples=samples, rate=rate):
                rows.append([f"{number(len(samples) / rate)} s"])
            case Picture():
                rows.append([])
    return names, [[*row, *[""] * (len(names) - len(row))] for row in rows]


def _columns(caption: str, items: Sequence[Shown]) -> list[str]:
    match items[0]:
        case Row(names=names):
            return [*names]
        case Text() | Sound():
            return [caption]
        case Lines(over=over) if not over:
            widest = max(item.values.size for item in items if isinstance(item, Lines))
            return [f"feature {index + 1}" for index in range(min(widest, NUMBERS))]
    return []
