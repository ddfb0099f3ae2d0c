"""The registry of checks of the data, and the order of their findings.

    @check(brief=True)
    def empty(data: InspectedData) -> Iterator[Finding]:
        '''Parts that hold nothing.'''
        ...

in a file of dltrain/inspection/checks is all that a new check takes: the files there are found by themselves. They look
at what all data have; what is odd about values of one kind, their feature finds.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable

from dltrain.data import Finding
from dltrain.data.finding import ORDER
from dltrain.inspection.inspected_data import InspectedData

KINDS = (
    *("single example", "missing class", "few examples", "imbalance"),
    *("constant columns", "duplicate columns", "tiny deviation", "huge deviation", "coarse values", "not a number"),
    *("wrong encoding", "empty texts", "constant target", "leak", "contradiction", "duplicates"),
    *("unusable", "ignored files"),
    *("doubled boxes", "unlabelled twins", "tiny boxes"),
    *("small images", "odd shapes", "odd colours", "doubtful labels", "other script", "other language"),
    *("target leak", "near target leak", "give-away words", "near leak", "near duplicates"),
)
"""The order of findings of one severity; other kinds stand behind these, in that in which they are found."""

Check = Callable[[InspectedData], Iterable[Finding]]
_CHECKS: dict[Check, bool] = {}


def check(brief: bool) -> Callable[[Check], Check]:
    """Registers a check.

    Args:
        brief: it is quick (a few hundredths of a second) and finds warnings, so that each `fit` begins with it.
    """

    def register(function: Check) -> Check:
        _CHECKS[function] = brief
        return function

    return register


def examine(data: InspectedData) -> list[Finding]:
    """Returns what the checks find, the worst first; of a brief look, what the quick ones find, and no notes."""
    home = importlib.import_module("dltrain.inspection.checks")
    for module in pkgutil.iter_modules(home.__path__):
        importlib.import_module(f"{home.__name__}.{module.name}")
    found = [finding for run, is_brief in _CHECKS.items() if is_brief or not data.brief for finding in run(data)]
    return sorted((finding for finding in found if not data.brief or finding.severity != "note"), key=_rank)


def _rank(finding: Finding) -> tuple[int, int]:
    kind = KINDS.index(finding.kind) if finding.kind in KINDS else len(KINDS)
    return ORDER.index(finding.severity), kind
