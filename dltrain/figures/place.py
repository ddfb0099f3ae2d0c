"""Where a picture may be written: a new file, or one that dltrain wrote before."""

import os
from collections.abc import Sequence
from pathlib import Path

from dltrain import untrusted
from dltrain.errors import ConfigError
from dltrain.figures.sheet import is_ours

MADE_BY = b'<meta name="generator" content="dltrain">'
"""In the beginning of a page of dltrain's own."""


def require_place(out: Path, kinds: Sequence[str] = (".png",), option: str = "--out") -> None:
    """Makes sure that a picture, or a page, may be written there.

    Raises:
        ConfigError: if it would replace what is not dltrain's, or there is no such folder.
    """
    if out.suffix.lower() not in kinds:
        raise ConfigError([f"{option} must be a file that ends in {' or '.join(kinds)}, got {out}"])
    if not out.parent.is_dir():
        raise ConfigError([f"{out}: the folder {out.parent} does not exist"])
    if not os.access(out.parent, os.W_OK):
        raise ConfigError([f"{out}: the folder {out.parent} cannot be written to; choose another with {option} FILE"])
    if out.is_symlink() or out.exists():
        beginning = b""
        if out.is_file() and not out.is_symlink():
            with untrusted.opened(out) as file:
                beginning = file.read(1024)
        if not (is_ours(beginning) or beginning.startswith(b"<!DOCTYPE html>") and MADE_BY in beginning):
            raise ConfigError(
                [
                    f"{out}: exists and was not written by dltrain, so it is not replaced; choose another with "
                    f"{option} FILE"
                ]
            )
