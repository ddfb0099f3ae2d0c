"""The cache folders of dltrain and Keras: everything in them can be made again, and may be deleted."""

import functools
import logging
import os
import stat
from pathlib import Path

_log = logging.getLogger("dltrain")


def folder(purpose: str) -> Path:
    """Returns the folder for one purpose, under DLTRAIN_CACHE or in the user's cache folder; it may not exist yet."""
    if chosen := _chosen("DLTRAIN_CACHE"):
        return chosen / purpose
    return (_chosen("XDG_CACHE_HOME") or Path.home() / ".cache") / "dltrain" / purpose


def keras_folder(purpose: str) -> Path:
    """Returns the folder in which Keras 3.15 looks for what it has downloaded.

    Args:
        purpose: datasets or models.
    """
    default = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    chosen = _chosen("KERAS_HOME") or default / ".keras"
    return (chosen if os.access(chosen, os.W_OK) else Path("/tmp/.keras")) / purpose


def ignore_relative(variable: str) -> None:
    """Takes a variable from the environment if its folder depends on the working directory, for libraries to come."""
    if os.environ.get(variable) and _chosen(variable) is None:
        del os.environ[variable]


def is_private(place: Path) -> bool:
    """Whether a folder is this user's and nobody else may write into it, so that what it says can be believed."""
    state = place.stat()
    return state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _chosen(variable: str) -> Path | None:
    """Returns the folder that an environment variable names; none where it is relative, as in a stranger's folder."""
    value = os.environ.get(variable, "")
    path = Path(value).expanduser()
    if value and not path.is_absolute():
        _say_ignored(variable, value)
        return None
    return path if value else None


@functools.cache
def _say_ignored(variable: str, value: str) -> None:
    _log.warning("%s", f"{variable} must be an absolute path, got {value!r}: it is ignored")
