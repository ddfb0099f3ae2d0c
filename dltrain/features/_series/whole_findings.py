"""What is odd about whole series: those that never change, channels that say nothing, a test part unlike the others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dltrain.data.finding import Finding
from dltrain.data.ragged import Ragged
from dltrain.lazy import np

if TYPE_CHECKING:
    from dltrain.data.parts import Parts
    from dltrain.features.whole_series import WholeSeries

BRIEF_VALUES = 2**22
"""Values up to which there is time to look at the start of a fit."""
FEWEST = 20
"""Series, of fewer of which a part's mean says nothing."""
FAR = 6
"""Standard errors that the mean of the test part is away from that of the train part where they are unlike."""

_SCALED = "series that are scaled by themselves (scaling: series) stand a change of level"
_CUT = "make sure that series of both parts begin and end alike: a network may have learnt from their length"


def findings(feature: WholeSeries, parts: Parts, brief: bool) -> Iterator[Finding]:
    """Yields what is odd about series.

    Args:
        feature: what they are.
        parts: series by part, the train part's first.
        brief: only what is quick, and a warning.
    """
    if brief and sum(_numbers(stored).size for stored in parts.values()) > BRIEF_VALUES:
        return
    yield from _constant(feature, parts)
    yield from _empty_channels(feature, parts)
    if not brief:
        yield from _strange_test(feature, parts)


def _numbers(stored: Any) -> np.ndarray:
    """Returns all steps of all series, (steps, channels)."""
    values = stored.values if isinstance(stored, Ragged) else np.asarray(stored)
    return values.reshape(-1, values.shape[-1])


def _each(function: Any, stored: Any) -> np.ndarray:
    """Returns what a function makes of the steps of each series, by channel, (series, channels)."""
    if isinstance(stored, Ragged):
        return np.asarray(function.reduceat(stored.values, stored.offsets[:-1], axis=0))
    return np.asarray(function.reduce(np.asarray(stored), axis=1))


def _constant(feature: WholeSeries, parts: Parts) -> Iterator[Finding]:
    found = []
    for part, stored in parts.items():
        is_same = (_each(np.maximum, stored) == _each(np.minimum, stored)).all(axis=1)
        if isinstance(stored, Ragged):
            is_same &= stored.lengths > 1
        found += [parts.place(part, index) for index in np.flatnonzero(is_same).tolist()]
    if found and feature.steps != 1:
        yield Finding(
            "constant series",
            "warning",
            f"{len(found):,} series {'is' if len(found) == 1 else 'are'} the same at each step",
            tuple(found),
            "leave them out: a sensor that was off says nothing about a class",
        )


def _empty_channels(feature: WholeSeries, parts: Parts) -> Iterator[Finding]:
    values = _numbers(parts["train"])
    same = np.flatnonzero((values == values[0]).all(axis=0)).tolist()
    if same and len(same) < feature.channels:
        yield Finding(
            "constant channels",
            "note",
            f"{len(same)} channel{'s are' if len(same) > 1 else ' is'} the same at each step of the train part",
            tuple(map(feature.column, same)),
            "drop them: nothing can be learnt from them",
        )


def _strange_test(feature: WholeSeries, parts: Parts) -> Iterator[Finding]:
    """Yields what the series of the test part have otherwise than those of the train part: level, range and length."""
    if "test" not in parts or min(len(parts["train"]), len(parts["test"])) < FEWEST:
        return
    measures = {"length": {part: _lengths(parts[part])[:, None] for part in ("train", "test")}}
    if feature.scaling == "train":
        sums = {part: _each(np.add, parts[part]) / _lengths(parts[part])[:, None] for part in ("train", "test")}
        ranges = {part: _each(np.maximum, parts[part]) - _each(np.minimum, parts[part]) for part in ("train", "test")}
        measures |= {"mean": sums, "range": ranges}
    found, advice = [], dict[str, None]()
    for name, of_parts in measures.items():
        train, test = (of_parts[part].astype(np.float64) for part in ("train", "test"))
        error = np.sqrt(train.var(axis=0) / len(train) + test.var(axis=0) / len(test))
        gap = np.abs(train.mean(axis=0) - test.mean(axis=0))
        for index in np.flatnonzero(gap > FAR * np.maximum(error, 1e-12)).tolist():
            who = "" if name == "length" else f"{feature.column(index)}: "
            means = (
                f"{of.mean(axis=0)[index]:.4g} in the {part} part" for part, of in (("train", train), ("test", test))
            )
            found.append(f"{who}{name} of a series: {', '.join(means)}")
            advice[_CUT if name == "length" else _SCALED] = None
    if found:
        yield Finding(
            "unlike test part",
            "note",
            "the test part is unlike the train part",
            tuple(found),
            "; ".join(advice),
        )


def _lengths(stored: Any) -> np.ndarray:
    return stored.lengths if isinstance(stored, Ragged) else np.full(len(stored), stored.shape[1])
