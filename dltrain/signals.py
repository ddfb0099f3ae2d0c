"""Ctrl-C, SIGTERM and a terminal that goes away.

A command ends at the first; while a network trains, the first asks it to save and stop, and the second stops at once.

Python runs its signal handlers between two calls of the compiled loop only, and one step of a large network may take
longer than a scheduler waits before it kills. The system's own handler, though, writes each signal's number into a pipe
at once, and a thread listens there: it acts where the main thread does not react in time.
"""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

EXIT_CODES = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}

PATIENCE_SECONDS = 5.0
"""How long the main thread may take to notice a signal; saving takes time too, and schedulers kill after 10 to 30 s."""

_HEEDED = b"\0"

ENDING_SECONDS = 1.5
"""How long a command may take to end by itself, with its own tidying, before the process is ended."""

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Stopped(KeyboardInterrupt):
    """A signal ends a command that has nothing to save.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.words, self.exit_code = _WORDS[signal.Signals(number)], EXIT_CODES[signal.Signals(number)]
        super().__init__(self.words)


def end_at_once() -> None:
    """Has a signal end the process without unwinding it: for the time before a command begins and after its end."""
    for number in _ours():
        signal.signal(number, _leave_now)


class _Listening:
    """A context in which signals are noted, and a thread hears of each at once; nothing outside of the main thread."""

    def __enter__(self) -> Self:
        self._before: dict[signal.Signals, object] = {}
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:  # no other may set handlers
            self._reader, self._writer = os.pipe()
            os.set_blocking(self._writer, False)
            self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            self._before = {number: signal.signal(number, self._note) for number in self._numbers()}
            self._listener = threading.Thread(target=self._listen, name="signals", daemon=True)
            self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_main:
            self._restore()
            signal.set_wakeup_fd(self._wakeup)
            os.close(self._writer)
            self._listener.join()
            os.close(self._reader)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

    def _numbers(self) -> list[signal.Signals]:
        """Returns the signals that are noted."""
        raise NotImplementedError

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal in the main thread, as Python comes by."""
        raise NotImplementedError

    def _listen(self) -> None:
        """Reads the number of each signal from the pipe, in a thread of its own, until there are no more."""
        raise NotImplementedError


class Stoppable(_Listening):
    """A context in which a signal ends the command by an exception, Stopped, so that nothing stays half-written.

    The exception of a handler may be lost: in an import that another thread takes part in, or in code that was called
    by a library in C. So a signal during an import ends the process itself, and so does a thread that waits beside,
    where a command has not ended after a while. It does nothing outside of the main thread.
    """

    def __enter__(self) -> Self:
        try:
            self._errors = os.dup(2)  # the import of TensorFlow keeps what is written to 2
        except OSError:  # it is closed
            self._errors = os.open(os.devnull, os.O_WRONLY)
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._lost
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        sys.unraisablehook = self._unraisable
        os.close(self._errors)

    def _numbers(self) -> list[signal.Signals]:
        return _ours()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            _leave(number, self._errors)
        raise Stopped(number)

    def _lost(self, told: Any) -> None:
        """Ends the process where the exception could not be raised, as in a finalizer; `told` as Python tells it."""
        if isinstance(told.exc_value, Stopped):
            _leave(told.exc_value.number, self._errors)
        self._unraisable(told)

    def _listen(self) -> None:
        number, patience = 0, None
        while True:
            readable, _, _ = select.select([self._reader], [], [], patience)
            if not readable:
                _leave(number, self._errors)
            word = os.read(self._reader, 1)
            if not word:
                return
            # Another handler, as a server's or a search's, stops in its own way.
            if not number and word[0] in self._before and signal.getsignal(word[0]) == self._note:
                number, patience = word[0], ENDING_SECONDS


def noted() -> list[signal.Signals]:
    """Returns the signals that ask to stop; nohup wants SIGHUP ignored."""
    return [each for each in EXIT_CODES if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]


def _ours() -> list[signal.Signals]:
    """Returns the signals that nobody handles otherwise; one that is to be ignored, as in the background, stays so."""
    plain = (signal.SIG_DFL, signal.default_int_handler, _leave_now)
    return [number for number in _WORDS if signal.getsignal(number) in plain]


def _leave_now(number: int, frame: FrameType | None) -> NoReturn:
    _leave(number, 2)


def _leave(number: int, errors: int) -> NoReturn:
    """Ends the process, with a word."""
    with suppress(Exception):  # it may be just being written to
        sys.stdout.flush()
    with suppress(OSError):
        shown_cursor = "\x1b[?25h" if os.isatty(errors) else ""
        os.write(errors, f"{shown_cursor}{_WORDS[signal.Signals(number)]}\n".encode())
    os._exit(EXIT_CODES[signal.Signals(number)])


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class StopRequest(_Listening):
    """A context that records signals instead of raising them; it does nothing outside of the main thread.

    Args:
        too_late: called in another thread when the main one does not react in time, or does not stop at a second
            signal; it must save what can still be saved, for the process ends then.
    """

    def __init__(self, too_late: Callable[[], None] = lambda: None) -> None:
        self.exit_code: int | None = None
        self._too_late = too_late

    def __bool__(self) -> bool:
        return self.exit_code is not None

    def acknowledge(self) -> None:
        """Confirms that the main thread has noticed the signal and stops now, so that the listening thread need not."""
        if self._is_main:
            os.write(self._writer, _HEEDED)

    def _numbers(self) -> list[signal.Signals]:
        return noted()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.exit_code = EXIT_CODES[signal.Signals(number)]
        self._restore()  # the next one has its usual effect

    def _listen(self) -> None:
        code, patience = 0, None
        while True:
            readable, _, _ = select.select([self._reader], [], [], patience)
            word = os.read(self._reader, 1) if readable else None
            if word is None:
                try:
                    self._too_late()
                except Exception as error:
                    code = 1
                    print(f"not saved: {error}", file=sys.stderr, flush=True)
                os._exit(code)
            if not word:
                return
            if word == _HEEDED:
                patience = None
            elif word[0] in EXIT_CODES:
                patience = PATIENCE_SECONDS if code == 0 else 1.0
                code = code or EXIT_CODES[signal.Signals(word[0])]
