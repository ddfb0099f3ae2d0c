"""Curves drawn in letters: Braille dots, eight to a cell, or a mark for each curve where there are no colours.

Standard library only: a terminal shows them at once.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Cell = tuple[str, int | None]
"""A letter, and the curve that it belongs to; none for scales."""

MARKS = "*o+x#@%&"
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of the dots in a Braille cell: column, then row from above."""
_LABEL = 9
LOG_FROM = 30.0
"""Ratio of the largest to the smallest value from which on a scale is logarithmic."""


def is_logarithmic(values: Sequence[float]) -> bool:
    """Whether a logarithmic scale shows the values better."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > LOG_FROM


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    is_logarithmic: bool = False

    def share(self, value: float) -> float:
        """Returns where a value lies, 0 to 1."""
        low, high, value = (math.log(each) if self.is_logarithmic else each for each in (self.low, self.high, value))
        return (value - low) / (high - low) if high > low else 0.5

    def value(self, share: float) -> float:
        """Returns what lies there."""
        if self.is_logarithmic:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)


def draw(
    curves: Sequence[tuple[Sequence[int], Sequence[float]]],
    width: int,
    height: int,
    in_dots: bool,
    in_ascii: bool,
    over: str = "epoch",
    ends: tuple[str, str] | None = None,
) -> list[list[Cell]]:
    """Returns a plot as lines of cells.

    Args:
        curves: (epochs, values) of each; at least one value in all.
        width: letters of a line.
        height: lines, scales included.
        in_dots: in Braille dots, else in marks.
        in_ascii: with nothing but ASCII.
        over: what the values are over.
        ends: what is written at both ends of that scale; none for the first epoch and the last.
    """
    values = [value for _, ys in curves for value in ys]
    epochs = [epoch for xs, _ in curves for epoch in xs]
    y_scale = _Scale(min(values), max(values), is_logarithmic(values))
    x_scale = _Scale(min(epochs), max(epochs))
    columns, rows = max(width - _LABEL - 1, 10), max(height - 2, 3)
    fine = (2, 4) if in_dots else (1, 1)
    grid: dict[tuple[int, int], tuple[int, int]] = {}  # of each cell: its dots, and the last curve in it
    for index, (xs, ys) in enumerate(curves):
        places = [
            (
                round(x_scale.share(x) * (columns * fine[0] - 1)),
                round((1 - y_scale.share(y)) * (rows * fine[1] - 1)),
            )
            for x, y in zip(xs, ys, strict=True)
        ]
        for x, y in _joined(places):
            cell = x // fine[0], y // fine[1]
            bits = grid.get(cell, (0, 0))[0] | _DOTS[x % 2][y % 4]
            grid[cell] = bits, index
    corner, side, below = ("+", "|", "-") if in_ascii else ("└", "│", "─")
    lines: list[list[Cell]] = []
    for row in range(rows):
        # Where all values are one, there is one label.
        share = 1 - row / (rows - 1)
        is_labelled = row in (0, rows // 2, rows - 1) if y_scale.high > y_scale.low else row == rows // 2
        label = f"{y_scale.value(share):.3g}" if is_labelled else ""
        line: list[Cell] = [(label.rjust(_LABEL - 1) + " " + side, None)]
        for column in range(columns):
            bits, index = grid.get((column, row), (0, -1))
            if not bits:
                line.append((" ", None))
            else:
                line.append((chr(0x2800 + bits) if in_dots else MARKS[index % len(MARKS)], index))
        lines.append(line)
    first, last = ends or (str(min(epochs)), str(max(epochs)))
    between = over.center(max(columns - len(first) - len(last), 0)) if first != last else f" {over}"
    lines.append([(" " * _LABEL + corner + below * columns, None)])
    lines.append([(" " * (_LABEL + 1) + first + between + (last if first != last else ""), None)])
    return lines


def _joined(places: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yields the dots of the lines between places."""
    yield from places[:1]
    for (x, y), (next_x, next_y) in zip(places, places[1:], strict=False):
        steps = max(abs(next_x - x), abs(next_y - y), 1)
        for step in range(1, steps + 1):
            yield round(x + (next_x - x) * step / steps), round(y + (next_y - y) * step / steps)
