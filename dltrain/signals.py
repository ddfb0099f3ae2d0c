"""Ctrl-C, SIGTERM and a terminal that goes away: the first asks the run to save and stop, the second stops at once.

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
from types import FrameType, TracebackType
from typing import Self

EXIT_CODES = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}

PATIENCE_SECONDS = 5.0
"""How long the main thread may take to notice a signal; saving takes time too, and schedulers kill after 10 to 30 s."""

_HEEDED = b"\0"


class StopRequest:
    """A context that records signals instead of raising them; it does nothing outside of the main thread.

    Args:
        too_late: called in another thread when the main one does not react in time, or does not stop at a second
            signal; it must save what can still be saved, for the process ends then.
    """

    def __init__(self, too_late: Callable[[], None] = lambda: None) -> None:
        self.exit_code: int | None = None
        self._too_late = too_late
        self._before: dict[signal.Signals, object] = {}

    def __bool__(self) -> bool:
        return self.exit_code is not None

    def __enter__(self) -> Self:
        self._is_main = threading.current_thread() is threading.main_thread()
        if not self._is_main:  # no other may set handlers
            return self
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in EXIT_CODES:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup wants it ignored
                self._before[number] = signal.signal(number, self._note)
        self._listener = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._listener.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_main:
            return
        self._restore()
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._writer)
        self._listener.join()
        os.close(self._reader)

    def acknowledge(self) -> None:
        """Confirms that the main thread has noticed the signal and stops now, so that the listening thread need not."""
        if self._is_main:
            os.write(self._writer, _HEEDED)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.exit_code = EXIT_CODES[signal.Signals(number)]
        self._restore()  # the next one has its usual effect

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before.clear()

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
