"""Examples that are there twice, bit by bit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from dltrain.inspection.findings import Finding, Severity, check
from dltrain.inspection.subject import Subject
from dltrain.lazy import np

TABLE_SHARE = 0.05
"""By which rows with a copy in another part exceed what is chance in a table of few distinct rows, to be a warning."""
PAIRS = 20
"""Equal rows, besides those of the most frequent target, from which on no other target among them is no chance."""


@check(brief=True)
def leaks(subject: Subject) -> Iterator[Finding]:
    """Examples that are in two parts: what is measured on them is memory."""
    if not (subject.is_small and subject.has_repeats):
        return
    for first, second in combinations(subject.parts, 2):
        known, others = subject.digests[first], subject.digests[second]
        twice = np.flatnonzero(np.isin(others, known))
        if not len(twice):
            continue
        values, places = np.unique(known, return_index=True)
        origins = places[np.searchsorted(values, others[twice])]
        share = len(twice) / len(others)
        chance = _share_of_copies(known) if subject.is_table else 0.0
        pairs = subject.parts[second].targets[twice], subject.parts[first].targets[origins]
        is_chance = subject.is_table and not _is_beyond_chance(share, chance, len(others), *pairs)
        severity: Severity = "note" if is_chance else "warning"
        usual = f"; {chance:.1%} of the {first} part have a copy within it" if chance else ""
        yield Finding(
            "leak",
            severity,
            f"{_examples(len(twice), 'is', 'are')} of the {second} part ({share:.1%}) in the {first} part too{usual}",
            tuple(
                f"{subject.place(second, index)} = {subject.place(first, origin)}"
                for index, origin in zip(twice.tolist(), origins.tolist(), strict=True)
            ),
            "rows of few values are equal by chance; if they are copies, delete them"
            if is_chance
            else "keep each example in one part alone: delete the copies",
        )


def _share_of_copies(digests: np.ndarray) -> float:
    """Returns how many examples have an equal one among the others: as many as fresh ones would have by chance."""
    _, groups, sizes = np.unique(digests, return_inverse=True, return_counts=True)
    return float((sizes[groups] > 1).mean())


def _is_beyond_chance(share: float, chance: float, count: int, targets: np.ndarray, others: np.ndarray) -> bool:
    """Whether copies are more than rows of few values explain, or tell the same target without exception."""
    if share < TABLE_SHARE:
        return False
    if share - chance >= max(TABLE_SHARE, 3 * (chance * (1 - chance) / count) ** 0.5):
        return True
    _, sizes = np.unique(targets, axis=0, return_counts=True)
    return len(targets) - sizes.max() >= PAIRS and bool((targets == others).all())


@check(brief=True)
def contradictions(subject: Subject) -> Iterator[Finding]:
    """Examples that are there twice with different targets, and copies within the training part."""
    if not (subject.is_small and subject.has_repeats):
        return
    digests, targets = subject.digests["train"], subject.splits.train.targets
    _, places, groups = np.unique(digests, return_index=True, return_inverse=True)
    origin = places[groups]
    copies = np.flatnonzero(origin != np.arange(len(origin)))
    if not len(copies):
        return
    differs = (targets[copies] != targets[origin[copies]]).reshape(len(copies), -1).any(axis=1)
    for chosen, kind, severity, message, advice in (
        (copies[differs], "contradiction", "note" if subject.is_table else "warning",
         "there twice in training, with different targets", "keep the copy that is right"),
        (copies[~differs], "duplicates", "note",
         "there twice in training: they count double", "delete the copies, unless it is meant so"),
    ):  # fmt: skip
        if len(chosen):
            yield Finding(
                kind,
                severity,  # type: ignore[arg-type]
                f"{_examples(len(chosen), 'is', 'are')} {message}",
                tuple(
                    f"{subject.place('train', index)} = {subject.place('train', int(origin[index]))}"
                    for index in chosen.tolist()
                ),
                advice,
            )


def _examples(count: int, one: str, several: str) -> str:
    return f"1 example {one}" if count == 1 else f"{count:,} examples {several}"
