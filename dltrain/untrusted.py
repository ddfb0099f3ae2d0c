"""Files and bytes that others made: opened without waiting, within a size, and parsed behind one boundary."""

import logging
import os
import stat
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import EFBIG, ENOTSUP
from io import BufferedReader
from pathlib import Path

from dltrain.errors import DltrainError, KeyProblem

_log = logging.getLogger("dltrain")

_PIECE = 2**16
_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Unreadable(ValueError):
    """Bytes that their parser cannot take; the words are the parser's, its exception is the cause."""


def opened(path: Path, most: int | None = None) -> BufferedReader:
    """Opens a file for reading, if it is a regular one: reading from a pipe or a device may never end.

    Args:
        path: the file; a link to a file is followed.
        most: the size that is allowed, in bytes.

    Raises:
        OSError: if it cannot be opened, is no regular file, or is larger; `strerror` says which.
    """
    _require_regular(path, path.stat())  # before: to open a device may already do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        state = os.fstat(descriptor)
        _require_regular(path, state)
        if most is not None and state.st_size > most:
            raise _too_large(path, state.st_size, most)
    except BaseException:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def content(path: Path, most: int) -> bytes:
    """Returns what is in a file, if it is a regular one and not larger; raises as `opened`.

    Args:
        path: the file.
        most: the size that is allowed, in bytes; a file that grows meanwhile, or states no size, is held to it too.
    """
    read = bytearray()
    with opened(path, most) as file:
        # As much as there should be: room for the most that may be there would be taken at once.
        wanted = os.fstat(file.fileno()).st_size + 1
        while len(read) <= most and (piece := file.read(min(wanted, most + 1 - len(read)))):
            read += piece
            wanted = _PIECE
    if len(read) > most:
        raise _too_large(path, len(read), most)
    return bytes(read)


@contextmanager
def parsing() -> Iterator[None]:
    """A context in which a parser reads bytes of others, and any failure of it becomes Unreadable.

    No list of a parser's exceptions is ever complete: a flipped bit in an array's header is a SyntaxError of Python's
    tokenizer. Left as they are: dltrain's own errors, and those of the system, which have a number.

    Raises:
        Unreadable: if the bytes cannot be parsed; `--verbose` shows the original exception.
    """
    try:
        yield
    except (DltrainError, KeyProblem, Unreadable):
        raise
    except BaseException as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # which Rust's are named
            raise
        record(error)
        raise Unreadable(" ".join(str(error).split()) or type(error).__name__) from error


def record(error: BaseException) -> None:
    """Writes an exception that is told in other words where `--verbose` shows it."""
    _log.debug("%s", "".join(traceback.format_exception(error)).rstrip())


def reason(error: BaseException) -> str:
    """Returns why a file cannot be read, in one line: what the system says, or its parser."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def _require_regular(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(state.st_mode)), "something else")
        raise OSError(ENOTSUP, f"must be a regular file, is {kind}", str(path))


def _too_large(path: Path, size: int, most: int) -> OSError:
    return OSError(EFBIG, f"has {size:,} bytes or more, at most {most:,} are read", str(path))
