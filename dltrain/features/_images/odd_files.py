"""Image files that are smaller than the trained size, very long, or of another kind of colour than most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from dltrain import untrusted
from dltrain.data.finding import Finding
from dltrain.data.parts import Parts
from dltrain.data.size_limit import MEGABYTE
from dltrain.features._images.decoding import MOST_MEGABYTES
from dltrain.features._images.headers import Header, read_header

ODD_SHAPE = 3.0
"""Times that one side of an image may be as long as the other."""
RARE = 0.1
"""Share below which a kind of colour is odd among the others."""


def odd_files(parts: Parts, size: Sequence[int]) -> Iterator[Finding]:
    """Yields such files; values that are in no files have none.

    Args:
        parts: images.
        size: height and width that they are trained at.
    """
    height, width = size
    small, long, kinds = [], [], []
    for path in (path for paths in parts.files.values() for path in paths):
        header = _header(path)
        if header is None:
            continue
        sides, place = (header.height, header.width), f"{path} ({header.height}x{header.width})"
        if sides[0] < height and sides[1] < width:
            small.append(place)
        if max(sides) > ODD_SHAPE * min(sides):
            long.append(place)
        kinds.append((header.colours, str(path)))
    if small:
        yield Finding(
            "small images",
            "note",
            f"{_images(len(small), 'is', 'are')} smaller than {height}x{width} and will be enlarged",
            tuple(small),
            "a smaller dataset.size trains faster on the same content",
        )
    if long:
        yield Finding(
            "odd shapes",
            "note",
            f"{_images(len(long), 'is', 'are')} more than {ODD_SHAPE:.0f} times as long as wide",
            tuple(long),
            "check them; dataset.resize=fit keeps the whole image, crop only its centre",
        )
    counted = Counter(kind for kind, _ in kinds)
    rare = {kind for kind, count in counted.items() if count < RARE * len(kinds)}
    if rare:
        odd = [f"{path} ({kind})" for kind, path in kinds if kind in rare]
        usual = ", ".join(kind for kind in counted if kind not in rare)
        yield Finding(
            "odd colours",
            "note",
            f"{_images(len(odd), 'has', 'have')} another kind of colour than most ({usual})",
            tuple(odd),
            "check them: if a class differs in colour, the network learns the colour",
        )


def _header(path: Path) -> Header | None:
    try:
        with untrusted.parsing():
            return read_header(untrusted.content(path, MOST_MEGABYTES * MEGABYTE))[0]
    except (OSError, untrusted.Unreadable):  # decoding will say what is wrong
        return None


def _images(count: int, one: str, several: str) -> str:
    return f"1 image {one}" if count == 1 else f"{count:,} images {several}"
