"""What classes and labels are called, by their places."""

from __future__ import annotations

from collections.abc import Sequence

LISTED = 1000
"""Names that are described."""


def listed(what: str, names: Sequence[str]) -> list[str]:
    """Returns the place of each name, as lines of Markdown.

    Args:
        what: class or label.
        names: in the order of their places.
    """
    from dltrain.report.markdown import table

    hidden = max(len(names) - LISTED, 0)
    more = [f"... and {hidden:,} more, sorted by name."] if hidden else []
    return [*table(("place", what), list(enumerate(names[:LISTED]))), *more]


def differing_categories(known: Sequence[str], others: Sequence[str]) -> str:
    """Returns how the categories of other data differ from those of training, in words behind a column's name."""
    found = []
    for words, names, beside in (("unknown", others, {*known}), ("missing", known, {*others})):
        apart = [name for name in names if name not in beside]
        more = f" and {len(apart) - 5} more" if len(apart) > 5 else ""
        found += [f"{words} {', '.join(map(repr, apart[:5]))}{more}"] * bool(apart)
    if not found:
        return "has its categories in another order than in training"
    return f"has other categories than in training: {'; '.join(found)}"
