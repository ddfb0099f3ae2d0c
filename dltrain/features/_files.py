"""The files of one kind below a folder."""

from collections.abc import Collection
from pathlib import Path


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Returns the files with one of some suffixes, in any case, sorted by the names on the way to them.

    Names that start with a dot, and what is below them, are left out.
    """
    return sorted(
        file for file in folder.rglob("*") if _is_shown(file.relative_to(folder), suffixes) and file.is_file()
    )


def _is_shown(path: Path, suffixes: Collection[str]) -> bool:
    return path.suffix.lower() in suffixes and not any(name.startswith(".") for name in path.parts)
