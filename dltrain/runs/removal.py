"""Removing runs and checkpoints: never a run in use, a folder that is no run, or one outside of the runs folder."""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain.errors import RunError
from dltrain.runs.folder import Run, within
from dltrain.runs.listing import Entry, is_open, is_run
from dltrain.runs.lock import is_strange, owner, owning
from dltrain.runs.selection import resolve

_OURS = {
    "config.yaml", "environment.json", "metrics.csv", "summary.json", "checkpoints", "model.keras", "log.txt",
    "plugins", "profile", "report.html", "figures", "exports", "tensorboard", "mlflow.json",
}  # fmt: skip


SEARCH = "search.yaml"
"""What a search's folder has in place of a run's config."""


@dataclass(frozen=True)
class Removal:
    """A run, or checkpoints of a run, to remove.

    Args:
        run: of which.
        status: how the run goes.
        paths: what goes: the run's folder, or files in it.
        bytes: what that frees on the disk.
        others: files in the folder that dltrain did not write, and that go with it.
    """

    run: Run
    status: str
    paths: tuple[Path, ...]
    bytes: int
    others: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the whole run is removed."""
        return self.paths == (self.run.path,)

    def to_plain(self) -> dict[str, Any]:
        """Returns it for `--json`."""
        return {"run": str(self.run.path), "paths": [str(path) for path in self.paths], "bytes": self.bytes}


def named(references: Sequence[str], root: Path) -> list[Removal]:
    """Returns whole runs by folder, full name or pattern; searches, with all of their trials, by folder or full name.

    Raises:
        RunError: if one of them is no run, lies elsewhere, or is in use.
    """
    found: dict[Path, Removal] = {}
    for reference in references:
        search = root / Path(reference).name
        if (search / SEARCH).is_file() and not search.is_symlink():
            found[search.resolve()] = Removal(Run(search), "search", (search,), _bytes(within(search)))
            continue
        for each in resolve([reference], root):
            path = each.run.path
            _require_removable(path, root)
            if "*" not in reference and path.name != Path(reference).name:
                raise RunError(f"rm needs the full name of a run: {path.name} is the newest of {reference}")
            found[path.resolve()] = _whole(each)
    return list(found.values())


def waste(found: Iterable[Entry], failed: bool, checkpoints: bool) -> list[Removal]:
    """Returns the runs that ended before there was a checkpoint, which nobody can resume.

    Args:
        found: runs.
        failed: also runs that failed and could go on from a checkpoint.
        checkpoints: also, of finished runs, checkpoints older than the newest that are not the best.
    """
    removals = []
    for each in found:
        run = each.run
        if run.path.is_symlink() or each.status == "running" or not is_open(run.path):
            continue
        is_done = each.status == "finished"
        if not is_done and ((run.saved is None and not run.model.exists()) or (failed and each.status == "failed")):
            removals.append(_whole(each))
        elif is_done and checkpoints and (old := _old_checkpoints(run)):
            removals.append(Removal(run, each.status, tuple(old), _bytes(old)))
    return removals


def remove(removal: Removal) -> None:
    """Removes the files of a `Removal`.

    Raises:
        RunError: if a process works on the run, or if something cannot be removed.
    """
    with nullcontext() if is_strange(removal.run) else owning(removal.run):
        for path in removal.paths:
            try:
                if path.is_dir():
                    shutil.rmtree(path)  # refuses a link, and removes those within without following them
                else:
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise RunError(f"{error.filename or path}: cannot be removed: {error.strerror or error}") from None
            except RecursionError:
                raise RunError(f"{path}: cannot be removed: it has too many folders within each other") from None


def _require_removable(path: Path, root: Path) -> None:
    if path.is_symlink():
        raise RunError(f"{path}: is a symbolic link, not a run's folder: remove the link yourself")
    if path.resolve().parent != root.resolve():
        raise RunError(
            f"{path}: is not in {root}/, and only runs in it are removed; "
            f"choose another folder with --runs {path.resolve().parent}"
        )
    if not is_run(path):
        raise RunError(f"{path}: is not a run folder")
    if not is_open(path):
        raise RunError(f"{path}: cannot be read: permission denied")
    if working := owner(Run(path)):
        raise RunError(f"{path}: is in use by {working}; wait until it is done, or stop it")


def _whole(each: Entry) -> Removal:
    path = each.run.path
    others = sorted(
        name for name in (item.name for item in path.iterdir()) if name not in _OURS and not name.startswith(".")
    )
    return Removal(each.run, each.status, (path,), _bytes(within(path)), tuple(others))


def _old_checkpoints(run: Run) -> list[Path]:
    """Returns checkpoints that are neither best nor last, nor the newest: `verify` replays from that."""
    kept = [run.checkpoints / "best.npz", run.last_checkpoint]
    steps = sorted(run.checkpoints.glob("step-*.npz"))
    if not all(path.is_file() for path in kept):
        return []
    kept += steps[-1:]
    there = [*steps, *run.checkpoints.glob("extra-*.npz"), *run.checkpoints.glob("*.damaged")]
    return [path for path in there if not any(path.samefile(other) for other in kept)]


def _bytes(paths: Iterable[Path]) -> int:
    """Returns how much space is free once these are gone: a file of several names counts once, and if all go."""
    names: dict[tuple[int, int], tuple[int, int, int]] = {}
    for path in paths:
        status = path.lstat()
        if path.is_dir() and not path.is_symlink():
            continue
        gone = names.get((status.st_dev, status.st_ino), (0, 0, 0))[0]
        names[status.st_dev, status.st_ino] = (gone + 1, status.st_nlink, status.st_size)
    return sum(size for gone, links, size in names.values() if gone >= links)
