"""Files of the UCR/UEA archive of series with a class or a number each: .ts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dltrain.data.size_limit import SizeLimit, reason
from dltrain.errors import AbsentData, KeyProblem
from dltrain.features._series.timed_cases import untimed
from dltrain.lazy import np
from dltrain.registry import suggestion
from dltrain.untrusted import Unreadable, parsing

SUFFIX = ".ts"
Asked = Literal["classes", "numbers"]

_FLAGS = ("timestamps", "missing", "univariate", "equallength")
_COUNTS = ("dimensions", "dimension", "serieslength")
_ANSWERS = ("classlabel", "targetlabel")
_TAGS = ("problemname", *_FLAGS, *_COUNTS, *_ANSWERS, "data")
_WRITTEN = {
    "problemname": "@problemName", "timestamps": "@timeStamps", "equallength": "@equalLength",
    "serieslength": "@seriesLength", "classlabel": "@classLabel", "targetlabel": "@targetLabel",
}  # fmt: skip
_MISSING = {"?", "nan", ""}
_MOST_SHOWN = 40


class BadLine(ValueError):
    """What is wrong with a line of a file.

    Args:
        number: of the line, from 1.
        words: the same.
    """

    def __init__(self, number: int, words: str) -> None:
        super().__init__(words)
        self.number, self.words = number, words


@dataclass
class Header:
    """What a file says of its series.

    Args:
        name: of the problem; empty where it has none.
        flags: timestamps, missing, univariate and equallength, as far as they are said.
        channels: how many numbers a step has; none where it is not said.
        steps: of each series; none where lengths differ, or it is not said.
        distance: between the times of two steps; none where there are no times, or none was seen.
        asked: whether behind each series is a class or a number; none for neither.
        class_names: in the order of the header.
    """

    name: str = ""
    flags: dict[str, bool] = field(default_factory=dict)
    channels: int | None = None
    steps: int | None = None
    distance: float | None = None
    asked: Asked | None = None
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cases:
    """The series of a file.

    Args:
        path: the file.
        header: what it says of them.
        rows: (steps, channels) each, float64, NaN where a number is missing.
        answers: the class or number of each, as it is written; empty where nothing is asked.
        lines: the line of each, from 1.
    """

    path: Path
    header: Header
    rows: Sequence[np.ndarray]
    answers: Sequence[str]
    lines: Sequence[int]

    def place(self, index: int) -> str:
        """Returns file and line of a series."""
        return f"{self.path}:{self.lines[index]}"

    def problem(self, index: int, words: str) -> KeyProblem:
        """Returns what is wrong with a series, with file and line."""
        return KeyProblem("path", f": {self.place(index)}: {words}")


def read(path: Path, limit: SizeLimit) -> Cases:
    """Returns the series of a file.

    Raises:
        KeyProblem: if it cannot be read, with the line that is to blame.
    """
    try:
        with parsing():
            content = limit.content(path)
    except FileNotFoundError:
        raise AbsentData("path", f"no such file: {path}") from None
    except (OSError, Unreadable) as error:
        raise KeyProblem("path", f"cannot be read: {path}: {reason(error)}") from error
    return parse(content, path)


def parse(content: bytes, path: Path) -> Cases:
    """Returns the series of a file's content; raises as `read`.

    Args:
        content: the same.
        path: what the file is called in messages.
    """
    try:
        return _parsed(_text(content), path)
    except BadLine as error:
        raise KeyProblem("path", f": {path}:{error.number}: {error.words}") from None


def _text(content: bytes) -> str:
    """Returns what is written: headers thank people whose names are in Latin-1 in older files."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise BadLine(1, "must be UTF-8 text, got UTF-16, or no text")
    try:
        return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _parsed(text: str, path: Path) -> Cases:
    header, rows, answers, numbers = Header(), [], [], []
    lines = _lines(text)
    for number, line in lines:
        if not line.startswith("@"):
            raise BadLine(number, f"must be a tag, such as @data, before the series, got {shown(line)}")
        if _tagged(header, number, line):
            break
    else:
        raise BadLine(max(text.count("\n"), 1), "has no line @data, behind which the series are")
    for number, line in lines:
        row, answer = _case(header, number, line)
        rows.append(row)
        numbers.append(number)
        answers += [] if answer is None else [answer]
    if not rows:
        raise BadLine(text.count("\n") + 1, "has no series behind @data")
    return Cases(path, header, rows, answers, numbers)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yields the lines that say something, with their numbers; # and % begin comments."""
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if line and line[0] not in "#%":
            yield number, line


