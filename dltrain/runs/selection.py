"""Selecting and ordering runs by names, conditions and keys."""

import os
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dltrain.errors import RunError
from dltrain.runs import folder
from dltrain.runs.listing import Entry, entry, is_run

ORDERS = ("newest", "best", "name", "model", "data", "epochs", "time", "status")
"""Orders by name; any other key of `values` orders as well."""
_LARGEST_FIRST = ("epochs", "time")
_PARTS = ("validation", "test")
_LONGEST = 60
"""Letters of a value that changed."""


def values(entry: Entry) -> dict[str, Any]:
    """Returns what runs can be filtered and sorted by: columns, metrics such as test.accuracy, keys of the config."""
    best = entry.best
    plain = entry.to_plain()
    measured = {f"{part}.{name}": value for part in _PARTS for name, value in (entry.summary.get(part) or {}).items()}
    columns = {key: plain[key] for key in ("name", "model", "data", "task", "status", "epochs")}
    return {**entry.settings, **measured, **columns, "time": entry.seconds, "best": best and best["value"]}


def select(found: Sequence[Entry], words: Sequence[str], where: Sequence[str]) -> list[Entry]:
    """Returns the runs that match all words and conditions.

    Args:
        found: the runs.
        words: parts of the name, model, data or status.
        where: KEY=VALUE, of the keys of `values`.

    Raises:
        RunError: if a condition is not of this form, or of a key that no run has.
    """
    chosen = list(found)
    for word in words:
        chosen = [each for each in chosen if any(word.casefold() in text.casefold() for text in _texts(each))]
    for condition in where:
        key, equals, wanted = condition.partition("=")
        if not equals:
            raise RunError(f"--where must be KEY=VALUE, such as model=resnet, got {condition!r}")
        _require(key, found, "--where")
        chosen = [each for each in chosen if _is_equal(values(each).get(key), wanted)]
    return chosen


def order(found: Sequence[Entry], key: str) -> list[Entry]:
    """Returns the runs by a key: the newest, the best, the longest first, others as they rise.

    Raises:
        RunError: if no run has the key.
    """
    if key == "newest":
        return sorted(found, key=lambda each: -each.changed)
    if key == "best":
        monitors = [each.best["monitor"] for each in found if each.best]
        return sorted(found, key=lambda each: _rank(each, monitors))
    _require(key, found, "--sort")
    part, _, metric = key.partition(".")
    measured = [each for each in found if metric in (each.summary.get(part) or {})] if part in _PARTS else []
    # As the newest run says; one of an earlier version does not.
    telling = max(measured, key=lambda each: (bool(each.directions), each.changed), default=None)
    is_larger = telling is not None and telling.is_better_larger(metric)
    sign = -1 if key in _LARGEST_FIRST or is_larger else 1
    return sorted(found, key=lambda each: _sortable(values(each).get(key), sign))


def resolve(references: Sequence[str], root: Path) -> list[Entry]:
    """Returns the runs that the user means, each once: folders, names, stems, and patterns such as cnn-seed*.

    A name of which there are only runs of several seeds or folds (`fit --seeds`, `--folds`) means the newest of each.

    Raises:
        RunError: if one of the references means none.
    """
    return [each for found in resolve_each(references, root) for each in found]


def resolve_each(references: Sequence[str], root: Path) -> list[list[Entry]]:
    """Returns the same runs by reference; a run that several mean is that of the first."""
    seen: set[str] = set()
    found = []
    for reference in references:
        paths = {os.path.realpath(path): path for path in reversed(_paths(reference, root))}
        found.append([entry(folder.Run(path)) for real, path in reversed(paths.items()) if real not in seen])
        seen |= paths.keys()
    return found


def _paths(reference: str, root: Path) -> list[Path]:
    if "*" not in reference or Path(reference).exists():
        return _members(reference, root) or [_one(reference, root)]
    named = [each.name for each in root.iterdir() if is_run(each)] if root.is_dir() else []
    matching = sorted(name for name in named if fnmatchcase(name, reference))
    if not matching:
        raise RunError(f"no run in {root}/ matches {reference!r}")
    return [root / name for name in matching]


def _members(reference: str, root: Path) -> list[Path]:
    """Returns the newest run of each seed or fold of a name; none where the name means a run by itself."""
    if any(is_run(path) for path in (Path(reference), root / reference)) or folder.newest(root, reference):
        return []
    pattern = re.compile(re.escape(reference) + r"-((?:seed|fold)(\d+))-\d{3,}")
    stems = {match[1]: int(match[2]) for run in folder.all_runs(root) if (match := pattern.fullmatch(run.name))}
    newest = [folder.newest(root, f"{reference}-{stem}") for stem in sorted(stems, key=lambda stem: stems[stem])]
    return [run.path for run in newest if run]


def _one(reference: str, root: Path) -> Path:
    """Returns the folder of a run, also of one that `folder.find` would refuse: damaged, or without a config."""
    for path in (Path(reference), root / reference):
        if reference not in ("", ".", "..") and is_run(path):
            return path
    return folder.find(reference, root).path


def _texts(entry: Entry) -> list[str]:
    plain = entry.to_plain()
    return [str(plain[key] or "") for key in ("name", "model", "data", "status")]


def _require(key: str, found: Sequence[Entry], option: str) -> None:
    keys = {key: None for each in found for key in values(each)}
    if found and key not in keys:
        near = get_close_matches(key, [*ORDERS, *keys], n=1)
        words = f', did you mean "{near[0]}"?' if near else "; `dltrain show RUN` shows the keys of a config"
        raise RunError(f"{option}: no run has the key {key!r}{words}")


def _is_equal(value: Any, wanted: str) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(wanted) == value
        except ValueError:
            return False
    return spelled(value).casefold() == wanted.casefold()


def change_lines(changes: Mapping[str, Sequence[Any]]) -> list[str]:
    """Returns what changed when a run resumed, as YAML: "optimizer.learning_rate: 0.1 -> 0.01".

    Args:
        changes: the value before and after, by key path.
    """

    def short(value: Any) -> str:
        text = spelled(value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

    return [f"{key}: {short(old)} -> {short(new)}" for key, (old, new) in changes.items()]


def spelled(value: Any) -> str:
    """Returns a value of a config as YAML in one line."""
    if isinstance(value, list):
        return f"[{', '.join(spelled(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {spelled(item)}' for key, item in value.items())}}}"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _rank(entry: Entry, monitors: list[str]) -> tuple[Any, ...]:
    """What the best sort by: runs that are measured by the same column stand together, those of the commonest first."""
    if (best := entry.best) is None:
        return (1,)
    sign = -1 if entry.larger_is_better else 1
    return 0, -monitors.count(best["monitor"]), best["monitor"], sign * best["value"]


def _sortable(value: Any, sign: int) -> tuple[Any, ...]:
    if value is None:
        return (2,)
    return (0, sign * value) if isinstance(value, int | float) else (1, spelled(value).casefold())
