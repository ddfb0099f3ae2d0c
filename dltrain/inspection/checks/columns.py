"""Columns that say nothing, say it twice, or that float32 cannot hold."""

from __future__ import annotations

from collections.abc import Iterator

from dltrain.inspection import digests
from dltrain.inspection.findings import Finding, check
from dltrain.inspection.subject import PLAIN, Subject
from dltrain.lazy import np

TINY, HUGE = 1e-7, 1e6
"""Standard deviations beyond which a feature is not normalised as it should be: Keras divides by 1e-7 at least, and
float32 keeps seven digits."""
COARSE = 1e5
"""How many standard deviations the mean may be away from 0 before float32 blurs the differences."""
ROWS = 10_000
"""Training examples in which columns are compared first; what differs there need not be read to the end."""


@check(brief=False)
def constant(subject: Subject) -> Iterator[Finding]:
    """Columns that are the same in each training example."""
    if not subject.is_table:
        return
    inputs = subject.splits.train.inputs
    sample, _ = subject.table(ROWS)
    same = [
        index for index in np.flatnonzero((sample == sample[0]).all(axis=0)).tolist()
        if _plain(subject, index) and (inputs[:, index] == sample[0, index]).all()
    ]  # fmt: skip
    if same:
        yield Finding(
            "constant columns",
            "note",
            f"{_columns(len(same), 'is', 'are')} the same in all training examples",
            tuple(subject.column(index) for index in same),
            "leave them out: nothing can be learnt of them",
        )


@check(brief=False)
def repeated(subject: Subject) -> Iterator[Finding]:
    """Columns that equal another one in each training example."""
    if not subject.is_table:
        return
    inputs = subject.splits.train.inputs
    sample, _ = subject.table(ROWS)
    first: dict[int, int] = {}
    pairs = []
    for index, digest in enumerate(digests.of_rows(np.ascontiguousarray(sample.T)).tolist()):
        if not _plain(subject, index) or (sample[:, index] == sample[0, index]).all():
            continue
        other = first.setdefault(digest, index)
        if other != index and (inputs[:, index] == inputs[:, other]).all():
            pairs.append((index, other))
    if pairs:
        yield Finding(
            "duplicate columns",
            "note",
            f"{_columns(len(pairs), 'equals', 'equal')} another one in all training examples",
            tuple(f"{subject.column(index)} = {subject.column(other)}" for index, other in pairs),
            "leave one of each pair out",
        )


@check(brief=True)
def deviations(subject: Subject) -> Iterator[Finding]:
    """Features and targets whose scale float32 or the normalisation cannot cope with."""
    mean, deviation = subject.spec.mean, subject.spec.standard_deviation
    features = [
        (subject.column(index) if subject.is_table else f"channel {index}", *values)
        for index, values in enumerate(zip(mean or (), deviation or (), strict=True))
        if not (subject.spec.columns and subject.spec.columns[index].categories)
    ]
    targets = [(f"target {target.name!r}", target.mean, target.standard_deviation) for target in subject.spec.numbers]
    tiny = [row for row in features + targets if row[2] < TINY]
    # Targets are predicted in their own units, through a layer that takes any scale but one that vanishes.
    huge = [row for row in features if row[2] > HUGE]
    coarse = [row for row in features + targets if TINY <= row[2] != 1 and abs(row[1]) > COARSE * row[2]]
    for kind, found, why in (
        ("tiny deviation", tiny, f"below {TINY:g}, which counts as constant"),
        ("huge deviation", huge, f"above {HUGE:g}: outliers, or an odd unit"),
        ("coarse values", coarse, f"below 1/{COARSE:,.0f} of the mean: float32 blurs the differences"),
    ):
        if found:
            yield Finding(
                kind,
                "warning",
                f"{_columns(len(found), 'has a standard deviation', 'have standard deviations')} {why}",
                tuple(f"{name}: mean {centre:.6g}, standard deviation {spread:.3g}" for name, centre, spread in found),
                "put them into another unit (seconds since the first, not since 1970), or leave them out",
            )


@check(brief=True)
def not_numbers(subject: Subject) -> Iterator[Finding]:
    """NaN and infinite values among inputs and targets."""
    places = []
    for name, part in subject.parts.items():
        wrong = ~np.isfinite(part.targets).reshape(len(part), -1).all(axis=1)
        # One NaN makes the mean one: the training part need not be read in a hurry.
        seen = np.isfinite(subject.spec.mean or ()).all() and name == "train" and isinstance(part.inputs, np.ndarray)
        if np.dtype(part.inputs.dtype).kind == "f" and not seen and subject.is_small:
            for start in range(0, len(part), 1024):
                rows = np.asarray(part.inputs[start : start + 1024])
                wrong[start : start + 1024] |= ~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
        places += [subject.place(name, index) for index in np.flatnonzero(wrong).tolist()]
    if places:
        yield Finding(
            "not a number",
            "warning",
            f"{len(places):,} examples hold NaN or infinite values: one is enough to make every weight NaN",
            tuple(places),
            "fill them in, or leave these examples out",
        )


@check(brief=True)
def constant_target(subject: Subject) -> Iterator[Finding]:
    """Numbers to predict that are always the same."""
    if not subject.spec.numbers:
        return
    values = subject.splits.train.targets
    same = np.flatnonzero((values == values[0]).all(axis=0)).tolist()
    if same:
        yield Finding(
            "constant target",
            "warning",
            f"{len(same)} targets are the same in all training examples: nothing can be learnt",
            tuple(f"target {subject.spec.numbers[index].name!r}: {values[0, index]:g}" for index in same),
            "check dataset.target and dataset.split",
        )


def _plain(subject: Subject, index: int) -> bool:
    columns = subject.spec.columns
    return not columns or columns[index].part in PLAIN


def _columns(count: int, one: str, several: str) -> str:
    return f"1 column {one}" if count == 1 else f"{count:,} columns {several}"
