"""What is wrong or odd about data: Finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
ORDER: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first: nothing can be trained; the result will not mean what it seems to; worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or odd.

    Args:
        kind: what it is, in a word or two that scripts can go by.
        severity: error, warning or note; `strict` makes warnings errors.
        message: what was found, in one sentence.
        where: the places: files, lines, rows, columns or classes; all of them.
        advice: what to do.
    """

    kind: str
    severity: Severity
    message: str
    where: tuple[str, ...] = ()
    advice: str = ""

    @property
    def line(self) -> str:
        """The finding in one line, with the first of its places."""
        place = f" ({self.where[0]}{', ...' if len(self.where) > 1 else ''})" if self.where else ""
        return f"{self.message}{place}; {self.advice}"
