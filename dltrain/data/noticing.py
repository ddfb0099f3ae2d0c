"""What is noticed while values are read: what a column was taken for where that is not plain, what was never seen."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_log = logging.getLogger("dltrain")


@dataclass(frozen=True)
class Noticed:
    """One thing that was noticed.

    Args:
        words: it, in one line.
        is_warning: answers may mean nothing because of it.
        advice: what to do.
    """

    words: str
    is_warning: bool = False
    advice: str = "if this is wrong, say in dataset what the column is"


_noticed: ContextVar[list[Noticed] | None] = ContextVar("noticed", default=None)


def notice(words: str, is_warning: bool = False, advice: str = Noticed.advice) -> None:
    """Adds something that was noticed to what `noticing` collects; elsewhere it is shown at once."""
    found = _noticed.get()
    if found is None:
        _log.log(logging.WARNING if is_warning else logging.INFO, "%s", words)
    elif (new := Noticed(words, is_warning, advice)) not in found:
        found.append(new)


@contextmanager
def noticing() -> Iterator[list[Noticed]]:
    """Collects what is noticed within: data may be read before there is anyone to show it."""
    found: list[Noticed] = []
    token = _noticed.set(found)
    try:
        yield found
    finally:
        _noticed.reset(token)
