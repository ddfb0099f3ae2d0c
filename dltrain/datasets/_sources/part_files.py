"""Files whose names say which part of data they hold."""

from __future__ import annotations

import re
from pathlib import Path

PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev", "devel", "testa"),
    "test": ("test", "testing", "testb"),
}
"""How files of each part are called, in any case, as a word of their name: eng.testa, en_ewt-ud-dev.conllu."""


def part_of(file: Path) -> str | None:
    """Returns the part that a file's name says, by the last word for one; none where it says none."""
    words = re.split(r"[._-]", file.name.lower())
    return next((part for word in reversed(words) for part, names in PARTS.items() if word in names), None)


def name_without_part(file: Path) -> str:
    """Returns a file's name without the last word for a part: files of one are parts of the same data."""
    known = {name for names in PARTS.values() for name in names}
    words = re.split(r"([._-])", file.name.lower())
    places = [place for place, word in enumerate(words) if word in known]
    return "".join(word for place, word in enumerate(words) if place not in places[-1:])
