"""What is odd about series: constant ones, sudden changes of level, covariates that are the target, strange tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dltrain.data.finding import Finding
from dltrain.data.statistics import spaced
from dltrain.data.transforms import transformed
from dltrain.features._series import frequency as frequencies
from dltrain.features._series.windows import Collection, Windows
from dltrain.lazy import np

if TYPE_CHECKING:
    from dltrain.data.parts import Parts
    from dltrain.features.series import Series

SAME = 0.999
"""Correlation of changes from which on a covariate is the target at another step."""
FEWEST = 30
"""Steps, of fewer of which a correlation says nothing."""
JUMP = 10
"""Times the median change that a step is larger than where the level changes suddenly."""
BRIEF_VALUES = 2**20
"""Values up to which there is time to look at the start of a fit."""
UNLIKE = 20
"""Times that a series deviates more than another, where the other hardly counts."""
MOST_SERIES = 200
MOST_SHIFTS = 200


def findings(feature: Series, parts: Parts, brief: bool) -> Iterator[Finding]:
    """Yields what is odd about the series that windows are of.

    Args:
        feature: what windows are.
        parts: windows by part, the train part's first.
        brief: only what is quick, and a warning.
    """
    windows = parts["train"]
    if not isinstance(windows, Windows):
        return
    collection = windows.collection
    if brief and collection.values.size > BRIEF_VALUES:
        return
    end = collection.parts.get("train", (0, int(collection.ordinals[-1]) + 1))[1]
    yield from _constant(feature, collection, end)
    yield from _leaks(feature, collection, end)
    if not brief:
        yield from _jumps(feature, collection, end)
        yield from _sizes(feature, collection, end)
        yield from _strange_test(feature, collection)


def _named(feature: Series, collection: Collection, number: int, channel: int) -> str:
    name = collection.names[number]
    return f"{name}: {feature.channels[channel]}" if name else feature.channels[channel]


def _chosen(collection: Collection) -> list[int]:
    return [*spaced(len(collection.names), MOST_SERIES).tolist()]


def _constant(feature: Series, collection: Collection, end: int) -> Iterator[Finding]:
    found = []
    for number in range(len(collection.names)):
        values = collection.values[collection.before(number, end)][:, : feature.targets]
        for channel, column in enumerate(values.T):
            known = column[np.isfinite(column)]
            if len(known) > 1 and (known == known[0]).all():
                found.append(f"{_named(feature, collection, number, channel)} is always {known[0]:g}")
    if found:
        yield Finding(
            "constant series",
            "warning",
            f"{len(found)} series {'is' if len(found) == 1 else 'are'} the same at each step of the train part",
            tuple(found),
            "leave them out: there is nothing to forecast",
        )


def _leaks(feature: Series, collection: Collection, end: int) -> Iterator[Finding]:
    """Yields covariates that are the target of a step that they are used to forecast."""
    found: dict[str, None] = {}
    columns = len(feature.channels) - len(feature.layout.circles)
    past = feature.targets + len(feature.layout.past)
    for number in _chosen(collection):
        values = collection.values[collection.before(number, end)].astype(np.float64)
        for channel in range(feature.targets, columns):
            for target in range(feature.targets):
                if words := _leak(values[:, target], values[:, channel], feature.horizon, channel >= past):
                    of = feature.channels
                    found.setdefault(f"{of[channel]} is {of[target]} {words}")
    if found:
        yield Finding(
            "target leak",
            "warning",
            f"{len(found)} covariate{'s are' if len(found) > 1 else ' is'} the target of steps that are forecast",
            tuple(found),
            "drop what is not known before the forecast is made",
        )


def _leak(target: np.ndarray, covariate: np.ndarray, horizon: int, is_known: bool) -> str:
    """Returns at which step a covariate is the target; nothing where it is not."""
    for shift in range(0 if is_known else 1, min(horizon, MOST_SHIFTS) + (not is_known)):
        if _alike(target[shift:], covariate[: len(covariate) - shift]):
            return f"{shift} steps later" if shift else "of the same step"
    if horizon > 1:
        sums = np.cumsum(np.insert(target, 0, 0.0))
        means = (sums[horizon:] - sums[:-horizon]) / horizon
        if _alike(means[1:], covariate[: max(len(means) - 1, 0)]) or (
            is_known and _alike(means, covariate[: len(means)])
        ):
            return f"averaged over the {horizon} steps that are forecast"
    return ""


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether the changes of two series are all but proportional."""
    if len(one) <= FEWEST:
        return False
    a, b = np.diff(one), np.diff(other)
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    if len(a) < FEWEST or np.ptp(a) == 0 or np.ptp(b) == 0:
        return False
    return abs(float(np.corrcoef(a, b)[0, 1])) > SAME


