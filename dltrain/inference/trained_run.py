"""A trained run, opened: its checkpoint, its data, its code."""

from dltrain.assembly.data import PARTS
from dltrain.checkpoints import store
from dltrain.console import Reporter
from dltrain.data import Split, Splits
from dltrain.errors import CheckpointError, DataError
from dltrain.plugins import loading as plugins
from dltrain.runs.folder import Run


def warn_of_changed_code(run: Run, reporter: Reporter) -> None:
    """Warns where a plugin is no longer the file that the run began with."""
    for file, content in plugins.loaded.items():
        kept = run.plugins / file.name
        if kept.is_file() and kept.read_bytes() != content:
            reporter.warn(f"{file} has changed since the run began with {kept}: what follows goes by what it is now")


def part_of(run: Run, splits: Splits, name: str) -> Split:
    """Returns a part of a run's data.

    Raises:
        DataError: if there is none of this name.
    """
    part = getattr(splits, name)
    if part is None:
        parts = [each for each in PARTS if getattr(splits, each)]
        raise DataError(f"{run.path}: its dataset has no {name} part; choose one: --split {' or '.join(parts)}")
    return part


def chosen(run: Run, checkpoint: str, reporter: Reporter) -> store.Checkpoint:
    """Reads a checkpoint; in place of a damaged `last`, with a word, the one before it."""
    if checkpoint == "last":
        saved, troubles = store.latest(run)
        for trouble in troubles:
            reporter.warn(f"{trouble}; measured instead: {saved.path}")
        return saved
    try:
        return store.load(run, checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"{error}\n`--checkpoint last` measures the newest state that can be read") from None
