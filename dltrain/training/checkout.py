"""The git checkout that a run is started in: its commit, and whether files differ from it.

Git obeys the settings in a checkout's own `.git/config`, some of which name programs (fsmonitor, filters, hooks), and a
stranger's folder may bring them. So the commit is read by hand, and git is asked about changes only where each of these
settings is known to start nothing.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from dltrain import programs, untrusted

_HARMLESS = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks|autocrlf|eol"
    r"|safecrlf|abbrev|quotepath|longpaths|protectntfs|protecthfs|untrackedcache|worktree|sparsecheckout\w*)"
    r"|remote\..+\.(url|pushurl|fetch|push|tagopt|prune|mirror|gh-resolved)"
    r"|url\..+\.(insteadof|pushinsteadof)|lfs\.(repositoryformatversion|.+\.access)"
    r"|(branch|user|pull|push|advice|color|gc|init|submodule|rerere|index|extensions\.worktreeconfig)(\..+)?"
)
"""Settings that no program is started for when git looks for changes."""

_MOST_BYTES = 2**24


def here() -> dict[str, Any] | None:
    """Returns what `of` does of the working directory; none where that was removed."""
    try:
        return of(Path.cwd())
    except FileNotFoundError:
        return None


def of(folder: Path) -> dict[str, Any] | None:
    """Returns commit and `dirty` of the checkout around a folder; none outside of one, or where it cannot be read.

    Returns:
        `dirty` is none where git was not asked: there is no git, the checkout is another user's, or it has settings
        that git might start programs for.
    """
    top = next((place for place in (folder, *folder.parents) if os.path.lexists(place / ".git")), None)
    if top is None:
        return None
    try:
        inside = _inside(top)
        common = _pointed(inside, inside / "commondir") if (inside / "commondir").exists() else inside
        return {"commit": _commit(inside, common), "dirty": _is_dirty(top, inside, common)}
    except (OSError, ValueError):
        return None


def _inside(top: Path) -> Path:
    """Returns git's folder of a checkout; that of a further working tree lies elsewhere."""
    place = top / ".git"
    return place if place.is_dir() else _pointed(top, place, "gitdir: ")


def _pointed(folder: Path, file: Path, word: str = "") -> Path:
    text = _text(file)
    if not text.startswith(word):
        raise ValueError(f"{file} names no folder")
    return folder / text.removeprefix(word)


def _commit(inside: Path, common: Path) -> str:
    name = _text(inside / "HEAD")
    for _ in range(5):  # a branch may be another name of a branch
        if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name):
            return name
        reference = name.removeprefix("ref: ")
        if not re.fullmatch(r"refs/[^\0]+", reference) or ".." in reference.split("/"):
            break
        found = next((place / reference for place in (inside, common) if (place / reference).is_file()), None)
        name = _text(found) if found is not None else _packed(common, reference)
    raise ValueError("there is no commit yet")


def _packed(common: Path, reference: str) -> str:
    for line in _text(common / "packed-refs").splitlines():
        if line.endswith(f" {reference}"):
            return line.partition(" ")[0]
    return ""


def _text(path: Path) -> str:
    return untrusted.content(path, _MOST_BYTES).decode(errors="surrogateescape").strip()


def _is_dirty(top: Path, inside: Path, common: Path) -> bool | None:
    try:
        if not _is_own(top, inside, common) or not all(map(_HARMLESS.fullmatch, _settings(inside, common))):
            return None
        places = {"GIT_DIR": str(inside), "GIT_WORK_TREE": str(top), "GIT_COMMON_DIR": str(common)}
        told = programs.output_of(
            "git",
            *("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}"),
            *("status", "--porcelain", "--ignore-submodules=all"),
            folder=top,
            settings={**places, "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return bool(told.strip())


def _is_own(*places: Path) -> bool:
    """Whether a checkout is this user's, as git itself asks, or one of those that the user's `safe.directory` names."""
    if all(place.stat().st_uid == os.getuid() for place in places):
        return True
    try:
        safe = programs.output_of("git", "config", "--global", "--get-all", "safe.directory").split("\n")
    except subprocess.SubprocessError:
        return False
    return "*" in safe or str(places[0]) in safe


def _settings(inside: Path, common: Path) -> list[str]:
    """Returns the names of the settings in a checkout's own files, in small letters; without what these include."""
    names: list[str] = []
    for file in (common / "config", inside / "config.worktree"):
        if file.exists():
            untrusted.content(file, _MOST_BYTES)  # git would wait for a pipe
            words = ("config", "--file", str(file), "--no-includes", "--list", "--name-only", "-z")
            names += filter(None, programs.output_of("git", *words).lower().split("\0"))
    return names
