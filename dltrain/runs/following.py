"""A run's log, line by line, as it is written."""

import codecs
import time
from collections.abc import Iterator

from dltrain import untrusted
from dltrain.errors import RunError
from dltrain.runs.folder import Run
from dltrain.runs.listing import is_open
from dltrain.runs.lock import owner

PAUSE = 0.2
"""Seconds between two looks at the file."""
_PART = 1 << 16


def log_lines(run: Run, follows: bool) -> Iterator[str]:
    """Yields the lines of a log; where it is followed, until no process works on the run any more.

    Raises:
        RunError: if there is no log, or if it cannot be read.
    """
    if not is_open(run.path):
        raise RunError(f"{run.path}: cannot be read: permission denied")
    if not run.log.exists() and not (follows and owner(run)):
        raise RunError(f"{run.log}: does not exist yet")
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    done, rest = 0, ""
    while True:
        goes_on = follows and owner(run) is not None  # before the last look, which then misses nothing
        try:
            with untrusted.opened(run.log) as file:
                file.seek(done)
                while part := file.read(_PART):
                    done += len(part)
                    *lines, rest = (rest + decoder.decode(part)).split("\n")
                    yield from lines
        except FileNotFoundError:  # not begun yet, or removed under our eyes
            pass
        except OSError as error:
            raise RunError(f"{run.log}: cannot be read: {error.strerror}") from None
        if not goes_on:
            break
        time.sleep(PAUSE)
    if rest:
        yield rest
