"""One process at a time works on a run. Standard library only."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from dltrain.errors import RunError
from dltrain.runs.folder import Run


@contextmanager
def owning(run: Run) -> Iterator[None]:
    """Holds a run's lock, which dies with its owner: a process that was killed leaves none behind.

    Raises:
        RunError: if another process works on the run, or if its folder cannot be written to.
    """
    try:
        descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise RunError(f"{run.lock}: cannot be written: {error.strerror}") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 200).decode(errors="replace").strip()
            raise RunError(
                f"{run.path}: is in use by {owner or 'another process'}; wait until it is done, or stop it"
            ) from None
        except OSError as error:
            raise RunError(
                f"{run.lock}: cannot be locked: {error.strerror}; choose a file system that can, with --runs"
            ) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
