"""Digests of the trained weights that a run was built on, so that a repetition notices if they have changed."""

import hashlib
from pathlib import Path

import numpy as np

from dltrain.checkpoints import store
from dltrain.config.experiment import Experiment
from dltrain.console import Reporter
from dltrain.data.size_limit import memory
from dltrain.digest import digest
from dltrain.errors import UserError
from dltrain.runs.folder import Run
from dltrain.untrusted import opened, reason

KEY = "built_on"
"""Their key in environment.json."""


def built_on(experiment: Experiment, run: Run, reporter: Reporter) -> dict[str, str]:
    """Returns the digest of the weights that each key of an experiment names; warns where a resumed run gets others.

    Args:
        experiment: what is trained, with full paths.
        run: its folder; in a resumed run the digest of `model.weights` stays as it was: the weights are not read again.
        reporter: for the warning.

    Raises:
        UserError: if they cannot be read.
    """
    before = recorded(run)
    found = {key: value for key, value in before.items() if key == "model.weights"}
    if not run.environment.exists() and isinstance(experiment.model.weights, Path):
        found["model.weights"] = _of_initial(experiment.model.weights, experiment)
    if experiment.teacher is not None:
        found["teacher.run"] = now = digest_of(experiment.teacher.run)
        if before.get("teacher.run", now) != now:
            words = "what follows is another experiment"
            reporter.warn(f"the weights of {experiment.teacher.run} have changed since the run began: {words}")
    return found


def sources(experiment: Experiment) -> dict[str, str]:
    """Returns the digest of the weights that each key of an experiment names now; raises as `built_on`."""
    weights, teacher = experiment.model.weights, experiment.teacher
    found = {"model.weights": _of_initial(weights, experiment)} if isinstance(weights, Path) else {}
    return found | ({"teacher.run": digest_of(teacher.run)} if teacher is not None else {})


def digest_of(path: Path) -> str:
    """Returns a digest of 32 letters: of a run's best weights, or of a whole file."""
    if path.is_file() and path.suffix != ".npz":
        return _of_file(path)
    saved = store.load_file(path) if path.is_file() else store.load(Run(path), "best")
    arrays = store.averaged(saved).arrays
    # Not of the file: it says how long the training took, too.
    parts = [f"{name} {digest(arrays[name])}" for name in sorted(arrays) if name.startswith("model/")]
    return _of_lines(parts)


def _of_initial(path: Path, experiment: Experiment) -> str:
    """Returns a digest of the weights that a network begins with: of its own files, where it reads such."""
    if not experiment.model.reads(path):
        return digest_of(path)
    try:
        return _of_lines([f"{file.name} {_of_file(file)}" for file in experiment.model.weight_files(path)])
    except OSError as error:
        raise UserError(f"model.weights: {error.filename} cannot be read: {reason(error)}") from None


def _of_file(path: Path) -> str:
    with opened(path, memory()) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _of_lines(lines: list[str]) -> str:
    return digest(np.frombuffer("\n".join(lines).encode(), np.uint8))


def recorded(run: Run) -> dict[str, str]:
    """Returns the digests that a run's environment.json holds, by key; nothing where they cannot be read."""
    found = run.read_environment().get(KEY)
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
