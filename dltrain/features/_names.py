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
