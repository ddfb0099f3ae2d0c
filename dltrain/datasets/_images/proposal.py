"""What `dltrain init` sees in a path of images: a folder, an archive, a table that names them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dltrain.data.proposal import Proposal
from dltrain.data.size_limit import MEGABYTE
from dltrain.datasets._images.archives import KINDS as ARCHIVES
from dltrain.datasets._images.listing import Listing
from dltrain.datasets._sources.file_table import names_files
from dltrain.datasets._sources.proposal import held_out
from dltrain.errors import KeyProblem
from dltrain.features._images.decoding import MOST_MEGABYTES
from dltrain.features._images.headers import SUFFIXES, Header, read_header
from dltrain.lazy import np
from dltrain.untrusted import Unreadable, content, parsing

SIZES = (32, 48, 64, 96, 128, 160, 192, 224)
"""Image sizes to propose: networks halve them several times."""

_LOOKED_AT = 64


def images(path: Path, listing: Callable[[], Listing]) -> Proposal | None:
    """Looks for images: in a folder, an archive, or named by a table.

    Args:
        path: where.
        listing: lists the files and their classes.
    """
    is_archive = path.is_file() and path.name.lower().endswith(tuple(ARCHIVES.split(", ")))
    if not (is_archive or names_files(path, SUFFIXES) or (path.is_dir() and has_image(path))):
        return None
    found = listing()
    files = [file for files, _ in found.parts.values() for file in files]
    headers = _headers(files)
    if not headers:
        raise KeyProblem(
            "path", f"contains no image that can be read among {len(files):,} files with the suffix of an image"
        )
    sides = sorted(min(header.upright) for header in headers)
    side = sides[len(sides) // 2]
    size = side if side < SIZES[0] else max(size for size in SIZES if size <= side)
    grey = all(header.colours.startswith("grey") for header in headers)
    labels = np.concatenate([labels for _, labels in found.parts.values()])
    counts = np.bincount(labels, minlength=len(found.class_names)).tolist()
    heights, widths = zip(*(header.upright for header in headers), strict=True)
    some = f" in {len(headers):,} that were looked at" if len(headers) < len(files) else ""
    keys: dict[str, Any] = {"path": path, "size": size}
    remarks = {
        "path": "a folder per class; or a .csv of files and labels",
        "size": f"pixels of a side (half of the images{some} have {side} or more), or [height, width]",
    }
    if grey:
        keys["color_mode"], remarks["color_mode"] = "grayscale", "all images that were looked at are grey; or rgb"
    if len(set(zip(heights, widths, strict=True))) > 1 or heights[0] != widths[0]:
        keys["resize"], remarks["resize"] = (
            "crop",
            "crops images that are not square; fit keeps the whole image, stretch changes its shape",
        )
    parts = ", ".join(f"{part} {len(files):,}" for part, (files, _) in found.parts.items())
    own = f", of which {parts}" if len(found.parts) > 1 else ""
    return Proposal(
        keys,
        remarks | held_out(keys, found.parts),
        (
            f"{len(files):,} images of {len(counts)} classes{own}",
            f"from {min(heights)}x{min(widths)} to {max(heights)}x{max(widths)} pixels (height x width){some}",
        ),
        len(files),
        dict(zip(found.class_names, counts, strict=True)),
        photographs=side > 96,
    )


def has_image(folder: Path) -> bool:
    """Whether there is an image below a folder."""
    return any(path.suffix.lower() in SUFFIXES for path in folder.rglob("*"))


def _headers(files: list[Path]) -> list[Header]:
    """Reads the headers of some files, spread evenly over all."""
    headers = []
    for file in files[:: max(1, len(files) // _LOOKED_AT)]:
        with suppress(OSError, Unreadable), parsing():
            headers.append(read_header(content(file, MOST_MEGABYTES * MEGABYTE))[0])
    return headers
