"""The cache folders of dltrain and Keras: everything in them can be made again, and may be deleted."""

import os
from pathlib import Path


def folder(purpose: str) -> Path:
    """Returns the folder for one purpose, under DLTRAIN_CACHE or in the user's cache folder; it may not exist yet."""
    if chosen := os.environ.get("DLTRAIN_CACHE"):
        return Path(chosen) / purpose
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dltrain" / purpose


def keras_folder(purpose: str) -> Path:
    """Returns the folder in which Keras 3.15 looks for what it has downloaded.

    Args:
        purpose: datasets or models.
    """
    default = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    chosen = Path(os.environ.get("KERAS_HOME", default / ".keras")).expanduser()
    return (chosen if os.access(chosen, os.W_OK) else Path("/tmp/.keras")) / purpose
