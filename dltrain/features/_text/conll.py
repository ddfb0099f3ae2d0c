"""Files of CoNLL: a word per line with its tag beside it, an empty line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dltrain import untrusted
from dltrain.data.request import STDIN, Request
from dltrain.data.size_limit import SizeLimit, reason
from dltrain.errors import KeyProblem
from dltrain.features._text.reader import as_text
from dltrain.features._text.table_reader import TextTableReader

SUFFIXES = (".conll", ".conllu", ".conllx", ".iob", ".iob1", ".iob2", ".bio", ".bioes")
"""Files that are taken for such whatever is in them; of other names they are read where a config says so."""

DOCUMENT = "-DOCSTART-"
"""The word of a line that begins a document."""

Delimiter = Literal["auto", "whitespace", "tab"]

_OF_SEVERAL = re.compile(r"\d+[-.]\d+")
"""The numbers of lines of CoNLL-U that are no words of their own: 3-4 of two that are written as one, 8.1 of none."""


class Lines(NamedTuple):
    """The lines of a sentence.

    Args:
        words: one per line.
        tags: beside them; empty where only words are asked for.
        numbers: of the lines in the file, from 1.
        document: the number of the sentence's document in the file, from 0.
        problem: why it cannot be used, with the line; empty where it can.
    """

    words: list[str]
    tags: list[str]
    numbers: list[int]
    document: int
    problem: str


@dataclass(frozen=True)
class Columns:
    """Where words and tags stand in a line.

    Args:
        word: the column of the words, from 1, or from the end, -1 for the last.
        tag: that of the tags, likewise; none to read words alone.
        delimiter: between columns; auto for tabs where the first line has one, else for spaces and tabs alike.
        has_comments: whether lines before a sentence's first word that begin with # are none of its words.
    """

    word: int
    tag: int | None
    delimiter: Delimiter
    has_comments: bool

    def sentences(self, text: str, place: str) -> Iterator[Lines]:
        """Yields the sentences of a file.

        Args:
            text: the content.
            place: what it is called, for messages.

        Raises:
            KeyProblem: if there is no such column.
        """
        count, is_tabbed, document, seen = 0, False, 0, False
        words: list[str] = []
        tags: list[str] = []
        numbers: list[int] = []
        problem = ""
        for number, line in enumerate([*text.split("\n"), ""], 1):
            line = line.removesuffix("\r")
            is_comment = self.has_comments and not numbers and line.startswith("#")
            begins = line.startswith(DOCUMENT) or (is_comment and line.startswith("# newdoc"))
            if (begins or not line.strip()) and numbers:
                yield Lines(words, tags, numbers, document, problem)
                words, tags, numbers, problem, seen = [], [], [], "", True
            if begins:
                document += seen
            if begins or is_comment or not line.strip():
                continue
            is_tabbed = is_tabbed or (self.delimiter == "tab" or ("\t" in line and self.delimiter == "auto"))
            cells = [each.strip() for each in line.split("\t")] if is_tabbed else re.split("[ \t]+", line.strip(" \t"))
            if not count:
                count = len(cells)
                self._check(count, f"{place}:{number}")
            if self.word > 1 and _OF_SEVERAL.fullmatch(cells[0]):
                continue
            numbers.append(number)
            if len(cells) != count:
                problem = problem or f"{place}:{number}: has {_columns(len(cells))}, the first line has {count}"
                continue
            words.append(cells[_place(self.word, count)])
            if not words[-1]:
                problem = problem or f"{place}:{number}: has no word"
            if self.tag is not None:
                tags.append(cells[_place(self.tag, count)])
                if not tags[-1]:
                    problem = problem or f"{place}:{number}: has no tag"

    def _check(self, count: int, place: str) -> None:
        for key, column in (("word_column", self.word), ("tag_column", self.tag)):
            if column is not None and not 0 <= _place(column, count) < count:
                raise KeyProblem(key, f"must be a column of the file, got {column}: {place} has {_columns(count)}")
        if self.tag is not None and _place(self.word, count) == _place(self.tag, count):
            words = f"{place} has {_columns(count)}" + ": the word, and its tag behind it, are needed" * (count == 1)
            raise KeyProblem("tag_column", f"must be another column than word_column, {self.word}: {words}")


def content(path: Path, limit: SizeLimit) -> str:
    """Returns the text of a file.

    Raises:
        ValueError: if it cannot be read, or is no UTF-8.
    """
    try:
        return as_text(limit.content(path))
    except OSError as error:
        raise ValueError(f"cannot be read: {reason(error)}") from None


@dataclass(frozen=True)
class SentenceReader(TextTableReader):
    """Reads the words of CoNLL files; of other files, and of standard input, sentences as texts are read.

    Args:
        feature: what the sentences become.
        layout: where words stand in a line.
    """

    layout: Columns

    @property
    def takes(self) -> str:
        """What may be given, for messages."""
        return f"CoNLL files ({', '.join(SUFFIXES)}), {super().takes}"

    def read(self, sources: Sequence[str], size: int) -> Iterator[Request]:
        """Yields the sentences of CoNLL files, of tables, of text files and of `-` (standard input)."""
        for source in sources:
            if source == STDIN or Path(source).suffix.lower() not in SUFFIXES:
                yield from super().read([source], size)
                continue
            try:
                names, values = self._words(content(Path(source), self.limit), source)
            except ValueError as error:
                yield Request([source], self.encoded([]).stored, {0: str(getattr(error, "words", error))})
                continue
            for start in range(0, len(names), size):
                yield self._request(names[start : start + size], values[start : start + size], len(names))

    def read_file(self, name: str, content: bytes) -> Request:
        """Returns the sentences of a file that came without a place on this machine."""
        if Path(name).suffix.lower() not in SUFFIXES:
            return super().read_file(name, content)
        try:
            names, values = self._words(as_text(content), name)
        except ValueError as error:
            return Request([name], self.encoded([]).stored, {0: str(getattr(error, "words", error))})
        return self._request(names, values, len(names))

    def _words(self, text: str, source: str) -> tuple[list[str], list[Any]]:
        """Returns the place and the words of each sentence; a lone sentence of none that says what is wrong."""
        found = [*self.layout.sentences(text, source)]
        if wrong := next((each.problem for each in found if each.problem), ""):
            raise ValueError(wrong.removeprefix(f"{source}:"))
        if not found:
            raise ValueError("has no sentence")
        return [f"{source}:{each.numbers[0]}" for each in found], [each.words for each in found]


def _place(column: int, count: int) -> int:
    return column - 1 if column > 0 else count + column


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def looks_tagged(path: Path) -> bool:
    """Whether a file's first lines are words with tags of spans behind them, in sentences."""
    from dltrain.features._text.spans import is_tag, parted

    try:
        with untrusted.opened(path) as file:
            lines = file.read(2**16).decode("utf-8-sig", "replace").split("\n")[:-1]
    except OSError:
        return False
    rows = [re.split("[ \t]+", line.strip()) for line in lines if line.strip() and not line.startswith(DOCUMENT)]
    has_gaps = any(not line.strip() for line in lines)
    are_even = len({len(row) for row in rows}) == 1 and len(rows[0]) > 1
    return has_gaps and are_even and all(is_tag(row[-1]) for row in rows) and any(parted(row[-1])[1] for row in rows)
