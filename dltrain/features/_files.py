"""Files below a folder, and what is in those that come in a request."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any


def files_below(folder: Path, suffixes: Collection[str] | None = None) -> list[Path]:
    """Returns the files, or those with one of some suffixes in any case, sorted by the names on the way to them.

    Names that start with a dot, and what is below them, are left out.
    """
    return sorted(
        file for file in folder.rglob("*") if _is_shown(file.relative_to(folder), suffixes) and file.is_file()
    )


def content_in(raw: Mapping[str, Any], otherwise: str) -> bytes:
    """Returns the content of a file that came as {"b64": ...}.

    Args:
        raw: the object.
        otherwise: what the message says of another one.

    Raises:
        ValueError: if it is none.
    """
    if set(raw) != {"b64"} or not isinstance(raw["b64"], str):
        raise ValueError(otherwise)
    try:
        return base64.b64decode(raw["b64"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"b64 must be base64: {error}") from None


def _is_shown(path: Path, suffixes: Collection[str] | None) -> bool:
    is_asked = suffixes is None or path.suffix.lower() in suffixes
    return is_asked and not any(name.startswith(".") for name in path.parts)
