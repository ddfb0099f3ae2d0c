"""Checks for unusable files and rows, and for files that are not read."""

from __future__ import annotations

from collections.abc import Iterator

from dltrain.data import Finding, Severity
from dltrain.inspection.findings import check
from dltrain.inspection.inspected_data import InspectedData

OTHER_IMAGES = (".heic", ".heif", ".tif", ".tiff", ".avif", ".jp2", ".jxl", ".dng")
"""Suffixes of images that are not read."""


@check(brief=False)
def unusable(data: InspectedData) -> Iterator[Finding]:
    """Files and rows that were skipped because they cannot be used."""
    skipped = data.splits.skipped
    if skipped:
        yield Finding(
            "unusable",
            "note" if data.skips else "warning",
            f"{len(skipped):,} files or rows cannot be used",
            skipped,
            "mend, delete or skip them: dataset.on_bad_example=skip",
        )


@check(brief=False)
def noticed(data: InspectedData) -> Iterator[Finding]:
    """What values were taken for where that is not plain."""
    for each in data.splits.noticed:
        severity: Severity = "warning" if each.is_warning else "note"
        yield Finding("reading", severity, each.words, (), each.advice)


@check(brief=False)
def ignored(data: InspectedData) -> Iterator[Finding]:
    """Files among the images that are not read, because of their kind."""
    files = data.splits.ignored
    if files:
        are_images = any(file.lower().endswith(OTHER_IMAGES) for file in files)
        yield Finding(
            "ignored files",
            "warning" if are_images else "note",
            f"{len(files):,} files beside the images are of a kind that is not read",
            files,
            "store images as .jpg or .png, or delete them",
        )


@check(brief=False)
def odd_raw_values(data: InspectedData) -> Iterator[Finding]:
    """What the source finds odd about values before they are stored."""
    yield from data.of_source
