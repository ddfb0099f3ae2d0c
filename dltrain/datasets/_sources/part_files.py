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
    """Returns the part that a file's name says; none where it says none."""
    words = re.split(r"[._-]", file.name.lower())
    return next((part for part, names in PARTS.items() if {*words} & {*names}), None)


def name_without_part(file: Path) -> str:
    """Returns a file's name without the word for its part: files of one are parts of the same data."""
    known = {name for names in PARTS.values() for name in names}
    return "".join(word for word in re.split(r"([._-])", file.name.lower()) if word not in known)
