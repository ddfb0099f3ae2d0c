"""State on disk: atomic save, verified load, retention.

A checkpoint is one `.npz` file: every variable of the model, the optimizer and the metrics by its place (seed
generators included, which no Keras format saves), and, written last, a manifest: the names of all of them and the
trainer's own state as JSON. A single file is renamed into place at once, and its members carry CRC-32 sums that are
checked when they are read. Nothing in it is pickled or compressed: reading it takes no more memory than its size.
"""

import errno
import json
import math
import os
import re
import shutil
import zipfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from dltrain.data.size_limit import memory
from dltrain.errors import CheckpointError, TrainingError
from dltrain.runs.folder import Run, replacing
from dltrain.untrusted import Unreadable, opened, parsing, reason

AVERAGE = "average"
"""Who owns the moving averages of the model's weights, which have the names of these."""

_MANIFEST = "dltrain.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read from disk.

    Args:
        path: its file.
        arrays: the variables by name.
        state: the trainer's own state.
    """

    path: Path
    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


def save(
    run: Run, variables: dict[str, Any], state: dict[str, Any], is_best: bool, keep: int, is_planned: bool = True
) -> None:
    """Writes `step-<N>.npz`, points (`best.npz` and) `last.npz` at it, and removes what is older than `keep`.

    Args:
        run: where to.
        variables: Keras variables by name.
        state: what else the run needs to resume, JSON-serialisable; `state["step"]` names the file.
        is_best: whether this is the best state so far.
        keep: how many of the newest checkpoints to keep.
        is_planned: whether every run of this config saves here. A state that a signal or the clock asked for is named
            `extra-<N>.npz` and is removed with the next one.

    Raises:
        TrainingError: if the disk is full or the folder is gone; the earlier checkpoints are intact.
    """
    content = {"variables": list(variables), "state": state}
    # NumPy makes an array of one variable after the other: never a second copy of the whole state.
    members = {**variables, _MANIFEST: np.frombuffer(json.dumps(content).encode(), np.uint8)}
    path = _place(run, state["step"], is_planned)
    intact = _by_step(run)  # an earlier state of the same step among them, until it is replaced
    try:
        with replacing(path) as aside, aside.open("xb") as file:
            np.savez(file, allow_pickle=False, **members)
        intact = [other for other in intact if other != path]
        with zipfile.ZipFile(path) as written:  # before anything older goes
            if written.testzip() is not None:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        # Cut short between the two, the epoch is done again; the other way round, `last` would name a best that is not.
        for name in ("best", "last") if is_best else ("last",):
            _point(run.checkpoints / f"{name}.npz", path)
        for old in [*_planned(run)[:-keep], *(other for other in run.checkpoints.glob("extra-*.npz") if other != path)]:
            old.unlink(missing_ok=True)
    except OSError as error:
        words = "there is no other checkpoint.\nFree disk space, then start again"
        if intact:
            resume = f"dltrain fit --resume {run.path}"
            words = f"the previous checkpoint is intact.\nFree disk space, then resume with: {resume}"
        raise TrainingError(f"{path}: cannot be written: {error.strerror}; {words}") from None


def _point(name: Path, path: Path) -> None:
    """Gives a file a second name atomically: a hard link, or a copy where the file system has none."""
    with replacing(name) as aside:
        try:
            os.link(path, aside)
        except OSError:
            shutil.copyfile(path, aside)


def _place(run: Run, step: int, is_planned: bool = True) -> Path:
    return run.checkpoints / f"{'step' if is_planned else 'extra'}-{step:08d}.npz"


def is_planned(path: Path) -> bool:
    """Whether every run of its config saves this checkpoint."""
    return path.name.startswith("step-")


def _best(run: Run) -> Path:
    return run.checkpoints / "best.npz"


def _planned(run: Run) -> list[Path]:
    return sorted(run.checkpoints.glob("step-*.npz"))


def _order(path: Path) -> tuple[str, bool]:
    """Sort key of checkpoints: a stop at an epoch's last step comes before the checkpoint of the epoch."""
    return path.name.partition("-")[2], is_planned(path)


