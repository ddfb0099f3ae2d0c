"""Examples of a source that cannot be used, and what was noticed of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from dltrain.data.feature import Encoded
from dltrain.data.noticing import Noticed, notice
from dltrain.errors import KeyProblem

_SHOWN = 10
"""Examples that cannot be used of which a message names so many."""
TO_SKIP = "to skip them, set on_bad_example: skip"


def refuse(problems: Sequence[str], what: str, advice: str = "", key: str = "path") -> None:
    """Raises KeyProblem, which names the first of some problems, if there are any.

    Args:
        problems: a line each.
        what: what such examples are called.
        advice: a line more; empty for none.
        key: which named them.
    """
    if problems:
        more = f"\n... and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
        shown = "\n".join(problems[:_SHOWN])
        raise KeyProblem(key, f"has {what} that cannot be used:\n{shown}{more}" + (f"\n{advice}" if advice else ""))


def noticed_by_kind(encoded: Encoded) -> dict[str, list[int]]:
    """Returns the positions of the values of which something was noticed, by its kind."""
    found: dict[str, list[int]] = {}
    for index in encoded.notices:
        for words in encoded.noticed(index):
            found.setdefault(words.kind, []).append(index)
    return found


def tell(
    by_kind: Mapping[str, Sequence[str]], count: int, what: str, advice: Callable[[str], str] = lambda _: Noticed.advice
) -> None:
    """Says of how many examples something of each kind was noticed, in a line each.

    Args:
        by_kind: where such examples are.
        count: how many examples there are.
        what: what they are called, behind their number; empty for nothing.
        advice: returns what to do about a kind.
    """
    for kind, places in by_kind.items():
        share = f"{len(places):,} of {count:,}{f' {what}' if what else ''} ({len(places) / count:.1%})"
        notice(f"{share}: {kind}, for example {places[0]}", advice=advice(kind))


def refuse_unusable(encoded: Encoded, place: Callable[[int], str], count: int) -> None:
    """Raises KeyProblem, which names the series that cannot be used; says how many of the others were changed.

    Args:
        encoded: the series.
        place: returns where one is.
        count: how many there are.
    """
    refuse([f"{place(index)}: {words}" for index, words in encoded.problems.items()], "series")
    tell({kind: [*map(place, rows)] for kind, rows in noticed_by_kind(encoded).items()}, count, "")
