"""Writers of predictions: a table for people, CSV and JSON lines for programs; and a progress bar."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dltrain.cli.arguments import echo
from dltrain.cli.tables import Column, print_table
from dltrain.errors import printable, written
from dltrain.runs.folder import finite
from dltrain.wording import metric

BLOCK = 1000
"""Rows of a table that share the widths of its columns: a million are never held to be aligned."""
_OURS = ("input", "actual", "error")
_CORNERS = ("x_min", "y_min", "x_max", "y_max")


class Table:
    """Writes predictions as a table for people."""

    def __init__(self, columns: Sequence[str], file: TextIO) -> None:
        self._file = file
        self._columns = [name for name in columns if name != "error"]
        self._rows: list[dict[str, str]] = []

    def add(self, row: dict[str, Any]) -> bool:
        """Takes a row; returns whether there are enough to be printed."""
        for step in by_step(row):
            shown = {
                name: metric(value) if isinstance(value, float) else str(value) for name, value in flat(step).items()
            }
            if "error" in row and len(self._columns) > 1:
                shown[next(name for name in self._columns if name not in shown)] = "error"  # standard error says which
            self._rows.append(shown)
        return len(self._rows) >= BLOCK

    def flush(self) -> None:
        """Prints the rows that wait."""
        if self._rows:
            cells = {name: [row.get(name, "") for row in self._rows] for name in self._columns}
            print_table([Column(name, cells[name]) for name in self._columns], file=self._file)
        self._rows = []


class CSV:
    """Writes predictions as comma-separated values; a terminal gets control characters as escapes.

    Args:
        columns: the heading.
        file: where to.
        raw: write texts that a spreadsheet takes for formulas as they are; otherwise an apostrophe stands before them.
    """

    def __init__(self, columns: Sequence[str], file: TextIO, raw: bool = False) -> None:
        self._columns, self._raw, self._file, self._is_shown = columns, raw, file, file.isatty()
        self._write(columns)

    def add(self, row: dict[str, Any]) -> bool:
        """Writes a row."""
        for step in by_step(row):
            values = flat(step)
            self._write([values.get(name) for name in self._columns])
        return False

    def _write(self, values: Sequence[Any]) -> None:
        self._file.write(",".join(map(self._cell, values)) + "\n")

    def _cell(self, value: Any) -> str:
        if not isinstance(value, str):
            return "" if value is None else str(value)
        text = written(value) if self._raw else harmless(written(value))
        # A carriage return ends a row too, which Python's own writer forgets.
        text = '"{}"'.format(text.replace('"', '""')) if re.search(r'[,"\r\n]', text) else text
        return printable(text) if self._is_shown else text

    def flush(self) -> None:
        """Does nothing: all is written."""


class JSONLines:
    """Writes predictions as JSON lines, an object for each; a terminal gets control characters as JSON's escapes."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._is_shown = file, file.isatty()

    def add(self, row: dict[str, Any]) -> bool:
        """Writes a row."""
        line = json.dumps(finite(row), ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace").decode()
        if self._is_shown:
            line = "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in line)
        self._file.write(line + "\n")
        return False

    def flush(self) -> None:
        """Does nothing: all is written."""


class OfColumns:
    """Writes predictions in columns, which are known once there is one: those before, without an answer, wait for it.

    Args:
        kind: makes the writer of columns.
        file: where to.
    """

    def __init__(self, kind: Callable[[Sequence[str], TextIO], Table | CSV], file: TextIO) -> None:
        self._kind, self._file = kind, file
        self._writer: Table | CSV | None = None
        self._waiting: list[dict[str, Any]] = []

    def add(self, row: dict[str, Any]) -> bool:
        """Takes a row; returns whether there are enough to be printed."""
        if self._writer is not None:
            return self._writer.add(row)
        self._waiting.append(row)
        return "error" not in row and self._begin(row)

    def flush(self) -> None:
        """Writes the rows that wait."""
        if self._writer is None and self._waiting:
            self._begin(self._waiting[0])
        if self._writer is not None:
            self._writer.flush()

    def _begin(self, row: dict[str, Any]) -> bool:
        columns = [name for name in flat(next(by_step(row))) if name not in ("notices", "error")]
        self._writer = self._kind([*columns, "error"], self._file)
        is_enough = False
        for each in self._waiting:
            is_enough = self._writer.add(each) or is_enough
        return is_enough


def writer(kind: str, file: TextIO, raw: bool = False) -> OfColumns | JSONLines:
    """Returns the writer of a format.

    Args:
        kind: table, csv or jsonl.
        file: where to.
        raw: as of `CSV`.
    """
    if kind == "jsonl":
        return JSONLines(file)
    return OfColumns(Table if kind == "table" else partial(CSV, raw=raw), file)


_FORMULA = re.compile(
    r"""(?:^|(?<=;))  # a spreadsheet of some countries separates cells there
    (?![-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?:;|\Z))  # numbers stay numbers
    (?=[-=+@\t\r\n\uff1d\uff0b\uff0d\uff20])""",
    re.VERBOSE | re.ASCII,
)


def harmless(text: str) -> str:
    """Returns a text with an apostrophe where a spreadsheet would begin a formula, which may send data elsewhere.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    return _FORMULA.sub("'", text)


def by_step(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields a prediction of several steps step by step, each with the actual values of its own; others as they are.

    One of several boxes is a row for each; of none there is a row without.
    """
    boxes = row.get("boxes")
    if isinstance(boxes, list):
        rest = {key: value for key, value in row.items() if key != "boxes"}
        yield from ({**rest, **_box(each)} for each in boxes or [{}])
        return
    steps = row.get("steps")
    if not isinstance(steps, list):
        yield row
        return
    actual = row.get("actual")
    for place, step in enumerate(steps):
        own = {"actual": actual[place]} if isinstance(actual, list) else {}
        rest = {key: value for key, value in row.items() if key not in ("input", "steps", "actual")}
        yield {"input": row["input"], **rest, **step, **own}


def _box(box: dict[str, Any]) -> dict[str, Any]:
    """Returns a predicted box as one value for each column, empty ones where there is none."""
    corners = dict(zip(_CORNERS, box.get("box") or [""] * len(_CORNERS), strict=True))
    return {"class": box.get("class", ""), "score": box.get("score", ""), **corners}


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a prediction as one value for each column; a list is one value, its items, separated by semicolons."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if key == "top":
            for number, likely in enumerate(value[1:], 2):
                found |= {f"{name}_{number}": each for name, each in likely.items()}
        elif key == "probabilities" and isinstance(value, dict):
            found |= {f"probability of {name}": share for name, share in value.items()}
        elif key in ("values", "actual") and isinstance(value, dict):
            found |= {
                f"{key} {name}" if key == "actual" or name in _OURS else name: number for name, number in value.items()
            }
        elif key == "quantiles" and isinstance(value, dict):
            found |= {f"{name} {level}": each for name, of in value.items() for level, each in of.items()}
        elif isinstance(value, list):
            found[key] = ";".join(_cell(item) for item in value)
        else:
            found[key] = _cell(value) if isinstance(value, dict) else value
    return found


def _cell(value: Any) -> str:
    """Returns a value in one cell: what has parts of its own, such as a box, as JSON."""
    return json.dumps(finite(value), ensure_ascii=False) if isinstance(value, dict | list | tuple) else str(value)


class Bar:
    """A progress bar on standard error, where that is a terminal.

    Args:
        quiet: show none.
    """

    def __init__(self, quiet: bool) -> None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("predict"), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=quiet or not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("predict", total=None)

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, done: int, total: int | None) -> None:
        """Shows how many are done."""
        self._progress.update(self._task, completed=done, total=total)

    def say(self, text: str) -> None:
        """Says something on standard error, above the bar."""
        if self._progress.disable:
            echo(text, err=True)
        else:
            self._progress.console.print(printable(text), markup=False)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Takes the bar away while something is printed."""
        self._progress.stop()
        try:
            yield
        finally:
            if not self._progress.disable:
                self._progress.start()


def standard_output() -> TextIO:
    """Returns standard output as a text file."""
    return typer.get_text_stream("stdout")
