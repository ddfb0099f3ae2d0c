"""Examples of a source that cannot be used, and what was noticed of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dltrain.data.feature import Encoded
from dltrain.data.noticing import notice
from dltrain.errors import KeyProblem

_SHOWN = 10
"""Examples that cannot be used of which a message names so many."""


def refuse_unusable(encoded: Encoded, place: Callable[[int], str], count: int) -> None:
    """Raises KeyProblem, which names the examples that cannot be used; says how many of the others were changed.

    Args:
        encoded: the examples.
        place: returns where one is.
        count: how many there are.
    """
    refuse([f"{place(index)}: {words}" for index, words in encoded.problems.items()])
    of_kind: dict[str, list[int]] = {}
    for index in encoded.notices:
        for words in encoded.noticed(index):
            of_kind.setdefault(words.kind, []).append(index)
    for kind, places in of_kind.items():
        share = f"{len(places):,} of {count:,} ({len(places) / count:.1%})"
        notice(f"{share}: {kind}, for example {place(places[0])}")


def refuse(problems: Sequence[str]) -> None:
    """Raises KeyProblem, which names the first of some problems, if there are any."""
    if problems:
        more = f"\n... and {len(problems) - _SHOWN:,} more" if len(problems) > _SHOWN else ""
        raise KeyProblem("path", "has series that cannot be used:\n" + "\n".join(problems[:_SHOWN]) + more)
