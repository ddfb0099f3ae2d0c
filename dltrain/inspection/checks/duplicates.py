"""Checks for examples that occur twice, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from dltrain.data import Finding, Severity, digests
from dltrain.data.trees import Tree, leaves, taken
from dltrain.inspection.findings import check
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import np

TABLE_SHARE = 0.05
"""By which rows with a copy in another part exceed what is chance in a table of few distinct rows, to be a warning."""
PAIRS = 20
"""Equal rows, besides those of the most frequent target, from which on no other target among them is no chance."""


@check(brief=True)
def leaks(data: InspectedData) -> Iterator[Finding]:
    """Examples that are in two parts: what is measured on them is memory."""
    if not (data.is_small and data.has_repeats):
        return
    for first, second in combinations(data.parts, 2):
        known, others = data.digests[first], data.digests[second]
        twice = np.flatnonzero(np.isin(others, known))
        if not len(twice):
            continue
        values, places = np.unique(known, return_index=True)
        originals = places[np.searchsorted(values, others[twice])]
        share = len(twice) / len(others)
        chance = _share_of_copies(known) if data.has_columns else 0.0
        pairs = taken(data.parts[second].targets, twice), taken(data.parts[first].targets, originals)
        is_chance = data.has_columns and not _is_beyond_chance(share, chance, len(others), *pairs)
        severity: Severity = "note" if is_chance else "warning"
        usual = f"; {chance:.1%} of the {first} part have a copy within it" if chance else ""
        of_part = f"of the {second} part ({share:.1%})"
        yield Finding(
            "leak",
            severity,
            f"{_examples(len(twice), f'{of_part} is', f'{of_part} are')} also in the {first} part{usual}",
            tuple(
                f"{data.place(second, index)} = {data.place(first, origin)}"
                for index, origin in zip(twice.tolist(), originals.tolist(), strict=True)
            ),
            "rows with few distinct values may be equal by chance; if they are copies, delete them"
            if is_chance
            else "delete the copies, so that each example is in one part only",
        )


def _share_of_copies(known: np.ndarray) -> float:
    """Returns how many examples have an equal one among the others: as many as fresh ones would have by chance."""
    _, groups, sizes = np.unique(known, return_inverse=True, return_counts=True)
    return float((sizes[groups] > 1).mean())


def _is_beyond_chance(share: float, chance: float, count: int, targets: Tree, others: Tree) -> bool:
    """Whether copies are more than rows of few values explain, or tell the same target without exception."""
    if share < TABLE_SHARE:
        return False
    if share - chance >= max(TABLE_SHARE, 3 * (chance * (1 - chance) / count) ** 0.5):
        return True
    digest_of_targets = digests.combined(*map(digests.of_rows, leaves(targets)))
    _, sizes = np.unique(digest_of_targets, return_counts=True)
    return len(digest_of_targets) - sizes.max() >= PAIRS and bool(_are_equal(targets, others).all())


def _are_equal(targets: Tree, others: Tree) -> np.ndarray:
    """Returns which examples have the same targets, (examples,), bool; NaN is not the same as NaN."""
    found = []
    for one, other in zip(leaves(targets), leaves(others), strict=True):
        if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
            found.append((one == other).reshape(len(one), -1).all(axis=1))
        else:
            found.append(digests.of_rows(one) == digests.of_rows(other))
    return np.asarray(np.logical_and.reduce(found))


@check(brief=True)
def contradictions(data: InspectedData) -> Iterator[Finding]:
    """Examples that are there twice with different targets, and copies within the train part."""
    if not (data.is_small and data.has_repeats):
        return
    targets = data.splits.train.targets
    _, places, groups = np.unique(data.digests["train"], return_index=True, return_inverse=True)
    origin = places[groups]
    copies = np.flatnonzero(origin != np.arange(len(origin)))
    if not len(copies):
        return
    differs = ~_are_equal(taken(targets, copies), taken(targets, origin[copies]))
    for chosen, kind, severity, message, advice in (
        (copies[differs], "contradiction", "note" if data.has_columns else "warning",
         "twice in the train part, with different targets", "keep the copy with the right target"),
        (copies[~differs], "duplicates", "note",
         "twice in the train part, so counted twice", "delete the copies, unless they are intended"),
    ):  # fmt: skip
        if len(chosen):
            yield Finding(
                kind,
                severity,  # type: ignore[arg-type]
                f"{_examples(len(chosen), 'is', 'are')} {message}",
                tuple(
                    f"{data.place('train', index)} = {data.place('train', int(origin[index]))}"
                    for index in chosen.tolist()
                ),
                advice,
            )


def _examples(count: int, one: str, several: str) -> str:
    return f"1 example {one}" if count == 1 else f"{count:,} examples {several}"
