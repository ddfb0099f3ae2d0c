"""Comparing runs: how their configs and metrics differ; runs that differ only in the seed or fold are one group."""

import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dltrain.errors import RunError
from dltrain.runs.listing import FOLD, Entry
from dltrain.runs.seed_noise import Verdict, judge

PARTS = ("test", "validation", "best")
"""What is compared: measured with the best weights, or, of runs that are not done, the best epoch so far."""
_OWN = ("name", "seed")


@dataclass(frozen=True)
class Group:
    """Runs of one config, seed or fold apart; or those that were named together.

    Args:
        label: what they are called together.
        entries: the runs, by fold, or by seed where there are no folds.
        repeats: runs whose seed or fold is in the group already; the newest counts.
    """

    label: str
    entries: list[Entry]
    repeats: list[Entry]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The config, without what is each run's own."""
        return _shared(self.entries[0])

    @property
    def seeds(self) -> list[int]:
        """The fold of each, or its seed where there are no folds."""
        return [_number(each) for each in self.entries]

    def measured(self, part: str) -> dict[str, dict[int, float]]:
        """Returns each metric's value by seed or fold, of the runs that have one."""
        found: dict[str, dict[int, float]] = {}
        for seed, each in zip(self.seeds, self.entries, strict=True):
            best = each.best
            metrics = ({best["monitor"]: best["value"]} if best else {}) if part == "best" else each.summary.get(part)
            for name, value in (metrics or {}).items():
                if value is not None:
                    found.setdefault(name, {})[seed] = value
        return found

    def to_plain(self) -> dict[str, Any]:
        """Returns it for `--json`."""
        return {"label": self.label, "runs": [str(each.run.path) for each in self.entries], "seeds": self.seeds}


@dataclass(frozen=True)
class Measured:
    """One metric, measured for all groups.

    Args:
        part: of `PARTS`.
        metric: its name.
        values: by seed, of each group; empty where it was not measured.
        verdicts: each group beside the first; none where one of the two was not measured.
        is_comparable: whether all were measured on the same examples.
    """

    part: str
    metric: str
    values: list[dict[int, float]]
    verdicts: list[Verdict | None]
    is_comparable: bool = True

    @property
    def name(self) -> str:
        """The part and the metric, such as "test accuracy"."""
        return f"{self.part} {self.metric}"

    def to_plain(self) -> dict[str, Any]:
        """Returns it for `--json`."""
        return {
            "part": self.part,
            "metric": self.metric,
            "groups": [_spread(values) for values in self.values],
            "comparable": self.is_comparable,
            "verdicts": [verdict and verdict.to_plain() for verdict in self.verdicts],
        }


@dataclass(frozen=True)
class Comparison:
    """The result of comparing runs.

    Args:
        groups: in the order in which they were named.
        config: the values of each key that differs, one for each group; none where it has no such key.
        measured: the metrics.
        headline: the one of them that matters most; none where there is none.
        notes: what makes the comparison less than it seems.
    """

    groups: list[Group]
    config: dict[str, list[Any]]
    measured: list[Measured]
    headline: Measured | None
    notes: list[str]

    def to_plain(self) -> dict[str, Any]:
        """Returns it for `--json`."""
        return {
            "groups": [group.to_plain() for group in self.groups],
            "config": self.config,
            "metrics": [measured.to_plain() for measured in self.measured],
            "headline": self.headline and {"part": self.headline.part, "metric": self.headline.metric},
            "notes": self.notes,
        }


def compare(entries: Sequence[Entry], together: Sequence[Sequence[Entry]] = ()) -> Comparison:
    """Compares runs.

    Args:
        entries: the runs.
        together: runs that were named by one word, such as a pattern: a group, even if their configs differ. With
            fewer than two such words only the configs make groups.

    Raises:
        RunError: if they are fewer than two, or if one is damaged or empty.
    """
    if len(entries) < 2:
        raise RunError(f"compare needs two runs or more, got {entries[0].run.name if entries else 'none'}")
    for each in entries:
        if each.status in ("damaged", "empty"):
            raise RunError(f"{each.run.path}: is {each.status}: {each.reason}")
    groups = _grouped(entries, together if len(together) > 1 else ())
    notes = [
        f"{each.run.name} is not counted: a newer run of {group.label} has the same {_what(each)}, {_number(each)}"
        for group in groups
        for each in group.repeats
    ]
    for group in groups:
        own = [_shared(each) for each in group.entries]
        if differing := [key for key in own[0] if any(each.get(key) != own[0][key] for each in own)]:
            notes.append(f"the runs of {group.label} differ in {', '.join(differing)}")
    for group in groups:
        notes += [
            f"{each.run.name} is {each.status}, after {each.epochs} epochs"
            for each in group.entries
            if each.status != "finished"
        ]
    tasks = list(dict.fromkeys(str(group.settings.get("task.name")) for group in groups))
    measured: list[Measured] = []
    if len(tasks) > 1:
        notes.append(f"runs of different tasks ({', '.join(tasks)}): only their configs can be compared")
    else:
        measured = _all_measured(groups, notes)
    return Comparison(groups, _differences(groups), measured, _headline(groups, measured), notes)


def _shared(entry: Entry) -> dict[str, Any]:
    """Returns the config of a run, without what is its own; a fold without its number."""
    return {
        key: FOLD.sub("fold", value) if isinstance(value, str) else value
        for key, value in entry.settings.items()
        if key not in _OWN
    }


def _number(entry: Entry) -> int:
    return entry.seed if entry.fold is None else entry.fold