def _by_step(run: Run) -> list[Path]:
    return sorted([*_planned(run), *run.checkpoints.glob("extra-*.npz")], key=_order)


def load(run: Run, name: str) -> Checkpoint:
    """Reads one checkpoint whole, so that damage shows before anything is changed.

    Args:
        run: where from.
        name: "best" or "last".

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    return load_file(run.checkpoints / f"{name}.npz")


def load_file(path: Path) -> Checkpoint:
    """Reads a checkpoint by its path, whole.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    return _read(path)


def latest(run: Run) -> tuple[Checkpoint, list[str]]:
    """Reads the newest checkpoint that can be used.

    Returns:
        the checkpoint, and a line about each newer one that is damaged or missing.

    Raises:
        CheckpointError: if none can be used.
    """
    troubles: list[str] = []
    best = _best(run)  # a whole state too, which outlasts those of the last steps
    for path in [run.last_checkpoint, *reversed(_by_step(run)), *([best] if best.exists() else [])]:
        try:
            return _read(path), troubles
        except CheckpointError as error:
            troubles.append(str(error))
    if len(troubles) == 1:
        raise CheckpointError(f"{troubles[0]}; there is no other: start a new run")
    raise CheckpointError("\n".join([*troubles, "none of its checkpoints can be used: start a new run"]))


def steps(run: Run) -> list[int]:
    """Returns after which steps there is a planned checkpoint, in their order."""
    found = (re.fullmatch(r"step-(\d+)\.npz", path.name) for path in _planned(run))
    return [int(match[1]) for match in found if match]


