"""Markdown that shows text from data as it is: all markup in the text is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dltrain.errors import printable

LONGEST = 200
"""Letters of a word from data."""


def plain(text: object) -> str:
    """Returns a text as Markdown that shows just it, in one line."""
    shown = printable(" ".join(str(text).split()))
    if len(shown) > LONGEST:
        shown = f"{shown[: LONGEST // 2]}…{shown[-LONGEST // 2 :]}"
    escaped = re.sub(r"([\\`*_\[\]|~$])", r"\\\1", shown.replace("&", "&amp;").replace("<", "&lt;"))
    return escaped.replace(">", "&gt;").replace("://", ":&#47;&#47;").replace("@", "&#64;")


def table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Returns a table's lines; all cells are taken as plain text."""
    lines = [heading, ["---"] * len(heading)]
    cells = [[plain(cell) for cell in row] for row in (heading, *rows)]
    return [f"| {' | '.join(row)} |" for row in (cells[0], lines[1], *cells[1:])]


def code(text: str, language: str = "") -> list[str]:
    """Returns a block of code, whatever backticks it holds."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", printable(text).rstrip("\n"), fence]