def _what(entry: Entry) -> str:
    return "seed" if entry.fold is None else "fold"


def _grouped(entries: Sequence[Entry], together: Sequence[Sequence[Entry]]) -> list[Group]:
    """Returns the runs that one word named as a group if their configs are one, and else the runs of each config."""
    named = {each.run.path: number for number, runs in enumerate(together) for each in runs if len(runs) > 1}
    of_words: dict[int | None, list[Entry]] = {}
    for each in entries:
        of_words.setdefault(named.get(each.run.path), []).append(each)
    groups: list[Group] = []
    for word, members in of_words.items():
        if word is not None and not _are_apart(members):
            groups.append(_group(members, groups))
            continue
        alike: dict[str, list[Entry]] = {}
        for each in members:
            alike.setdefault(json.dumps(_shared(each), sort_keys=True), []).append(each)
        for same in alike.values():
            # Outside of a word the same run again is no repeat: what differs is what is asked for.
            is_apart = word is None and len({_number(each) for each in same}) == 1
            for some in [[each] for each in same] if is_apart else [same]:
                groups.append(_group(some, groups))
    return groups


def _are_apart(members: Sequence[Entry]) -> bool:
    """Whether two runs of one seed differ in more: then neither is a repeat of the other."""
    configs: dict[int, set[str]] = {}
    for each in members:
        configs.setdefault(_number(each), set()).add(json.dumps(_shared(each), sort_keys=True))
    return any(len(found) > 1 for found in configs.values())


def _group(members: Sequence[Entry], before: Sequence[Group]) -> Group:
    """Returns runs as one group: the newest run of each seed counts, the others are its repeats."""
    taken = [group.label for group in before]
    if len(members) == 1:
        (only,) = members
        return Group(only.run.name if only.run.name not in taken else str(only.run.path), [only], [])
    by_seed = {_number(each): each for each in sorted(members, key=lambda each: each.changed)}
    kept = [by_seed[seed] for seed in sorted(by_seed)]
    label = _label([each.run.name for each in kept], taken)
    return Group(label, kept, [each for each in members if each not in kept])


def _label(names: list[str], taken: list[str]) -> str:
    shared = os.path.commonprefix(names)
    if shared and f"{shared}*" not in taken:
        return f"{shared}*"
    return f"{names[0]} and {len(names) - 1} more"


def _differences(groups: list[Group]) -> dict[str, list[Any]]:
    keys = list(dict.fromkeys(key for group in groups for key in group.settings))
    blocks = list(dict.fromkeys(key.partition(".")[0] for key in keys))
    keys.sort(key=lambda key: blocks.index(key.partition(".")[0]))
    found: dict[str, list[Any]] = {}
    for key in keys:
        found |= _unfolded(key, [group.settings.get(key) for group in groups])
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def _unfolded(key: str, values: list[Any]) -> dict[str, list[Any]]:
    """Returns lists of as many blocks each as their keys, such as model.stages[1].filters; other values as they are."""
    lists = [value for value in values if isinstance(value, list) and all(isinstance(each, dict) for each in value)]
    if len(lists) < len(values) or len({len(each) for each in lists}) > 1:
        return {key: values}
    found = {}
    for index, blocks in enumerate(zip(*lists, strict=True)):
        for name in dict.fromkeys(name for block in blocks for name in block):
            found[f"{key}[{index}].{name}"] = [block.get(name) for block in blocks]
    return found


def _all_measured(groups: list[Group], notes: list[str]) -> list[Measured]:
    found = []
    is_done = all(each.status == "finished" for group in groups for each in group.entries)
    for part in PARTS[: 2 if is_done else 3]:
        others = _other_data(groups, part)
        of_groups = [group.measured(part) for group in groups]
        if others and any(of_groups):
            notes.append(f"the runs have different {part} data: their {part} metrics cannot be compared")
        for metric in dict.fromkeys(name for metrics in of_groups for name in metrics):
            values = [metrics.get(metric, {}) for metrics in of_groups]
            verdicts = [
                judge(values[0], each) if values[0] and each and not others and part != "best" else None
                for each in values[1:]
            ]
            found.append(Measured(part, metric, values, verdicts, not others))
    return found


def _other_data(groups: list[Group], part: str) -> bool:
    """Whether a part of the data is not the same everywhere, as its fingerprints say."""
    prints: dict[int | None, set[Any]] = {}
    are_folds = all(each.fold is not None for group in groups for each in group.entries)
    for each in (each for group in groups for each in group.entries):
        # Each fold has its own data, the same in all groups.
        prints.setdefault(each.fold if are_folds else None, set()).add((each.summary.get("data") or {}).get(part))
    return any(len(found - {None}) > 1 for found in prints.values())


def _headline(groups: list[Group], measured: list[Measured]) -> Measured | None:
    """Returns the metric that says which epoch is best, where it can be judged: of the test part, or of validation."""
    best = groups[0].entries[0].best
    monitor = best["monitor"].removeprefix("val_") if best else "loss"
    judged = [each for each in measured if any(each.verdicts)]
    # Without validation data it is the loss that is monitored, for want of anything better.
    wanted = [each for each in judged if each.metric == monitor != "loss" or each.metric != "loss" == monitor]
    return next(iter([*wanted, *judged]), None)


def _spread(values: dict[int, float]) -> dict[str, Any] | None:
    if not values:
        return None
    return {
        "mean": statistics.fmean(values.values()),
        "standard_deviation": statistics.stdev(values.values()) if len(values) > 1 else None,
        "n": len(values),
        "values": {str(seed): value for seed, value in values.items()},
    }
