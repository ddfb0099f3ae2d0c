"""Messages about long work, sent to Python's logger `dltrain`, which training's reporter shows."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

SECONDS = 30
"""Seconds between two messages about the same work."""

_Item = TypeVar("_Item")
_log = logging.getLogger("dltrain")


def announce(words: str) -> None:
    """Logs a message for the user."""
    _log.info("%s", words)


def with_progress(words: str, items: Iterable[_Item]) -> Iterator[_Item]:
    """Yields the items; announces the work before the first, and now and then how many are done.

    Args:
        words: the work, for messages.
        items: the items to work on.
    """
    announce(words)
    said = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - said > SECONDS:
            announce(f"{words}: {done:,} done")
            said = time.monotonic()
        yield item