def _jumps(feature: Series, collection: Collection, end: int) -> Iterator[Finding]:
    found = []
    width = max(feature.season, 8)
    for number in _chosen(collection):
        values = collection.values[collection.before(number, end)][:, : feature.targets].astype(np.float64)
        for channel, column in enumerate(values.T):
            change = np.abs(np.diff(column))
            usual = np.nanmedian(change) if np.isfinite(change).any() else 0.0
            for place in np.flatnonzero(change > JUMP * usual).tolist() if usual else ():
                before, behind = column[max(0, place + 1 - width) : place + 1], column[place + 1 : place + 1 + width]
                if min(np.isfinite(before).sum(), np.isfinite(behind).sum()) < width // 2:
                    continue
                step = float(np.nanmedian(behind) - np.nanmedian(before))
                if abs(step) > 0.5 * change[place]:
                    when = _time(feature, collection, number, place + 1)
                    found.append(f"{_named(feature, collection, number, channel)} by {step:+.3g} at {when}")
    if found:
        yield Finding(
            "level change",
            "note",
            f"the level changes suddenly {len(found)} time{'s' * (len(found) > 1)} in the train part",
            tuple(found),
            "if something else was measured from then on, begin there",
        )


def _sizes(feature: Series, collection: Collection, end: int) -> Iterator[Finding]:
    """Yields targets whose size differs between series, where one scale is that of all."""
    if feature.scaling == "standard" or len(collection.names) < 2:
        return
    sizes: dict[str, list[tuple[float, str]]] = {}
    for number in _chosen(collection):
        values = collection.values[collection.before(number, end)][:, : feature.targets].astype(np.float64)
        for channel, column in enumerate(transformed(values, feature.transform, np).T):
            known = column[np.isfinite(column)]
            if len(known) > 1 and (deviation := float(known.std())):
                name = _named(feature, collection, number, channel)
                sizes.setdefault(feature.channels[channel], []).append((deviation, name))
    found = []
    for of_target in sizes.values():
        (least, small), (most, large) = min(of_target), max(of_target)
        if most > UNLIKE * least:
            found.append(f"the deviation of {large} is {most:.3g}, that of {small} {least:.3g}")
    if found:
        yield Finding(
            "series of different size",
            "note",
            f"scaling: {feature.scaling} divides all series by one deviation: small ones hardly count",
            tuple(found),
            "scaling: standard, by which series of any size count the same",
        )


def _time(feature: Series, collection: Collection, number: int, place: int) -> str:
    instants = collection.frequency.instants(collection.firsts[number : number + 1] + place)
    return frequencies.texts(collection.frequency, instants, feature.layout.zone)[0]


def _strange_test(feature: Series, collection: Collection) -> Iterator[Finding]:
    """Yields targets whose values in the test part are unlike those of the train part."""
    if "test" not in collection.parts:
        return
    ordinals = collection.ordinals
    taken: dict[str, Any] = {
        part: collection.values[(ordinals >= first) & (ordinals < end), : feature.targets].astype(np.float64)
        for part, (first, end) in collection.parts.items()
    }
    found = []
    for channel, name in enumerate(feature.channels[: feature.targets]):
        train, test = (values[np.isfinite(values[:, channel]), channel] for values in (taken["train"], taken["test"]))
        if len(train) < FEWEST or len(test) < FEWEST:
            continue
        beyond = float(((test < train.min()) | (test > train.max())).mean())
        if beyond > 0.5:
            found.append(f"{name}: {beyond:.0%} of its values are beyond all of the train part")
        elif not 1 / 3 < test.std() / max(train.std(), 1e-12) < 3:
            found.append(f"{name}: its deviation is {test.std():.3g}, in the train part {train.std():.3g}")
    if found:
        yield Finding(
            "unlike test part",
            "note",
            "the test part is unlike the train part",
            tuple(found),
            "windows that are scaled by themselves (scaling: standard or last_value) stand a change of level"
            if feature.scaling == "none"
            else "windows are scaled by themselves, which stands a change of level: see the report's errors over time",
        )
