"""What a user gives a trained network to answer for, in pieces: nothing is held in memory that is not needed now."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from dltrain.lazy import np

if TYPE_CHECKING:
    from dltrain.data.feature import Feature

STDIN = "-"


@dataclass(frozen=True)
class Request:
    """Some examples, in the order in which they came.

    Args:
        names: what each is called: a file, file and line, or array and row.
        inputs: of those that can be used, (usable, *input_shape).
        problems: why an example cannot be used, by its position among the names.
        total: how many there are in all pieces together; none where that is not known.
    """

    names: Sequence[str]
    inputs: np.ndarray
    problems: dict[int, str] = field(default_factory=dict)
    total: int | None = None


class Reader(Protocol):
    """Reads what a run can be asked about, as its training data were read."""

    @property
    def takes(self) -> str:
        """What may be given, for messages."""

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the examples of files, folders and `-` (standard input), at most `size` at a time."""

    def read_values(self, values: Sequence[Any]) -> Request:
        """Returns examples that came as JSON."""

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the examples of a file that came without a place on this machine."""


@dataclass(frozen=True)
class LineReader:
    """Reads values of a feature from text: a line is a value, as JSON where it is such, else as it stands.

    Args:
        feature: what the values are.
    """

    feature: Feature

    @property
    def takes(self) -> str:
        """What may be given, for messages."""
        return f"text files of a {self.feature.registered_name} per line"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the values of text files and of `-` (standard input), at most `size` at a time."""
        for source in sources:
            try:
                with _opened(source) as file:
                    numbered = enumerate(file, 1)
                    while piece := [(number, line.rstrip("\n")) for number, line in islice(numbered, size)]:
                        found = [(f"{source}:{number}", _value(line)) for number, line in piece if line]
                        yield self._encoded([name for name, _ in found], [value for _, value in found])
            except OSError as error:
                yield Request([source], self._encoded([], []).inputs, {0: error.strerror or str(error)})
            except UnicodeDecodeError as error:
                yield Request([source], self._encoded([], []).inputs, {0: f"is no UTF-8 text: {error.reason}"})

    def read_values(self, values: Sequence[Any]) -> Request:
        """Returns examples that came as JSON."""
        return self._encoded([f"instances[{index}]" for index in range(len(values))], values, len(values))

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the examples of a text file that came without a place on this machine."""
        try:
            lines = content.decode("utf-8").splitlines()
        except UnicodeDecodeError as error:
            return Request([name], self._encoded([], []).inputs, {0: f"is no UTF-8 text: {error.reason}"})
        return self._encoded([f"{name}:{number}" for number in range(1, len(lines) + 1)], list(map(_value, lines)))

    def _encoded(self, names: Sequence[str], values: Sequence[Any], total: int | None = None) -> Request:
        encoded = self.feature.encode(values)
        return Request(names, encoded.stored, encoded.problems, total)


def _opened(source: str) -> AbstractContextManager[TextIO]:
    return nullcontext(sys.stdin) if source == STDIN else Path(source).open(encoding="utf-8")


def _value(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return line
