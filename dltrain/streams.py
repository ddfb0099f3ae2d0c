"""Standard streams that are closed or full: no file takes their place, and messages that nobody reads end nothing."""

import io
import os
import sys
from typing import Any


def settle() -> None:
    """Opens the null device in place of a stream that is closed, and lets messages on standard error be lost.

    A file that is opened later would else become standard output, and the words of a library part of a checkpoint.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest number that is free: this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115  (it stays open)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    encoding = getattr(sys.stderr, "encoding", None)
    messages = io.BufferedWriter(_Messages(2, "w", closefd=False))
    sys.stderr = io.TextIOWrapper(messages, encoding, "backslashreplace", line_buffering=True)


class _Messages(io.FileIO):
    """Standard error: a full disk or a pipe that nobody reads changes neither what a command does nor its exit code."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes
