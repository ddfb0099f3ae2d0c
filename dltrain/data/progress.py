"""What is said of work that takes long: to Python's logger `dltrain`, which training's reporter listens to."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

SECONDS = 30
"""Between two lines about the same work."""

_Item = TypeVar("_Item")
_log = logging.getLogger("dltrain")


def announce(words: str) -> None:
    """Says something now."""
    _log.info("%s", words)


def with_progress(words: str, items: Iterable[_Item]) -> Iterator[_Item]:
    """Yields the items; says the words before the first, and once in a while how many are done.

    Args:
        words: what is being done to the items.
        items: what takes long to get or to work on.
    """
    announce(words)
    said = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - said > SECONDS:
            announce(f"{words}: {done:,} done")
            said = time.monotonic()
        yield item
