"""Checks for columns that leak the target."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from dltrain.data import Feature, Finding, spaced
from dltrain.inspection.findings import check
from dltrain.inspection.inspected_data import InspectedData
from dltrain.lazy import np

EQUAL = 0.999999
"""Correlation from which on a column is the target in another unit."""
NEARLY = 0.99
"""Score from which on a column nearly determines the target."""
FEWEST = 30
"""Examples, and two of each class: of fewer, a rule and luck look alike."""
BRIEF_ROWS = 2_000
ROWS = 5_000
"""Training examples, evenly spaced, that a column is judged by."""
MOST_COLUMNS = 500
"""Columns that trees are grown for; each takes some hundredths of a second."""

_ADVICE = "drop a column that is not known before the target is (in a table: dataset.ignore)"


@check(brief=True)
def equals(data: InspectedData) -> Iterator[Finding]:
    """Columns that equal the target: one value for each class, or a straight line of the number to predict."""
    if not data.is_small:
        return
    found = [
        f"{feature.column(index)} gives {name}"
        for feature, inputs, targets in _tables(data, BRIEF_ROWS)
        for name, values in targets
        for index in np.flatnonzero(_equal(inputs, values)).tolist()
    ]
    if found:
        yield Finding(
            "target leak", "warning", f"{_columns(len(found), 'equals', 'equal')} the target", tuple(found), _ADVICE
        )


@check(brief=False)
def nearly_determines(data: InspectedData) -> Iterator[Finding]:
    """Columns that predict the target all but perfectly by themselves.

    A decision tree with three examples in each leaf at least is grown on the one column, on two thirds of up to 5,000
    training examples, and scored on the third; the mean of three such scores is balanced accuracy for classes and R2
    for numbers. From 0.99 on it is said.
    """
    found = []
    for feature, inputs, targets in _tables(data, ROWS):
        for name, values in targets:
            same = _equal(inputs, values)
            for index in range(min(inputs.shape[1], MOST_COLUMNS)):
                if not same[index] and (score := _score(inputs[:, index : index + 1], values)) >= NEARLY:
                    found.append(f"{feature.column(index)} gives {name}, score {score:.3f}")
    if found:
        yield Finding(
            "near target leak",
            "warning",
            f"{_columns(len(found), 'nearly determines', 'nearly determine')} the target alone",
            tuple(found),
            _ADVICE,
        )


def _tables(data: InspectedData, rows: int) -> Iterator[tuple[Feature, np.ndarray, list[tuple[str, np.ndarray]]]]:
    """Yields inputs that have columns, these of evenly spaced training examples, and each number of the targets."""
    chosen = spaced(len(data.splits.train), rows)
    targets = [
        (feature.column(index), values)
        for feature, parts in data.targets
        if feature.has_columns
        for index, values in enumerate(feature.columns_of(parts["train"][chosen]).T)
    ]
    for feature, parts in data.inputs:
        if feature.has_columns and targets:
            yield feature, feature.columns_of(parts["train"][chosen]), targets


def _equal(inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns whether each column equals the target, (columns,), bool."""
    if len(target) < FEWEST:
        return np.zeros(inputs.shape[1], bool)
    if target.dtype.kind == "f":
        x, y = inputs - inputs.mean(axis=0, dtype=float), target - target.mean(dtype=float)
        scale = np.sqrt((x**2).sum(axis=0) * (y**2).sum())
        return np.abs(y @ x) > EQUAL * np.where(scale > 0, scale, np.inf)
    classes, counts = np.unique(target, return_counts=True)
    if len(classes) < 2 or counts.min() < 2:
        return np.zeros(inputs.shape[1], bool)
    low, high = (
        np.stack([extreme(inputs[target == label], axis=0) for label in classes]) for extreme in (np.min, np.max)
    )
    distinct = (np.diff(np.sort(low, axis=0), axis=0) > 0).all(axis=0)
    return np.asarray((low == high).all(axis=0) & distinct)


def _score(column: np.ndarray, target: np.ndarray) -> float:
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if len(target) < FEWEST:
        return 0.0
    settings = {"min_samples_leaf": 3, "random_state": 0}
    if target.dtype.kind == "f":
        if target.std() == 0:
            return 0.0
        tree, folds, scoring = DecisionTreeRegressor(**settings), KFold(3, shuffle=True, random_state=0), "r2"
    else:
        labels, counts = np.unique(target, return_counts=True)
        kept = np.isin(target, labels[counts >= 3])
        column, target = column[kept], target[kept]
        if len(np.unique(target)) < 2:
            return 0.0
        tree, scoring = DecisionTreeClassifier(**settings), "balanced_accuracy"
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(cross_val_score(tree, column, target, cv=folds, scoring=scoring).mean())


def _columns(count: int, one: str, several: str) -> str:
    return f"1 column {one}" if count == 1 else f"{count:,} columns {several}"
