"""A sheet to draw on, measured in pixels from its top left corner; texts from data are shown as they are.

Nothing here obeys a matplotlibrc or opens a window: the same numbers give the same bytes.
"""

from __future__ import annotations

import importlib
import io
import os.path
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from dltrain.errors import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 100
MADE_BY = "dltrain"
"""What the PNG's text chunk `Software` says, so that a later page knows which files it may replace."""

INK, FAINT, FRAME = "#1a1a1a", "#5f5f5f", "#b4b4b4"
SHADES = ("#1f4e79", "#79add6", "#d9e6f2")
"""One hue in steps of lightness: told apart in grey, and whatever colours the reader sees."""
ACCENT, PAPER = "#d55e00", "#ffffff"
"""What is set against the shades, lighter than the first and darker than the others; what is drawn on."""

BODY, SMALL, HEADING, TITLE = 10.0, 9.0, 11.5, 17.0
"""Sizes of type in points; one is 1.39 pixels."""

FAMILIES = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "Arial Unicode MS")
"""The first comes with matplotlib; the others are used where they are installed, for what it has no letters for."""


class Box(NamedTuple):
    """A part of the sheet, in pixels."""

    left: float
    top: float
    width: float
    height: float

    def below(self, pixels: float) -> Box:
        """Returns the box without so much of its top."""
        return self._replace(top=self.top + pixels, height=self.height - pixels)


class Sheet:
    """Paper to draw on; made by `paper`.

    Args:
        width: in pixels.
        height: likewise.
        letters: the code points that the fonts have.
    """

    def __init__(self, width: int, height: int, letters: frozenset[int]) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._width, self._height, self._letters = width, height, letters
        self._figure = Figure((width / DPI, height / DPI), dpi=DPI)
        self._renderer: Any = FigureCanvasAgg(self._figure).get_renderer()  # type: ignore[no-untyped-call]

    def axes(self, box: Box) -> Axes:
        """Returns axes whose frame is the box, with a line below and nothing else."""
        bottom = self._height - box.top - box.height
        axes = self._figure.add_axes(
            (box.left / self._width, bottom / self._height, box.width / self._width, box.height / self._height)
        )
        axes.spines[["top", "left", "right"]].set_visible(False)
        axes.spines["bottom"].set_color(FRAME)
        axes.tick_params(labelsize=SMALL, colors=FAINT, length=3, width=0.8)
        return axes

    def write(self, x: float, y: float, words: str, room: float, size: float = BODY, **style: Any) -> float:
        """Writes one line of text, shortened in its middle where there is too little room.

        Args:
            x: its left end, or with ha="right" its right one.
            y: its top, or with va="center" its middle.
            words: what it says.
            room: how wide it may be, in pixels.
            size: of the letters, in points.
            style: more of matplotlib's properties of text.

        Returns:
            the width that it takes, in pixels.
        """
        text = self.fitted(words, room, size, style.get("weight", "normal"))
        # By the baseline: matplotlib's "top" is that of the letters there are, so "test" would stand above "type".
        down = {"top": 0.8, "center": 0.28}[style.pop("va", "top")] * size * DPI / 72
        self._figure.text(x / self._width, 1 - (y + down) / self._height, text, size=size, **{"color": INK, **style})
        return self._wide(text, size, style.get("weight", "normal"))

    def fill(self, box: Box, color: str, edge: str | None = None) -> None:
        """Fills a box, with a line around it if it has a colour."""
        from matplotlib.patches import Rectangle

        corner = box.left / self._width, 1 - (box.top + box.height) / self._height
        size = box.width / self._width, box.height / self._height
        look: dict[str, Any] = {"facecolor": color, "edgecolor": edge, "linewidth": 0.6}
        # In shares of the sheet, not in pixels: an SVG has others than a PNG.
        self._figure.add_artist(Rectangle(corner, *size, transform=self._figure.transFigure, **look))

    def fitted(self, words: str, room: float, size: float = BODY, weight: str = "normal") -> str:
        """Returns words as they can be drawn, shortened in the middle: names often differ at both of their ends."""
        text = self._drawable(words[:500])
        if len(words) <= 500 and self._wide(text, size, weight) <= room:
            return text
        kept, most = 1, len(text)
        while kept < most:
            middle = (kept + most + 1) // 2
            kept, most = (middle, most) if self._wide(_cut(text, middle), size, weight) <= room else (kept, middle - 1)
        return _cut(text, kept)

    def wrapped(self, words: str, room: float, size: float = BODY, most: int = 3) -> list[str]:
        """Returns words in lines that fit; the last is shortened where they are more than so many."""
        lines, left = [""], words.split(" ")
        while left:
            longer = f"{lines[-1]} {left[0]}".strip()
            if lines[-1] and self._wide(self._drawable(longer), size, "normal") > room:
                if len(lines) == most:
                    lines[-1] = f"{lines[-1]} {' '.join(left)}"
                    break
                lines.append("")
            else:
                lines[-1] = longer
                left.pop(0)
        return lines

    def png(self) -> bytes:
        """Returns the sheet as a PNG that says who made it."""
        file = io.BytesIO()
        self._figure.savefig(file, format="png", dpi=DPI, metadata={"Software": MADE_BY})
        return file.getvalue()

    def svg(self, name: str) -> str:
        """Returns the sheet as an SVG drawing whose text is text.

        Args:
            name: keeps what it refers to within itself apart from that of other drawings on one page.
        """
        import matplotlib

        file = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
            self._figure.savefig(file, format="svg", metadata=nothing)
        return file.getvalue()

    def _wide(self, text: str, size: float, weight: str) -> float:
        from matplotlib.font_manager import FontProperties

        width, _, _ = self._renderer.get_text_width_height_descent(
            text, FontProperties(size=size, weight=weight), False
        )
        return width

    def _drawable(self, words: str) -> str:
        one_line = printable(words).replace("\n", "\\n").replace("\t", "\\t")
        return "".join(
            letter if ord(letter) in self._letters else letter.encode("unicode_escape").decode() for letter in one_line
        )


def _cut(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"


@contextmanager
def paper(width: int, height: int) -> Iterator[Sheet]:
    """Gives a sheet; on it $ is a letter, not the beginning of a formula."""
    matplotlib = _matplotlib()
    from matplotlib import font_manager

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        families, letters = [], set()
        for family in FAMILIES:
            with suppress(ValueError):
                file = font_manager.findfont(family, fallback_to_default=False)
                letters |= set(font_manager.get_font(file).get_charmap())
                families.append(family)
        matplotlib.rcParams.update({"font.family": families, "text.parse_math": False, "axes.unicode_minus": False})
        yield Sheet(width, height, frozenset(letters))


def font_file() -> str:
    """Returns the file of the font that comes with Matplotlib."""
    return os.path.join(_matplotlib().get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")  # noqa: PTH118


def _matplotlib() -> Any:
    """Imports Matplotlib without the `matplotlibrc` of the working directory, which may be a stranger's."""
    exists = os.path.exists
    os.path.exists = lambda path: path != "matplotlibrc" and exists(path)
    try:
        return importlib.import_module("matplotlib")
    finally:
        os.path.exists = exists


def is_ours(content: bytes) -> bool:
    """Whether the beginning of a file, a kilobyte of it, is that of a PNG that `Sheet.png` made."""
    return content.startswith(b"\x89PNG\r\n\x1a\n") and f"tEXtSoftware\0{MADE_BY}".encode() in content[:1024]
