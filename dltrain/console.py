"""Messages and progress of training: Rich in a terminal, plain lines elsewhere, everything in log.txt."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from dltrain.errors import TrainingError, printable
from dltrain.lazy import starting

BAR_COLUMNS = 10
"""Width of the progress bar: a narrow terminal has to show the numbers as well."""
PLAIN_SECONDS = 30
"""Seconds between two progress lines within an epoch, where there is no terminal for a progress bar."""


class _Terminal(Console):
    """Standard error; where nobody reads it any more, it stays silent and the command goes on."""

    def on_broken_pipe(self) -> None:
        """Ends the messages, not the process, as Rich would."""
        self.quiet = True


class Reporter:
    """Writes messages to standard error and to the run's log; the newest reporter also writes what datasets log.

    Args:
        quiet: show only warnings; the log gets all messages.
        verbose: show details too.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._console = _Terminal(stderr=True, highlight=False, soft_wrap=True)
        self._log: Path | None = None
        self._unlogged: list[str] = []
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._last_line = time.monotonic()
        log = logging.getLogger("dltrain")
        log.handlers = [_Forwarding(self)]
        log.setLevel(logging.DEBUG if verbose else logging.INFO)

    def log_to(self, path: Path, kept: Callable[[], str] = str) -> None:
        """Writes all earlier and later messages to a log file.

        Args:
            path: the file.
            kept: says what can be resumed, for the message where the file cannot be written; by default nothing.
        """
        self._log, self._kept = path, kept
        lines, self._unlogged = self._unlogged, []
        for line in lines:
            self._write(line)

    def say(self, text: str) -> None:
        """Shows and logs a message."""
        self._say(text, not self._quiet)

    def detail(self, text: str) -> None:
        """Logs a message that only `--verbose` shows."""
        self._say(text, self._verbose and not self._quiet)

    def note(self, text: str) -> None:
        """Writes a message only to the log: the terminal shows it otherwise."""
        self._write(text)

    def warn(self, text: str) -> None:
        """Shows a warning, which `--quiet` does not hide."""
        self._say(f"warning: {text}", True, style="yellow")

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
                BarColumn(bar_width=BAR_COLUMNS),
                TextColumn("{task.fields[words]}", markup=False, table_column=Column(no_wrap=True)),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("compiling", total=None, words="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @property
    def shows_steps(self) -> bool:
        """Whether `step` would be shown now: reading the metrics for it costs time."""
        return self._bar is not None or time.monotonic() - self._last_line > PLAIN_SECONDS

    def step(self, title: str, done: int, total: int, words: str, pace: str = "") -> None:
        """Shows the progress within an epoch.

        Args:
            title: name of the epoch.
            done: finished steps in it.
            total: steps in it.
            words: loss and metrics; those that a narrow terminal has no room for are left out.
            pace: speed and time left, which are always shown.
        """
        if self._bar is None or self._task is None:
            self.say(f"{title}  step {done}/{total}  {words}  {pace}".rstrip())
            return
        count = f"{done}/{total}"
        room = self._console.width - len(title) - BAR_COLUMNS - 2 - len("  ".join(filter(None, (count, pace)))) - 2
        shown = "  ".join(filter(None, (count, _fitting(words, room), pace)))
        self._bar.update(self._task, description=title, completed=done, total=total, words=shown)

    def _say(self, text: str, shown: bool, style: str | None = None) -> None:
        self._last_line = time.monotonic()  # the log has the line, whether it is shown or not
        if shown:
            with suppress(OSError):  # a terminal that went away, or a pipe that nobody reads, ends no run
                self._console.print(printable(text), style=style, markup=False)
        self._write(text)

    def _write(self, text: str) -> None:
        if self._log is None:
            self._unlogged.append(text)
            return
        try:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(printable(text) + "\n")
        except OSError as error:
            words = "; ".join(filter(None, (f"cannot be written: {error.strerror}", self._kept())))
            raise TrainingError(f"{self._log}: {words}") from None


def _fitting(words: str, room: int) -> str:
    """Returns as many of the words, which stand two blanks apart, as there is room for, the first ones first."""
    kept = ""
    for word in words.split("  "):
        longer = f"{kept}  {word}" if kept else word
        if len(longer) > room:
            break
        kept = longer
    return kept


class _Forwarding(logging.Handler):
    """Forwards log records to the reporter; other threads wait for TensorFlow's start, which holds standard error."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__()
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        with starting:
            (self._reporter.say if record.levelno >= logging.INFO else self._reporter.detail)(record.getMessage())
