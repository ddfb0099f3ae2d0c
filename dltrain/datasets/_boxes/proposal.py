"""What `dltrain init` sees in images with boxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dltrain.data.proposal import Proposal
from dltrain.datasets._boxes.source import BoxSource
from dltrain.datasets._images.proposal import SIZES
from dltrain.datasets._sources.proposal import few, held_out
from dltrain.errors import KeyProblem
from dltrain.features._images.decoding import MOST_MEGABYTES, Decoding, NoImage
from dltrain.features._images.headers import Header

_LOOKED_AT = 64
_LARGEST = 300
"""Pixels of a side that are proposed at most: SSD300's."""


def of_boxes(make: Any, path: Path, words: str, more: Mapping[str, Any] | None = None) -> Proposal:
    """Looks at annotations and some images.

    Args:
        make: the source.
        path: where.
        words: what the path is, beside the key.
        more: further keys of the block.

    Raises:
        ValueError: if they cannot be used.
    """
    keys: dict[str, Any] = {"path": path, **(more or {})}
    source: BoxSource = make(**keys)
    found = source.listing()
    images = [each for of_part in found.parts.values() for each in of_part]
    headers = _headers([each.image for each in images if not each.problems])
    if not headers:
        raise KeyProblem("path", f"has no image that can be read among {len(images):,} that are annotated")
    sides = sorted(min(header.upright) for header in headers)
    side = min(sides[len(sides) // 2], _LARGEST)
    size = _LARGEST if side == _LARGEST else max([each for each in SIZES if each <= side], default=side)
    keys["size"] = size
    remarks = {"path": words, "size": "pixels of a side that all images are resized to, or [height, width]"}
    if all(header.colours.startswith("grey") for header in headers):
        keys["color_mode"], remarks["color_mode"] = "grayscale", "all images that were looked at are grey; or rgb"
    if len({header.upright for header in headers}) > 1 or sides[0] != max(headers[0].upright):
        keys["resize"], remarks["resize"] = "stretch", "changes the aspect ratio; fit adds black borders instead"
    remarks |= held_out(keys, found.parts)
    objects = Counter(thing.name for each in images for thing in each.things)
    counts = Counter(name for each in images for name in {thing.name for thing in each.things})
    empty = sum(not each.things and not each.problems for each in images)
    parts = ", ".join(f"{part} {len(of_part):,}" for part, of_part in found.parts.items())
    own = f", of which {parts}" if len(found.parts) > 1 else ""
    told = [
        f"{len(images):,} images{own}, with {sum(objects.values()):,} boxes of {len(found.classes)} classes "
        f"({few(found.classes)})",
        f"from {min(map(min, (h.upright for h in headers)))} to {max(map(max, (h.upright for h in headers)))} pixels "
        "a side in those that were looked at",
    ]
    if empty:
        told.append(f"{empty:,} images have no object, and are trained on as such")
    if problems := [*found.lost, *(words for each in images for words in each.problems)]:
        told.append(f"{len(problems):,} cannot be used, such as {problems[0]}")
        keys["on_bad_example"], remarks["on_bad_example"] = "skip", "some cannot be used: dltrain inspect names them"
    return Proposal(
        keys,
        remarks,
        tuple(told),
        len(images),
        {name: counts[name] for name in found.classes},
        photographs=size > 128,
    )


def _headers(files: list[Path]) -> list[Header]:
    """Reads the headers of some files, spread evenly over all."""
    decoding, headers = Decoding(1, 1, 3, "stretch", fast=False, most_megabytes=MOST_MEGABYTES), []
    for file in files[:: max(1, len(files) // _LOOKED_AT)]:
        with suppress(NoImage):
            headers.append(decoding.header(file))
    return headers
