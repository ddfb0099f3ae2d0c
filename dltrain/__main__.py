"""The `dltrain` command, and `python -m dltrain`."""

import os
import sys
import threading
from contextlib import suppress

from dltrain.signals import end_at_once
from dltrain.streams import settle


def main() -> None:
    """Runs the command line."""
    end_at_once()
    settle()
    from dltrain.cli import app

    try:
        app()
    except SystemExit as end:
        if end.code and threading.active_count() > 1:
            _leave(end.code)
        raise


def _leave(code: int | str) -> None:
    """Ends the process as it is, after a failure beside which a thread is still at work, such as reading the data.

    Python would wait for the work of thread pools, all of it, and then pull the interpreter from under the others,
    which aborts the process where one of them is within C++.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # it is closed, or full
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
