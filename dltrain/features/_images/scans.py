"""The scans of a JPEG: a progressive one paints the whole image again with each, of which a file may hold thousands."""

import re

MOST_SCANS = 100
"""More are refused: encoders write about ten; 16 MB can hold scans for hours of decoding."""

_SCAN = b"\xff\xda"
_MARKER = re.compile(rb"\xff([^\0\xff])", re.DOTALL)
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_END = 0xD9


def has_too_many_scans(content: bytes) -> bool:
    """Whether a JPEG has more scans than are decoded; the time is linear in its bytes."""
    return content.count(_SCAN) > MOST_SCANS and _number(content) > MOST_SCANS


def _number(content: bytes) -> int:
    """Returns how many scans begin before the image's end, outside of metadata."""
    number = position = 0
    while (found := _MARKER.search(content, position)) and (marker := found[1][0]) != _END:
        position = found.end()
        number += marker == _SCAN[1]
        if marker not in _ALONE:
            position += int.from_bytes(content[position : position + 2], "big")
    return number
