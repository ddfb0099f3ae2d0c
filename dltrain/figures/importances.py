"""The panel of importances: a bar for each key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dltrain.figures.panels import LINE, titled
from dltrain.figures.sheet import SHADES, Box, Sheet


@dataclass(frozen=True)
class Importances:
    """A bar for each thing.

    Args:
        title: what they are.
        note: how they were measured.
        shares: of each, 0 to 1, by its name.
    """

    title: str
    note: str
    shares: Mapping[str, float]

    @property
    def height(self) -> float:
        """In pixels."""
        return 62 + LINE * len(self.shares)

    def draw(self, sheet: Sheet, box: Box) -> None:
        """Draws names, bars and numbers below each other."""
        box = titled(sheet, box, self.title, self.note)
        names, numbers = 0.5 * box.width, 60
        room = box.width - names - numbers
        for index, (name, share) in enumerate(self.shares.items()):
            top = box.top + LINE * index
            sheet.write(box.left, top, name, names - 10)
            sheet.fill(Box(box.left + names, top + 2, max(room * share, 1), LINE - 9), SHADES[0])
            sheet.write(box.left + box.width, top, f"{share:.0%}", numbers, ha="right")
