"""Files whose names say which part of data they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from dltrain.data.splits import PART_NAMES
from dltrain.errors import KeyProblem

_MORE = {"train": (), "validation": ("dev", "devel", "testa"), "test": ("testb",)}
PARTS = {part: (*names, *_MORE[part]) for part, names in PART_NAMES.items()}
"""How files of each part are called, in any case, as a word of their name: eng.testa, en_ewt-ud-dev.conllu."""


def part_of(file: Path) -> str | None:
    """Returns the part that a file's name says, by the last word for one; none where it says none."""
    words = re.split(r"[._-]", file.name.lower())
    return next((part for word in reversed(words) for part, names in PARTS.items() if word in names), None)


def one_of_each(files: Iterable[Path], place: Path, example: str, otherwise: str) -> dict[str, Path]:
    """Returns the file of each part, in the order of the parts; files whose names say none are left out.

    Args:
        files: the files.
        place: where they are, for messages.
        example: how the names of those to train on say so.
        otherwise: what to do, beside keeping one, where there are two of a part.

    Raises:
        KeyProblem: if there is none to train on, or there are two of a part.
    """
    found: dict[str, Path] = {}
    for file in files:
        if (part := part_of(file)) is None:
            continue
        if part in found:
            words = f"has two files for the {part} part, {found[part].name} and {file.name}"
            raise KeyProblem("path", f"{words}, in {place}: keep one, or {otherwise}")
        found[part] = file
    if "train" not in found:
        raise KeyProblem("path", f"has no file to train on, with the word {example}, in {place}")
    return {part: found[part] for part in PARTS if part in found}


def name_without_part(file: Path) -> str:
    """Returns a file's name without the last word for a part: files of one are parts of the same data."""
    known = {name for names in PARTS.values() for name in names}
    words = re.split(r"([._-])", file.name.lower())
    places = [place for place, word in enumerate(words) if word in known]
    return "".join(word for place, word in enumerate(words) if place not in places[-1:])
