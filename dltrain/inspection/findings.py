"""What a look at the data finds, and the register of the checks that look.

    @check(brief=True)
    def empty(subject: Subject) -> Iterator[Finding]:
        '''Parts that hold nothing.'''
        ...

in a file of dltrain/inspection/checks is all that a new check takes: the files there are found by themselves.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from dltrain.inspection.subject import Subject

Severity = Literal["error", "warning", "note"]
ORDER: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first: nothing can be trained; the result will not mean what it seems to; worth knowing."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or odd.

    Args:
        kind: what it is, in a word or two that scripts can go by.
        severity: error, warning or note; `strict` makes warnings errors.
        message: what was found, in one sentence.
        where: the places: files, lines, rows, columns or classes; all of them.
        advice: what to do.
    """

    kind: str
    severity: Severity
    message: str
    where: tuple[str, ...] = ()
    advice: str = ""


Check = Callable[[Subject], Iterable[Finding]]
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


def examine(subject: Subject, brief: bool = False) -> list[Finding]:
    """Returns what the checks find, the worst first.

    Args:
        subject: the data.
        brief: run the quick checks alone, and return no notes.
    """
    home = importlib.import_module("dltrain.inspection.checks")
    for module in pkgutil.iter_modules(home.__path__):
        importlib.import_module(f"{home.__name__}.{module.name}")
    found = [finding for run, is_brief in _CHECKS.items() if is_brief or not brief for finding in run(subject)]
    return sorted(
        (finding for finding in found if not brief or finding.severity != "note"),
        key=lambda finding: ORDER.index(finding.severity),
    )


def short(finding: Finding) -> str:
    """Returns a finding in one line."""
    place = f" ({finding.where[0]}{', ...' if len(finding.where) > 1 else ''})" if finding.where else ""
    return f"{finding.message}{place}; {finding.advice}"