def load_step(run: Run, step: int) -> Checkpoint:
    """Reads the planned checkpoint after a step.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    return _read(_place(run, step))


def latest_planned(run: Run, before: float = math.inf) -> Checkpoint | None:
    """Reads the newest planned checkpoint that can be used; none where there is none.

    Args:
        run: where from.
        before: only checkpoints of fewer steps than this.
    """
    for step in reversed(steps(run)):
        if step < before:
            with suppress(CheckpointError):
                return load_step(run, step)
    return None


def make_newest(run: Run, saved: Checkpoint) -> bool:
    """Makes a checkpoint the newest of its run: moves `best` and `last` to it, and sets damaged files aside.

    A damaged file gets another suffix. States beyond the checkpoint are removed: the run will reach them again.

    Args:
        run: whose lock this process holds.
        saved: the checkpoint that the run resumes from.

    Returns:
        whether the best state that `saved` names still exists; otherwise `best` is now `saved` itself.
    """
    best = next((path for path in [_best(run), *_by_step(run)] if _is_best_of(path, saved)), None)
    origin = own_name(run, saved)
    if origin != saved.path and not _is_good(origin):
        if origin.exists():  # a copy, where a file has one name
            origin.replace(origin.with_suffix(".damaged"))
        _point(origin, saved.path)
    _point(_best(run), best or origin)
    _point(run.last_checkpoint, origin)
    for path in _by_step(run):
        if not _is_good(path):
            path.replace(path.with_suffix(".damaged"))
        elif _order(path) > _order(origin):
            path.unlink()
    return best is not None


def own_name(run: Run, saved: Checkpoint) -> Path:
    """Returns the name of a checkpoint that contains its step: not `last` or `best`, which later name other files."""
    if saved.path not in (run.last_checkpoint, _best(run)):
        return saved.path
    names = [_place(run, saved.state["step"], planned) for planned in (True, False)]
    there = [name for name in names if name.exists()]
    return next((name for name in there if name.samefile(saved.path)), (there or names)[0])


def _is_best_of(path: Path, saved: Checkpoint) -> bool:
    """Whether a file holds the state that `saved` calls the best."""
    try:
        state = _read(path).state
    except CheckpointError:
        return False
    best = saved.state.get("best")
    # States of later steps name the same best epoch, but hold other weights.
    return not isinstance(best, dict) or all(state.get(key) == best.get(key) for key in ("step", "epoch"))


def _is_good(path: Path) -> bool:
    try:
        _read(path)
    except CheckpointError:
        return False
    return True


def _read(path: Path) -> Checkpoint:
    try:
        with parsing(), opened(path, memory()) as file, zipfile.ZipFile(file) as archive:
            if sum(info.file_size for info in archive.infolist()) > path.stat().st_size:
                raise ValueError("its members overlap, or one is compressed")
            arrays = {info.filename.removesuffix(".npy"): _member(archive, info) for info in archive.infolist()}
            content = json.loads(bytes(arrays.pop(_MANIFEST)))
            if list(arrays) != content["variables"]:
                raise ValueError("a variable is missing")  # the list of members in a zip file has no checksum
            if not isinstance(content["state"]["step"], int):
                raise ValueError("its step is not a number")
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    except (OSError, Unreadable) as error:
        raise CheckpointError(f"{path}: is damaged, or not a checkpoint of dltrain: {reason(error)}") from None
    return Checkpoint(path, arrays, content["state"])


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """Reads one array, unless its size is not the declared one or it could run code.

    Raises:
        ValueError: if it is not as NumPy's savez writes it.
        zipfile.BadZipFile: if its checksum is wrong.
    """
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename} is compressed")
    with archive.open(info) as file:
        shape, dtype = _header(file)
        if dtype.hasobject:
            raise ValueError(f"{info.filename} holds Python objects")
        if file.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
            raise ValueError(f"{info.filename} does not have the size that its header states")
        return np.frombuffer(file.read(), dtype).reshape(shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if is_fortran and len(shape) > 1:
        raise ValueError("an array is in Fortran order")
    return shape, dtype


def best_is_last(run: Run) -> bool:
    """Whether the best state is the newest one: both are names of the same file."""
    best, last = _best(run), run.last_checkpoint
    return best.exists() and last.exists() and best.samefile(last)


def restore(saved: Checkpoint, variables: dict[str, Any]) -> None:
    """Assigns the saved values to variables: to all of them or, if one does not fit, to none.

    Args:
        saved: a checkpoint; it may hold more variables than these (an evaluation needs no optimizer).
        variables: Keras variables by name.

    Raises:
        CheckpointError: if a variable is missing or of another shape: the checkpoint is of another model.
    """
    for name, variable in variables.items():
        came = _kind(saved.arrays[name].shape, saved.arrays[name].dtype) if name in saved.arrays else "not in it"
        wanted = _kind(variable.shape, variable.dtype)
        if came != wanted:
            raise CheckpointError(f"{saved.path}: is of another model: {variable.path} must be {wanted}, is {came}")
    for name, variable in variables.items():
        variable.assign(saved.arrays[name])


def restore_network(saved: Checkpoint, model: Any) -> None:
    """Gives a network the saved weights, or the averages of them that were kept; raises as `restore`."""
    restore(averaged(saved), named_variables(model=model.variables))


def averaged(saved: Checkpoint) -> Checkpoint:
    """Replaces the weights of a checkpoint by their moving averages, where it holds some."""
    averages = {
        name.replace(AVERAGE, "model", 1): array
        for name, array in saved.arrays.items()
        if name.startswith(f"{AVERAGE}/")
    }
    return replace(saved, arrays={**saved.arrays, **averages})


def _kind(shape: Any, dtype: Any) -> str:
    return f"of shape {tuple(shape)}, {dtype}"


def named_variables(**owners: list[Any]) -> dict[str, Any]:
    """Returns variables by a name that stays the same when the same model is built again, which Keras's do not.

    The last word of Keras's name is part of it: an optimizer's momentum is never taken for its velocity.

    Args:
        owners: lists of Keras variables by owner, for example model=model.variables.
    """
    return {
        f"{owner}/{index:04d}-{re.split('[/_]', variable.name)[-1]}": variable
        for owner, variables in owners.items()
        for index, variable in enumerate(variables)
    }