def _tagged(header: Header, number: int, line: str) -> bool:
    """Takes a tag in; returns whether it is @data.

    Raises:
        BadLine: if it is none, or says nothing that a tag of its name can say.
    """
    words = line[1:].split()
    tag, values = (words[0].lower(), words[1:]) if words else ("", [])
    if tag not in _TAGS:
        near = suggestion(tag, [*_TAGS], "known are")
        raise BadLine(number, f"is an unknown tag: {shown(line)}{near}")
    written = _WRITTEN.get(tag, f"@{tag}")
    if tag == "data":
        _check(header, number)
        return True
    if tag == "problemname":
        header.name = " ".join(values)
    elif tag in _COUNTS:
        if len(values) != 1 or not values[0].isdecimal() or len(values[0]) > 10 or not 0 < int(values[0]) < 2**31:
            raise BadLine(number, f"{written} must be a whole number above 0, got {shown(' '.join(values))}")
        if tag == "serieslength":
            header.steps = int(values[0])
        else:
            header.channels = int(values[0])
    else:
        is_true = bool(values) and values[0].lower() == "true"
        if not values or values[0].lower() not in ("true", "false") or (len(values) > 1 and tag in _FLAGS):
            raise BadLine(number, f"{written} must be true or false, got {shown(' '.join(values))}")
        if tag in _FLAGS:
            header.flags[tag] = is_true
        elif is_true:
            _answered(header, number, tag, values[1:])
    return False


def _answered(header: Header, number: int, tag: str, names: list[str]) -> None:
    if header.asked is not None:
        raise BadLine(number, "is a second tag of what is asked: keep one of @classLabel true and @targetLabel true")
    header.asked = "classes" if tag == "classlabel" else "numbers"
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadLine(number, f"@classLabel names {twice!r} twice")
    header.class_names = tuple(names) if tag == "classlabel" else ()


def _check(header: Header, number: int) -> None:
    """Raises BadLine where tags contradict each other."""
    if header.flags.get("univariate"):
        if header.channels not in (None, 1):
            raise BadLine(number, f"@univariate true and @dimensions {header.channels} contradict each other")
        header.channels = 1
    if header.flags.get("equallength") is False:
        header.steps = None


def _case(header: Header, number: int, line: str) -> tuple[np.ndarray, str | None]:
    """Returns a series, and what is written behind it; what the first one has is held against all others.

    Raises:
        BadLine: if it is not as the header, or the first, says.
    """
    if header.flags.get("timestamps"):
        try:
            line, header.distance = untimed(line, header.distance, header.asked is not None)
        except ValueError as error:
            raise BadLine(number, str(error)) from None
    elif line.startswith("("):
        raise BadLine(number, "has times in brackets, by the header it has none: write @timeStamps true")
    parts = line.split(":")
    answer = parts.pop().strip() if header.asked else None
    if header.asked and not parts:
        raise BadLine(number, f"must end in : and the {'class' if header.asked == 'classes' else 'number'}")
    if header.channels is None:
        header.channels = len(parts)
    if len(parts) != header.channels:
        count = f"{len(parts)} channel{'s' * (len(parts) != 1)}, separated by :"
        hint = ""
        if header.asked and len(parts) == header.channels - 1:
            hint = "; perhaps the class behind the last : is missing"
        elif not header.asked and len(parts) == header.channels + 1:
            hint = "; if the last is the class, write @classLabel true and the classes"
        raise BadLine(number, f"has {count}, the file has series of {header.channels}{hint}")
    columns = [_numbers(number, part, place, header.channels) for place, part in enumerate(parts)]
    lengths = [len(column) for column in columns]
    if len({*lengths}) > 1:
        odd = next(place for place, length in enumerate(lengths) if length != lengths[0])
        words = f"channel 1 has {lengths[0]:,} numbers, channel {odd + 1} has {lengths[odd]:,}: all must have as many"
        raise BadLine(number, words)
    if header.flags.get("equallength") and header.steps is None:
        header.steps = lengths[0]
    if header.steps is not None and lengths[0] != header.steps:
        words = f"has {lengths[0]:,} steps, by the header or the first series all have {header.steps:,}"
        raise BadLine(number, f"{words}; where lengths differ, write @equalLength false and no @seriesLength")
    return np.array(columns, np.float64).T, answer


def _numbers(number: int, text: str, channel: int, channels: int) -> list[float]:
    """Returns the numbers of a channel; NaN for ?.

    Raises:
        BadLine: if one is none.
    """
    cells = text.split(",")
    try:
        found = [*map(float, cells)]
        if all(map(math.isfinite, found)) and "_" not in text:
            return found
    except ValueError:
        pass
    found, where = [], f" of channel {channel + 1}" if channels > 1 else ""
    for step, cell in enumerate(cells, 1):
        word = cell.strip()
        try:
            value = math.nan if word.lower() in _MISSING and (word or len(cells) > 1) else float(word.replace("_", "?"))
        except ValueError:
            words = f"step {step}{where} must be a number, or ? where it is missing, got {shown(word)}"
            raise BadLine(number, words) from None
        if math.isinf(value):
            raise BadLine(number, f"step {step}{where} is infinite")
        found.append(value)
    return found


def shown(text: str) -> str:
    """Returns a text of a file as a message has it."""
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")
