"""A page: a title, a summary, and rows of panels below each other."""

from dataclasses import dataclass
from typing import Protocol

from dltrain.figures.sheet import FAINT, HEADING, TITLE, Box, Sheet, paper

WIDTH = 1600
MARGIN, GAP = 40, 36
FACT_WIDTH, FACT_LINE = 150, 21


class Panel(Protocol):
    """Something that can be drawn in a box."""

    @property
    def height(self) -> float:
        """How high it wants to be, in pixels."""

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws itself."""


@dataclass(frozen=True)
class Row:
    """Panels beside each other, all of one width.

    Args:
        panels: from left to right.
        heading: above them, if anything.
        columns: how many panels would fill the row; none for as many as there are.
    """

    panels: tuple[Panel, ...]
    heading: str = ""
    columns: int | None = None

    @property
    def height(self) -> float:
        """In pixels, heading included."""
        return max(panel.height for panel in self.panels) + (30 if self.heading else 0)

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws the heading and the panels."""
        if self.heading:
            sheet.write(box.left, box.top, self.heading, box.width, HEADING, weight="bold")
            box = box.below(30)
        columns = self.columns or len(self.panels)
        width = (box.width - GAP * (columns - 1)) / columns
        for index, panel in enumerate(self.panels):
            panel.draw(sheet, Box(box.left + index * (width + GAP), box.top, width, box.height))


@dataclass(frozen=True)
class Page:
    """What is on a page.

    Args:
        title: what it is about.
        summary: lines of text, by name.
        rows: of panels.
    """

    title: str
    summary: dict[str, str]
    rows: tuple[Row, ...]

    def render(self) -> bytes:
        """Returns the page as a PNG, `WIDTH` pixels wide and as high as it must be."""
        room = WIDTH - 2 * MARGIN - FACT_WIDTH
        with paper(WIDTH, 1) as sheet:
            lines_by_name = {name: sheet.wrapped(words, room) for name, words in self.summary.items()}
        top = MARGIN + 48 + FACT_LINE * sum(map(len, lines_by_name.values()))
        height = top + sum(round(row.height) + GAP for row in self.rows) + MARGIN - GAP // 2
        with paper(WIDTH, height) as sheet:
            sheet.write(MARGIN, MARGIN - 8, self.title, WIDTH - 2 * MARGIN, TITLE, weight="bold")
            y = MARGIN + 36
            for name, lines in lines_by_name.items():
                sheet.write(MARGIN, y, name, FACT_WIDTH - 10, color=FAINT)
                for line in lines:
                    sheet.write(MARGIN + FACT_WIDTH, y, line, room)
                    y += FACT_LINE
            y = top + GAP // 2
            for row in self.rows:
                row.draw(sheet, Box(MARGIN, y, WIDTH - 2 * MARGIN, round(row.height)))
                y += round(row.height) + GAP
            return sheet.png()
