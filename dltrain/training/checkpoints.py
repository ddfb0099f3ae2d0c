"""State on disk: atomic save, verified load, retention.

A checkpoint is one `.npz` file: every variable of the model, the optimizer and the metrics by its place (seed
generators included, which no Keras format saves), and the trainer's own state as JSON. A single file is renamed into
place at once, and its members carry CRC-32 sums that are checked when they are read; nothing in it is pickled.
"""

import json
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dltrain.errors import CheckpointError, TrainingError
from dltrain.runs.folder import Run, replacing, sync_folder

_STATE = "dltrain.json"


@dataclass(frozen=True)
class Saved:
    """A checkpoint as read from disk.

    Args:
        path: its file.
        arrays: the variables by name.
        state: the trainer's own state.
    """

    path: Path
    arrays: dict[str, np.ndarray]
    state: dict[str, Any]


def save(run: Run, variables: dict[str, Any], state: dict[str, Any], is_best: bool, keep: int) -> None:
    """Writes `step-<N>.npz`, points (`best.npz` and) `last.npz` at it, and removes what is older than `keep`.

    Args:
        run: where to.
        variables: Keras variables by name.
        state: what else the run needs to go on, JSON-serialisable; `state["step"]` names the file.
        is_best: whether this is the best so far.
        keep: how many of the newest stay.

    Raises:
        TrainingError: if the disk is full or the folder gone; what was there before stands.
    """
    content = {"variables": list(variables), "state": state}
    # NumPy makes an array of one variable after the other: never a second copy of the whole state.
    members = {**variables, _STATE: np.frombuffer(json.dumps(content).encode(), np.uint8)}
    path = run.checkpoints / f"step-{state['step']:08d}.npz"
    try:
        with replacing(path) as aside, aside.open("wb") as file:
            np.savez(file, allow_pickle=False, **members)
        # Cut short between the two, the epoch is done again; the other way round, `last` would name a best that is not.
        for name in ("best", "last") if is_best else ("last",):
            _point(run.checkpoints / f"{name}.npz", path)
        for old in sorted(run.checkpoints.glob("step-*.npz"))[:-keep]:
            old.unlink()
    except OSError as error:
        raise TrainingError(
            f"{path}: cannot be written: {error.strerror}; the checkpoint before it stands.\n"
            f"Make room, then go on with: dltrain fit --resume {run.path}"
        ) from None


def _point(name: Path, path: Path) -> None:
    """Gives a file a second name at once: a hard link, or a copy where the file system has none."""
    aside = name.with_name(f".{name.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    try:
        os.link(path, aside)
    except OSError:
        shutil.copyfile(path, aside)
    aside.replace(name)
    sync_folder(name.parent)


def load(run: Run, name: str) -> Saved:
    """Reads a checkpoint whole, so that damage shows before anything is changed.

    Args:
        run: where from.
        name: "best" or "last".

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    path = run.checkpoints / f"{name}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
            arrays = {name: members[name] for name in members.files}
        content = json.loads(bytes(arrays.pop(_STATE)))
        if list(arrays) != content["variables"]:
            raise ValueError("a variable is missing")  # the zip's list of members has no checksum of its own
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    # A flipped bit in the zip's own records may ask for a password or for an unknown compression: RuntimeErrors.
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: is damaged or no checkpoint of dltrain: {error}") from None
    return Saved(path, arrays, content["state"])


def best_is_last(run: Run) -> bool:
    """Whether the best state is the newest one: where both are names of one file."""
    best, last = run.checkpoints / "best.npz", run.last_checkpoint
    return best.exists() and last.exists() and best.samefile(last)


def restore(saved: Saved, variables: dict[str, Any]) -> None:
    """Assigns the saved values to variables: all of them or, if anything does not fit, none.

    Args:
        saved: a checkpoint; it may hold more than is asked for (an evaluation needs no optimizer).
        variables: Keras variables by name.

    Raises:
        CheckpointError: if a variable is missing or of another shape: the checkpoint is of another model.
    """
    for name, variable in variables.items():
        shape = saved.arrays[name].shape if name in saved.arrays else None
        if shape != tuple(variable.shape):
            came = f"of shape {shape}" if shape is not None else "not in it"
            wanted = f"{variable.path} must be of shape {tuple(variable.shape)}"
            raise CheckpointError(f"{saved.path}: is of another model: {wanted}, is {came}")
    for name, variable in variables.items():
        variable.assign(saved.arrays[name])


def named_variables(**owners: list[Any]) -> dict[str, Any]:
    """Returns variables by a name that stays the same when the same model is built again, which Keras's do not.

    Args:
        owners: lists of Keras variables by who owns them, such as model=model.variables.
    """
    return {
        f"{owner}/{index:04d}": variable
        for owner, variables in owners.items()
        for index, variable in enumerate(variables)
    }
