"""Checks for numbers that float32 or a network cannot handle: unsuitable scales, NaN, infinity."""

from __future__ import annotations

from collections.abc import Iterator

from dltrain.data import Finding, Ragged
from dltrain.data.trees import Array
from dltrain.inspection.findings import check
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import np

TINY, HUGE = 1e-7, 1e6
"""Standard deviations beyond which a feature is not normalised as it should be: Keras divides by 1e-7 at least, and
float32 keeps seven digits."""
COARSE = 1e5
"""How many standard deviations the mean may be away from 0 before float32 blurs the differences."""
CHUNK = 1024
"""Examples that are read at a time."""


@check(brief=True)
def deviations(data: InspectedData) -> Iterator[Finding]:
    """Features and targets whose scale float32 or the normalisation cannot cope with."""
    features, targets = ([row for each, _ in one for row in each.moments()] for one in (data.inputs, data.targets))
    tiny = [row for row in features + targets if row[2] < TINY]
    # Targets are predicted in their own units, through a layer that takes any scale but one that vanishes.
    huge = [row for row in features if row[2] > HUGE]
    coarse = [row for row in features + targets if TINY <= row[2] != 1 and abs(row[1]) > COARSE * row[2]]
    for kind, found, why in (
        ("tiny deviation", tiny, f"below {TINY:g}, which counts as constant"),
        ("huge deviation", huge, f"above {HUGE:g}: outliers, or an unsuitable unit"),
        ("coarse values", coarse, f"below 1/{COARSE:,.0f} of the mean: float32 blurs the differences"),
    ):
        if found:
            yield Finding(
                kind,
                "warning",
                f"{_columns(len(found), 'has a standard deviation', 'have standard deviations')} {why}",
                tuple(f"{name}: mean {centre:.6g}, standard deviation {spread:.3g}" for name, centre, spread in found),
                "change their unit (seconds since the first, not since 1970), or drop them",
            )


@check(brief=True)
def not_numbers(data: InspectedData) -> Iterator[Finding]:
    """NaN and infinite values among inputs and targets."""
    places = []
    for name, part in data.parts.items():
        wrong = np.zeros(len(part), bool)
        for feature, parts in data.targets:
            if not feature.may_lack:
                wrong |= _not_finite(parts[name])
        for feature, parts in data.inputs:
            # One NaN makes the mean one: the train part need not be read in a hurry.
            means = [row.mean for row in feature.moments()]
            seen = name == "train" and isinstance(parts[name], np.ndarray) and means and np.isfinite(means).all()
            if not seen and data.is_small:
                wrong |= _not_finite(parts[name])
        places += [data.place(name, index) for index in np.flatnonzero(wrong).tolist()]
    if places:
        yield Finding(
            "not a number",
            "warning",
            f"{len(places):,} examples hold NaN or infinite values: one is enough to make every weight NaN",
            tuple(places),
            "fill in the values, or drop the examples",
        )


def _not_finite(values: Array) -> np.ndarray:
    """Returns which examples hold such a value, (examples,), bool."""
    wrong = np.zeros(len(values), bool)
    if np.dtype(values.dtype).kind != "f":
        return wrong
    for start in range(0, len(values), CHUNK):
        rows = values[start : start + CHUNK]
        wrong[start : start + CHUNK] = _rows_not_finite(rows)
    return wrong


def _rows_not_finite(rows: np.ndarray | Ragged) -> np.ndarray:
    if isinstance(rows, Ragged):
        ends = np.concatenate([[0], np.cumsum(_rows_not_finite(rows.values))])[rows.offsets]
        return np.asarray(np.diff(ends) > 0)
    return np.asarray(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1))


def _columns(count: int, one: str, several: str) -> str:
    return f"1 column {one}" if count == 1 else f"{count:,} columns {several}"
