"""XML of others, read without entities: what one letter stands for may grow to gigabytes, or to another file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

MOST_DEPTH = 100


@dataclass
class Element:
    """An element.

    Args:
        name: of its tag.
        line: in which it begins, from 1.
        text: in it, without that of others in it.
        inside: the elements in it.
    """

    name: str
    line: int
    text: str = ""
    inside: list[Element] = field(default_factory=list)

    def each(self, name: str) -> Iterator[Element]:
        """Yields the elements of a name in it."""
        return (each for each in self.inside if each.name == name)

    def first(self, name: str) -> Element | None:
        """Returns the first element of a name in it; none where there is none."""
        return next(self.each(name), None)


class Unusable(ValueError):
    """Why a file is not read, and in which line.

    Args:
        line: from 1.
        words: what is wrong.
    """

    def __init__(self, line: int, words: str) -> None:
        self.line = line
        super().__init__(words)


def parsed(content: bytes) -> Element:
    """Returns the outermost element of a file's content.

    Raises:
        Unusable: if it is not well-formed, or declares entities.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Element("", 0)
    stack = [top]

    def start(name: str, _: object) -> None:
        if len(stack) > MOST_DEPTH:
            raise Unusable(parser.CurrentLineNumber, f"has elements in each other, more than {MOST_DEPTH} deep")
        element = Element(name, parser.CurrentLineNumber)
        stack[-1].inside.append(element)
        stack.append(element)

    def end(_: str) -> None:
        stack.pop()

    def characters(text: str) -> None:
        stack[-1].text += text

    def refuse(*_: object) -> Any:
        raise Unusable(parser.CurrentLineNumber, "declares entities, which are not read: delete the declaration")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = characters
    parser.EntityDeclHandler = parser.UnparsedEntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        words = expat.errors.messages.get(error.code, "is damaged")
        raise Unusable(error.lineno, f"is not well-formed XML: {words} (column {error.offset + 1})") from None
    return top.inside[0]
