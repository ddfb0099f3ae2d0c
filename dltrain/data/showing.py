"""What an example looks like: plain items that features make, and that pages and reports lay out."""

from __future__ import annotations

from dataclasses import dataclass

from dltrain.lazy import np


@dataclass(frozen=True)
class Picture:
    """Pixels.

    Args:
        pixels: (height, width) or (height, width, 3), uint8.
        overlay: the same with what a network looked at; none where that is not known.
        note: how values became pixels, where that does not go without saying; the same for all that are made together.
        sound: what the picture is of, where that can be heard.
    """

    pixels: np.ndarray
    overlay: np.ndarray | None = None
    note: str = ""
    sound: Sound | None = None


@dataclass(frozen=True)
class Lines:
    """Numbers in an order.

    Args:
        values: (positions,) of one line, or (positions, ..., lines), float64.
        over: what the positions are, such as steps, so that a curve over them says more than numbers; empty where
            each is a number of its own.
        weights: how much each position spoke for a network's answer, -1 to 1; none where that is not known.
    """

    values: np.ndarray
    over: str = ""
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class Text:
    """Words.

    Args:
        words: in one line or several.
        marks: the same in pieces, each with how much it spoke for a network's answer, -1 to 1; none where unknown.
        tokens: what a network sees of it; empty where that are no tokens.
    """

    words: str
    marks: tuple[tuple[str, float], ...] = ()
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        names: of the columns, the same for all that are made together.
        cells: what stands in them.
    """

    names: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Sound:
    """A recording.

    Args:
        samples: -1 to 1, (samples,) or (samples, channels), float32.
        rate: samples per second.
    """

    samples: np.ndarray
    rate: int


Shown = Picture | Lines | Text | Row | Sound
