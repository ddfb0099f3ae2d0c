"""The folder of exports: files appear only when complete, and exports.json notes how each compared."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dltrain import untrusted
from dltrain.errors import TrainingError
from dltrain.runs import folder

NOTES = "exports.json"
"""What is in the folder, and what each file was found to be, for the card of the next export."""


@dataclass(frozen=True)
class Written:
    """An exported file that passed its comparison.

    Args:
        format: its name.
        path: the file, or folder.
        bytes: on the disk.
        examples: held-out ones that it was asked about.
        edge_cases: corners of the features that it was asked about, such as missing values and extremes.
        difference: the largest of an output, relative to max(1, |output|), in a forecast to the largest over its steps;
            of an edge case, to its largest |output| before the last activation, or to 1.
        agreement: share of the answers to examples that are as before; none where the difference must be none.
        agreeing_edge_cases: how many of these it answers as before; likewise. They may be beyond the range that 8-bit
            numbers have, so that the limit does not hold for them.
        limit: what `difference` may be, or `agreement` must be.
        alike: what the answers are that agree, in words.
    """

    format: str
    path: Path
    bytes: int
    examples: int
    edge_cases: int
    difference: float
    agreement: float | None
    agreeing_edge_cases: int | None
    limit: float
    alike: str = "as before"

    @property
    def words(self) -> str:
        """The result of the comparison, in words."""
        if self.agreement is None:
            asked = f"{self.examples} examples" + f" and {self.edge_cases} edge cases" * bool(self.edge_cases)
            return f"largest difference {self.difference:.1e} on {asked} (limit {self.limit:g})"
        edges = f", {self.agreeing_edge_cases} of {self.edge_cases} edge cases" * bool(self.edge_cases)
        of_answers = f"{self.agreement:.1%} of the answers to {self.examples} examples"
        return f"{of_answers} {self.alike} (limit {self.limit:.0%}){edges}"

    def to_plain(self) -> dict[str, Any]:
        """Returns it for `--json`."""
        found = {**dataclasses.asdict(self), "path": str(self.path), "words": self.words}
        del found["alike"]  # the words have it
        return found


def noted(place: Path, written: Sequence[Written], contract: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Notes what was written in `exports.json`, beside what was before.

    Returns:
        all that is there of the same weights, inputs and outputs; and the names of what else is there.
    """
    notes = place / NOTES
    try:
        with untrusted.parsing():
            known = json.loads(untrusted.content(notes, folder.MOST_BYTES))["files"]
            known = {name: each for name, each in known.items() if isinstance(each, dict) and (place / name).exists()}
    except (OSError, untrusted.Unreadable):
        known = {}
    known |= {each.path.name: {**each.to_plain(), "path": each.path.name, "contract": contract} for each in written}
    folder.write_json(notes, {"files": known})
    same = {name for name, entry in known.items() if entry.get("contract") == contract}
    return [known[name] for name in known if name in same], [name for name in known if name not in same]


def put(aside: Path, path: Path) -> None:
    """Gives what was written its name; what had it before goes."""
    if aside.is_dir():
        old = path.with_name(f".{path.stem}.old.{os.getpid()}")
        remove(old)
        if path.exists():
            path.rename(old)
        aside.rename(path)
        remove(old)
    else:
        descriptor = os.open(aside, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        aside.replace(path)
    folder.sync_folder(path.parent)


def tidy(place: Path) -> None:
    """Removes what processes that were killed had begun to write."""
    for path in place.glob(".*"):
        match = re.fullmatch(
            r"\.(?:model|model_int8|saved_model|documents|words)(?:\.old)?\.(\d+)(?:\.\w+)?", path.name
        )
        if match and not _is_alive(int(match[1])):
            remove(path)


def remove(path: Path) -> None:
    """Removes a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Says which file the disk did not take."""
    try:
        yield
    except OSError as error:
        raise TrainingError(f"{error.filename or place}: cannot be written: {error.strerror or error}") from None
