"""Lists of trials: two files a line, and whether they are of one identity."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dltrain.data import Ragged, Split
from dltrain.data.noticing import notice
from dltrain.datasets._sources.held_out_classes import Files
from dltrain.datasets._sources.unusable import refuse
from dltrain.errors import DataError, KeyProblem
from dltrain.features.identity import NUMBER, TRIALS
from dltrain.lazy import np
from dltrain.untrusted import content

MOST_BYTES = 2**30
_KINDS = {"1": True, "0": False, "target": True, "nontarget": False}
_ADVICE = "dataset.trials names them"


@dataclass(frozen=True)
class TrialList:
    """What a list asks.

    Args:
        files: each once, in the order in which they are first named.
        trials: the numbers of two of them, and whether they are of one identity.
    """

    files: tuple[Path, ...]
    trials: tuple[tuple[int, int, bool], ...]

    @classmethod
    def read(cls, path: Path, root: Path) -> TrialList:
        """Reads a list as VoxCeleb has them: `1 a.wav b.wav` where both are of one identity, else `0 a.wav b.wav`.

        Names may have spaces where tabs divide a line.

        Args:
            path: the list, in UTF-8.
            root: the folder that the names of files are relative to.

        Raises:
            DataError: if it is no UTF-8, or has no trial.
            KeyProblem: if there is no list, with all lines that are no trials, or name files that are not there.
        """
        try:
            text = content(path, MOST_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: must be UTF-8, got the byte 0x{error.object[error.start]:02x}") from None
        except OSError as error:
            raise KeyProblem("trials", f"cannot be read: {path}: {error.strerror}") from None
        numbers: dict[Path, int] = {}
        lines: dict[frozenset[Path], tuple[bool, int]] = {}
        trials, problems, repeats = [], [], 0
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            words = [each.strip() for each in line.split("\t")] if "\t" in line else line.split()
            if len(words) != 3 or words[0] not in _KINDS:
                problems.append(f"{path}:{number}: must be: 1 FILE FILE, or 0 FILE FILE; got {line.strip()[:80]!r}")
                continue
            is_same = _KINDS[words[0]]
            files = [plain(root / name) for name in words[1:]]
            for name, file in zip(words[1:], files, strict=True):
                if file not in numbers:
                    numbers[file] = len(numbers)
                    if not file.is_file():
                        problems.append(f"{path}:{number}: there is no file {name} in {root}")
            before, where = lines.setdefault(frozenset(files), (is_same, number))
            if files[0] == files[1]:
                problems.append(f"{path}:{number}: compares {words[1]} with itself")
            elif before != is_same:
                problems.append(f"{path}:{number}: says the opposite of line {where}")
            repeats += where != number
            trials.append((numbers[files[0]], numbers[files[1]], is_same))
        refuse(problems, "lines", key="trials")
        if not trials:
            raise DataError(f"{path}: has no trial: a line must be: 1 FILE FILE, or 0 FILE FILE")
        if repeats:
            said = f"{repeats:,} of {len(trials):,} trials are there more than once, and count as often"
            notice(said, advice=_ADVICE)
        return cls(tuple(numbers), tuple(trials))

    def as_test_part(self, found: Mapping[str, Mapping[str, list[Path]]], are_strangers: bool) -> Files:
        """Returns the files of each class of each part, with these as the test part: they are in no other.

        Args:
            found: the files that there are; those of a test part that the list does not name are left out.
            are_strangers: whether all files of classes that the list has are left out of the other parts.

        Raises:
            KeyProblem: if fewer than two classes are left to train on.
        """
        listed = {*self.files}
        owners = {plain(file): name for classes in found.values() for name, files in classes.items() for file in files}
        gone = {owners.get(file, "") for file in self.files} if are_strangers else set()
        parts: Files = {}
        for part, classes in found.items():
            if part != "test":
                left = {
                    name: [file for file in files if plain(file) not in listed]
                    for name, files in classes.items()
                    if name not in gone
                }
                parts[part] = {name: files for name, files in left.items() if files}
        if len(parts["train"]) < 2:
            raise KeyProblem("trials", f"leaves sounds of {len(parts['train'])} classes to train on, 2 are needed")
        own: dict[str, list[Path]] = {}
        for file in self.files:
            own.setdefault(owners.get(file, ""), []).append(file)
        return {**parts, "test": own}

    def say(self, before: Mapping[str, Any], after: Mapping[str, Any], trained: Sequence[str] | None) -> None:
        """Says what the list leaves of the other parts, and whether it has classes that a network knows.

        Args:
            before: the files of each class of each part without the list.
            after: with it.
            trained: the classes that a run was trained on; none for those of the train part.
        """
        had, have = ({part: each[part] for part in each if part != "test"} for each in (before, after))
        taken = _count(had) - _count(have)
        if taken and trained is None:
            left = {name for classes in have.values() for name in classes}
            gone = [name for name in before["train"] if name not in left]
            words = f", all that there is of {', '.join(gone[:3])}" if gone else ""
            notice(f"{taken:,} files are trained on no longer, for the list of trials{words}", advice=_ADVICE)
        heard = after["train"] if trained is None else trained
        if known := [name for name in after["test"] if name in heard]:
            words = f"the list of trials has files of {len(known):,} classes that are trained on, such as {known[0]}"
            more = "" if trained is None else ", perhaps of the very files"
            notice(f"{words}{more}: strangers are harder to tell apart", is_warning=True, advice=_ADVICE)

    def beside(self, test: Split) -> Split:
        """Returns the test part with the trials of its files.

        Args:
            test: of these files, or of some.
        """
        inputs: Any = test.inputs
        numbers = {file: number for number, file in enumerate(self.files)}
        own = [numbers[file] for file in inputs.paths]
        rows: dict[int, list[tuple[int, int]]] = {number: [] for number in own}
        for first, second, are_same in self.trials:
            if first in rows and second in rows:
                rows[first].append((second, int(are_same)))
        if lost := len(self.trials) - sum(map(len, rows.values())):
            words = f"{lost:,} of {len(self.trials):,} trials are left out, as one of their files cannot be used"
            notice(words, is_warning=True, advice="mend these files")
        trials = Ragged.of([np.array(rows[number], np.int64).reshape(-1, 2) for number in own], np.int64, (2,))
        return replace(test, metadata={**test.metadata, NUMBER: np.array(own, np.int64), TRIALS: trials})


def plain(file: Path) -> Path:
    """Returns a file by the one name that it has without . and .. in it."""
    return Path(os.path.normpath(file))


def _count(found: Mapping[str, Any]) -> int:
    return sum(len(files) for classes in found.values() for files in classes.values())
