"""Checks of class frequencies: missing, rare and imbalanced classes."""

from __future__ import annotations

from collections.abc import Iterator

from dltrain.data import Finding, Groups
from dltrain.inspection.findings import check
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import np

FEW = 10
"""Training examples below which a class is hardly learnt."""
IMBALANCE = 10
"""How often the largest class may occur for one example of the smallest."""


@check(brief=True)
def missing(data: InspectedData) -> Iterator[Finding]:
    """Classes without an example in a part, or with a single one in all parts."""
    for groups in data.groups:
        names = groups["train"].names
        counts = {part: found.counts for part, found in groups.items()}
        total = sum(counts.values(), np.zeros(len(names), int))
        if not groups["train"].are_everywhere:
            continue
        alone = np.flatnonzero(total == 1)
        if len(alone):
            yield Finding(
                "single example",
                "warning",
                f"{_classes(len(alone))} a single example, which can be trained on or measured, never both",
                tuple(f"{names[label]}: {_only(data, groups, label)}" for label in alone.tolist()),
                "add examples, or drop the class",
            )
        for part, found in counts.items():
            lacking = np.flatnonzero((found == 0) & (total != 1))
            if not len(lacking):
                continue
            what = "cannot be learnt" if part == "train" else "is not measured"
            yield Finding(
                "missing class",
                "warning",
                f"{_classes(len(lacking))} no example in the {part} part; without one a class {what}",
                tuple(names[label] for label in lacking),
                "add examples" if part == "train" else f"add examples, or make the {part} part larger",
            )


def _only(data: InspectedData, groups: dict[str, Groups], label: int) -> str:
    for part, found in groups.items():
        members = found.positions(label)
        if len(members):
            return data.place(part, int(members[0]))
    raise ValueError(f"no example of {label}")


@check(brief=False)
def few(data: InspectedData) -> Iterator[Finding]:
    """Classes with few training examples."""
    for groups in data.groups:
        found, names = groups["train"].counts, groups["train"].names
        total = sum((part.counts for part in groups.values()), np.zeros(len(names), int))
        scarce = np.flatnonzero((found > 0) & (found < FEW) & (total > 1))  # a single example is a finding of its own
        if len(scarce):
            yield Finding(
                "few examples",
                "note",
                f"{_classes(len(scarce))} fewer than {FEW} training examples",
                tuple(f"{names[label]}: {found[label]}" for label in scarce[np.argsort(found[scarce], kind="stable")]),
                "add examples, or merge classes",
            )


@check(brief=False)
def imbalance(data: InspectedData) -> Iterator[Finding]:
    """Classes of very different frequency, where each example has one."""
    for groups in data.groups:
        if not groups["train"].are_exclusive:
            continue
        found, names = groups["train"].counts, groups["train"].names
        present = np.flatnonzero(found)
        most, least = present[found[present].argmax()], present[found[present].argmin()]
        if found[most] >= IMBALANCE * found[least]:
            yield Finding(
                "imbalance",
                "note",
                f"the largest class is {found[most] / found[least]:.0f} times the smallest in the train part: "
                "accuracy alone hides errors on the small classes",
                (f"{names[most]}: {found[most]}", f"{names[least]}: {found[least]}"),
                "set task.class_weights=balanced, and measure f1 or auc too",
            )


def _classes(count: int) -> str:
    return "1 class has" if count == 1 else f"{count} classes have"
