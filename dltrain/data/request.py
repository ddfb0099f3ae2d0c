"""What a user gives a trained network to answer for, in pieces: nothing is held in memory that is not needed now."""

from __future__ import annotations

import io
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from errno import EFBIG
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TextIO

from dltrain import untrusted
from dltrain.data import trees
from dltrain.data.feature import Encoded, Feature, Notice

if TYPE_CHECKING:
    from dltrain.data.ragged import Ragged
    from dltrain.data.splits import Split
    from dltrain.lazy import np

STDIN = "-"
LONGEST_LINE = 2**28
"""Characters of a value: more in one line are another kind of file."""


@dataclass(frozen=True)
class Request:
    """Some examples, in the order in which they came.

    Args:
        names: what each is called: a file, file and line, or array and row.
        inputs: of those that can be used, as they are stored, (usable, *shape); a dict by name where there are several.
        problems: why an example cannot be used, by its position among the names.
        total: how many there are in all pieces together; none where that is not known.
        metadata: facts of each usable example that no network sees, by name, each (usable,), or `Ragged`.
        notices: what was changed or not recognised in an example that is used, by its position among the names.
        part: the part of the run's own data that they are of; "" where a user brought them.
        split: these examples of that part, with what is right.
    """

    names: Sequence[str]
    inputs: Any
    problems: dict[int, str] = field(default_factory=dict)
    total: int | None = None
    metadata: dict[str, np.ndarray | Ragged] = field(default_factory=dict)
    notices: dict[int, list[Notice]] = field(default_factory=dict)
    part: str = ""
    split: Split | None = None

    @classmethod
    def of(cls, names: Sequence[str], encoded: Encoded, total: int | None = None) -> Self:
        """Returns the examples that raw values are.

        Args:
            names: what each is called.
            encoded: the values.
            total: how many there are in all pieces together; none where that is not known.
        """
        notices = {place: encoded.noticed(place) for place in sorted(encoded.notices)}
        return cls(names, encoded.stored, encoded.problems, total, encoded.metadata, notices)

    def pieces(self, size: int) -> Iterator[Request]:
        """Yields the same, at most `size` examples at a time."""
        usable = 0
        for start in range(0, len(self.names), size):
            names = self.names[start : start + size]

            def own(by_place: dict[int, Any], start: int = start) -> dict[int, Any]:
                return {place - start: each for place, each in by_place.items() if start <= place < start + size}

            problems = own(self.problems)
            some = slice(usable, usable + len(names) - len(problems))
            usable = some.stop
            inputs, metadata = trees.taken(self.inputs, some), trees.taken(self.metadata, some)
            yield Request(names, inputs, problems, self.total, metadata, own(self.notices))


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


class TextReader(ABC):
    """Reads values from text: a line is a value: a list, an object or a quoted text as JSON, else as it stands."""

    @abstractmethod
    def encoded(self, values: Sequence[Any]) -> Encoded:
        """Returns raw values as they are stored."""

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the values of text files and of `-` (standard input), at most `size` at a time."""
        for source in sources:
            try:
                with _opened(source) as file:
                    yield from self._of_lines(source, file, size)
            except OSError as error:
                yield Request([source], self.encoded([]).stored, {0: error.strerror or str(error)})
            except UnicodeDecodeError as error:
                yield Request([source], self.encoded([]).stored, {0: f"must be UTF-8 text: {error.reason}"})

    def read_values(self, values: Sequence[Any]) -> Request:
        """Returns examples that came as JSON."""
        return self._request([f"instances[{index}]" for index in range(len(values))], values, len(values))

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the examples of a text file that came without a place on this machine."""
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            return Request([name], self.encoded([]).stored, {0: f"must be UTF-8 text: {error.reason}"})
        return next(self._of_lines(name, io.StringIO(text, newline=None), len(content)), self._request([], []))

    def _of_lines(self, source: str, file: TextIO, size: int) -> Iterator[Request]:
        """Yields the values of a text's lines, at most `size` at a time; empty lines are none."""
        filled = ((number, text) for number, line in enumerate(_lines(file), 1) if (text := line.rstrip("\n")))
        while piece := [*islice(filled, size)]:
            yield self._request([f"{source}:{number}" for number, _ in piece], [_value(line) for _, line in piece])

    def _request(self, names: Sequence[str], values: Sequence[Any], total: int | None = None) -> Request:
        return Request.of(names, self.encoded(values), total)


@dataclass(frozen=True)
class LineReader(TextReader):
    """Reads values of one feature, a line each.

    Args:
        feature: what the values are.
    """

    feature: Feature

    @property
    def takes(self) -> str:
        """What may be given, for messages."""
        return f"text files of a {self.feature.registered_name} per line"

    def encoded(self, values: Sequence[Any]) -> Encoded:
        """Returns values as the feature stores them."""
        return self.feature.encode(values)


@dataclass(frozen=True)
class ObjectReader(TextReader):
    """Reads examples of several features: JSON objects of a value for each of them, a line each.

    Args:
        features: what the values are, by name.
    """

    features: Mapping[str, Feature]

    @property
    def takes(self) -> str:
        """What may be given, for messages."""
        return f"text files of a JSON object of {', '.join(self.features)} per line"

    def encoded(self, values: Sequence[Any]) -> Encoded:
        """Returns a dict of what each feature stores; an example that one of them cannot use is none of any.

        Facts of the same name are those of the last feature that has some.
        """
        problems = {place: why for place, value in enumerate(values) if (why := self._fault(value))}
        for name, feature in self.features.items():
            places = [place for place in range(len(values)) if place not in problems]
            unusable = feature.encode([values[place][name] for place in places]).problems
            problems |= {places[place]: f"{name}: {why}" for place, why in unusable.items()}
        places = [place for place in range(len(values)) if place not in problems]
        of_names = {
            name: feature.encode([values[place][name] for place in places]) for name, feature in self.features.items()
        }
        notices: dict[int, str | Sequence[str]] = {}
        for number, place in enumerate(places):
            if noticed := [
                Notice(f"{name}: {words}", f"{name}: {words.kind}", words.absence and f"{name}: {words.absence}")
                for name, encoded in of_names.items()
                for words in encoded.noticed(number)
            ]:
                notices[place] = noticed
        metadata = {key: facts for encoded in of_names.values() for key, facts in encoded.metadata.items()}
        return Encoded({name: each.stored for name, each in of_names.items()}, problems, notices, metadata)

    def _fault(self, value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"must be an object of {', '.join(self.features)}"
        absent = [name for name in self.features if name not in value]
        return f"has no {', '.join(absent)}" if absent else None


def _opened(source: str) -> AbstractContextManager[TextIO]:
    return nullcontext(sys.stdin) if source == STDIN else io.TextIOWrapper(untrusted.opened(Path(source)), "utf-8")


def _lines(file: TextIO) -> Iterator[str]:
    """Yields the lines of a text.

    Raises:
        OSError: if one is so long that it is no line.
    """
    while line := file.readline(LONGEST_LINE + 1):
        if len(line) > LONGEST_LINE:
            raise OSError(EFBIG, f"has a line of more than {LONGEST_LINE:,} characters: each value needs its own")
        yield line


def _value(line: str) -> Any:
    """Returns what a line says: as JSON where it begins like a list, an object or a quoted text; else as it stands."""
    if not line.startswith(("{", "[", '"')):
        return line
    try:
        with untrusted.parsing():
            return json.loads(line)
    except untrusted.Unreadable:
        return line
