"""Rows of numbers, column by column: those that say nothing or say it twice, and rows as vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dltrain.data import digests
from dltrain.data.feature import Feature
from dltrain.data.finding import Finding
from dltrain.data.statistics import spaced
from dltrain.lazy import np

ROWS = 10_000
"""Training examples in which columns are compared first; what differs there need not be read to the end."""
MOST_CATEGORIES = 20


def odd_columns(feature: Feature, values: Any, is_compared: Sequence[bool] = ()) -> Iterator[Finding]:
    """Yields the columns that are the same in each example, and those that equal another one in each.

    Args:
        feature: what the columns are called.
        values: of the train part, (examples, columns).
        is_compared: whether a column counts; empty for all.
    """
    sample = np.asarray(values[spaced(len(values), ROWS)])
    is_constant = (sample == sample[0]).all(axis=0)
    compared = [index for index in range(sample.shape[1]) if not is_compared or is_compared[index]]
    same = [index for index in compared if is_constant[index] and (values[:, index] == sample[0, index]).all()]
    if same:
        yield Finding(
            "constant columns",
            "note",
            f"{counted(len(same), 'is', 'are')} the same in all training examples",
            tuple(map(feature.column, same)),
            "drop them: nothing can be learnt from them",
        )
    first: dict[int, int] = {}
    pairs = []
    columns = digests.of_rows(np.ascontiguousarray(sample.T)).tolist()
    for index in compared:
        if is_constant[index]:
            continue
        other = first.setdefault(columns[index], index)
        if other != index and (values[:, index] == values[:, other]).all():
            pairs.append((index, other))
    if pairs:
        yield Finding(
            "duplicate columns",
            "note",
            f"{counted(len(pairs), 'equals', 'equal')} another column in all training examples",
            tuple(f"{feature.column(index)} = {feature.column(other)}" for index, other in pairs),
            "drop one of each pair",
        )


def counted(count: int, one: str, several: str) -> str:
    """Returns how many columns do something."""
    return f"1 column {one}" if count == 1 else f"{count:,} columns {several}"


def vectors(rows: np.ndarray, is_category: Sequence[bool] = ()) -> np.ndarray:
    """Returns columns with mean 0 and variance 1, and categories as one-hot, (examples, numbers), float32.

    Args:
        rows: (examples, columns).
        is_category: whether a column holds codes of categories; empty for none.
    """
    rows = rows.astype(np.float32)
    made = []
    for index in range(rows.shape[1]):
        values = rows[:, index]
        if is_category and is_category[index]:
            known = np.unique(values)[:MOST_CATEGORIES]
            made.append((values[:, None] == known).astype(np.float32))
        else:
            made.append(((values - values.mean()) / max(float(values.std()), 1e-7))[:, None])
    return np.concatenate(made, axis=1)
