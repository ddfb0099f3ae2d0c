"""Tables on standard output: aligned columns in a pipe, fitted and coloured in a terminal."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from dltrain.cli.arguments import echo, one_line

GAP = 2
SHORTEST = 24
"""Letters to which the first column is shortened before other columns are hidden."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        title: the heading.
        cells: one for each row.
        is_number: whether the cells are aligned to the right.
        styles: a Rich style for each cell; empty for plain text.
    """

    title: str
    cells: Sequence[str]
    is_number: bool = False
    styles: Sequence[str] = ()

    @property
    def width(self) -> int:
        """The width of the widest cell, in letters of the terminal."""
        return max(cell_len(one_line(text)) for text in (self.title, *self.cells))


def print_table(columns: Sequence[Column], expendable: Sequence[str] = (), file: TextIO | None = None) -> None:
    """Prints a table; where the terminal is too narrow, shortens the first column and then hides others.

    Args:
        columns: from left to right.
        expendable: titles of the columns that may be hidden, the first to be hidden first. Standard error names them.
        file: where to print; none for standard output.
    """
    console = Console(highlight=False, soft_wrap=True, file=file)
    kept = list(columns)
    dropped = []
    room = console.width if console.is_terminal else 10**6
    for title in expendable:
        if _others(kept) + min(kept[0].width, SHORTEST) <= room:
            break
        dropped += [title for column in kept if column.title == title]
        kept = [column for column in kept if column.title != title]
    widths = [column.width for column in kept]
    widths[0] = max(min(widths[0], room - _others(kept)), min(widths[0], 8))
    for row in range(-1, len(columns[0].cells)):
        line = Text()
        for column, width in zip(kept, widths, strict=True):
            text = shortened(one_line(column.title if row < 0 else column.cells[row]), width)
            padding = " " * (width - cell_len(text))
            style = "bold" if row < 0 else column.styles[row] if column.styles else ""
            line.append(padding if column.is_number else "").append(text, style)
            line.append(("" if column.is_number else padding) + " " * GAP)
        line.rstrip()
        console.print(line)
    if dropped:
        echo(f"hidden: the terminal is too narrow for {', '.join(dropped)}", err=True)


def print_rows(rows: Sequence[Sequence[object]], numbers: Collection[int] = ()) -> None:
    """Prints rows of cells as a table.

    Args:
        rows: of equal length, the first row the headings.
        numbers: positions of the columns that hold numbers.
    """
    heading, *cells = ([str(cell) for cell in row] for row in rows)
    columns = zip(*cells, strict=True) if cells else ([] for _ in heading)
    print_table(
        [
            Column(title, list(column), index in numbers)
            for index, (title, column) in enumerate(zip(heading, columns, strict=True))
        ]
    )


def letters_for(columns: int, longest: int) -> int:
    """Returns how wide each of so many columns may be beside a first one, so that they fit into the terminal."""
    console = Console()
    if not console.is_terminal:
        return longest
    return max(min(longest, (console.width - SHORTEST) // columns - GAP), 12)


def _others(columns: Sequence[Column]) -> int:
    return sum(column.width + GAP for column in columns[1:])


def shortened(text: str, width: int) -> str:
    """Returns a text that takes at most so many letters of the terminal, shortened in its middle."""
    if cell_len(text) <= width:
        return text
    left = set_cell_size(text, width // 2)
    return f"{left}…{set_cell_size(text[::-1], width - 1 - width // 2)[::-1]}"
