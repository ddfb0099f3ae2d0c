"""A comparison of runs as rows of cells and sentences, for the terminal and for a page."""

import statistics
from collections.abc import Sequence
from typing import Any

from dltrain.runs import selection
from dltrain.runs.compare import Comparison, Group, Measured
from dltrain.runs.seed_noise import Verdict
from dltrain.wording import metric

Rows = list[tuple[str, list[str]]]
"""A title, and a cell for each group."""


def config_rows(found: Comparison) -> Rows:
    """Returns the keys that differ, with the value of each group."""
    shown = {key: values for key, values in found.config.items() if not _is_idle(values)}
    return [(key, [_value(value) for value in values]) for key, values in shown.items()]


def measured_title(found: Comparison) -> str:
    """Returns the title of the numbers: "mean (sd)" where a group has several runs."""
    return "mean (sd)" if any(len(group.entries) > 1 for group in found.groups) else "metric"


def measured_rows(found: Comparison) -> Rows:
    """Returns the metrics; of two groups also their difference and, where any could be judged, p."""
    rows = [(each.name, [_measured(values) for values in each.values]) for each in found.measured]
    if len(found.groups) == 2:
        probabilities = [_probability(each) for each in found.measured]
        for (_, cells), each, probability in zip(rows, found.measured, probabilities, strict=True):
            cells += [_difference(each), *([probability] if any(probabilities) else [])]
    return rows


def measured_columns(rows: Rows, labels: Sequence[str]) -> list[str]:
    """Returns the titles above the cells of `measured_rows`."""
    return [*labels, "difference", "p"][: len(rows[0][1])] if rows else [*labels]


def verdicts(found: Comparison) -> list[str]:
    """Returns a sentence for each group beside the first, on the metric that matters most."""
    if found.headline is None:
        return []
    first, *others = [group.label for group in found.groups]
    return [
        f"{found.headline.name}: {verdict_words(first, label, verdict)}"
        for label, verdict in zip(others, found.headline.verdicts, strict=True)
        if verdict
    ]


def verdict_words(first: str, second: str, verdict: Verdict) -> str:
    """Returns a sentence about the difference between two groups."""
    n = f"n = {verdict.n[0]}" if verdict.n[0] == verdict.n[1] else f"n = {verdict.n[0]} and {verdict.n[1]}"
    digits = 4 if abs(verdict.difference) >= 0.001 else 7
    size = f"{abs(verdict.difference):.{digits}f}"
    words = f"{second} is {'higher' if verdict.difference > 0 else 'lower'} than {first} by {size}"
    if verdict.difference == 0:
        words = f"{second} and {first} are equal"
    if verdict.p is None or verdict.interval is None:
        said = "no difference" if verdict.is_larger is False else "whether that is more than seed noise is unknown"
        return f"{words}; {said} ({n}: {verdict.reason})"
    low, high = verdict.interval
    said = "more than seed noise" if verdict.is_larger else "NOT more than seed noise"
    interval = f"95 % confidence interval {low:.{digits}f} to {high:.{digits}f}"
    return f"{words}: {said} ({verdict.test}, {n}, p = {_p(verdict.p)}; {interval})"


def seeds(group: Group) -> str:
    """Returns which seeds a group has."""
    found = group.seeds
    is_range = len(found) > 2 and found == [*range(found[0], found[0] + len(found))]
    return f"{found[0]} to {found[-1]}" if is_range else ", ".join(map(str, found))


def run_names(group: Group) -> str:
    """Returns which runs a group has."""
    names = [each.run.name for each in group.entries]
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} to {names[-1]}"


def _difference(each: Measured) -> str:
    if not all(each.values) or not each.is_comparable:
        return ""
    first, second = (statistics.fmean(values.values()) for values in each.values)
    return ("+" if second >= first else "-") + metric(abs(second - first))


def _probability(each: Measured) -> str:
    verdict = each.verdicts[0]
    return "" if verdict is None or verdict.p is None else _p(verdict.p)


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"


def _measured(values: dict[int, float]) -> str:
    if not values:
        return "-"
    mean = metric(statistics.fmean(values.values()))
    return mean if len(values) == 1 else f"{mean} ({metric(statistics.stdev(values.values()))})"


def _is_idle(values: list[Any]) -> bool:
    """Whether a key says nothing: it is of one side's choice alone, and none or false there."""
    return None in values and all(value in (None, "none", False) or value == [] for value in values)


def _value(value: Any) -> str:
    return "-" if value is None else selection.spelled(value)
