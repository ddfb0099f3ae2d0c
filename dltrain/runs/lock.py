"""One process at a time works on a run. Standard library only."""

import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dltrain.errors import RunError
from dltrain.runs.folder import Run


@contextmanager
def owning(run: Run) -> Iterator[None]:
    """Holds a run's lock, which dies with its owner: a process that was killed leaves none behind.

    Raises:
        RunError: if another process works on the run, or if its folder cannot be written to.
    """
    try:
        descriptor = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    except OSError as error:
        raise RunError(f"{run.lock}: cannot be written: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RunError(f"{run.lock}: must be a regular file: remove it")
        try:
            _take(descriptor)
        except BlockingIOError:
            raise RunError(
                f"{run.path}: is in use by {_owner(descriptor)}; wait until it is done, or stop it"
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


def owner(run: Run) -> str | None:
    """Returns which process works on a run, in words; none if none does. Writes nothing."""
    try:
        descriptor = os.open(run.lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _owner(descriptor) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def is_strange(run: Run) -> bool:
    """Whether something has the lock's name that no process of dltrain made: a link, a folder or a pipe."""
    try:
        return not stat.S_ISREG(run.lock.lstat().st_mode)
    except OSError:
        return False


def _owner(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"


def _take(descriptor: int) -> None:
    """Takes the lock; tries for a fifth of a second, since who asks for the owner holds it for a moment too."""
    for _ in range(10):
        with suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(0.02)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
