"""Files and rows that cannot be used, and images of odd sizes and kinds of colour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dltrain.inspection.findings import Finding, check
from dltrain.inspection.subject import Subject

ODD_SHAPE = 3.0
"""Times that one side of an image may be as long as the other."""
OTHER_IMAGES = (".heic", ".heif", ".tif", ".tiff", ".avif", ".jp2", ".jxl", ".dng")
"""Suffixes of images that are not read."""
RARE = 0.1
"""Share below which a kind of colour is odd among the others."""


@check(brief=False)
def unusable(subject: Subject) -> Iterator[Finding]:
    """What was left out because it cannot be used."""
    skipped = subject.splits.skipped
    if skipped:
        yield Finding(
            "unusable",
            "note" if subject.skips else "warning",
            f"{len(skipped):,} cannot be used",
            skipped,
            "mend or delete them, or leave them out: dataset.on_bad_example=skip",
        )


@check(brief=False)
def ignored(subject: Subject) -> Iterator[Finding]:
    """Files among the images that are not read, because of their kind."""
    files = subject.splits.ignored
    if files:
        are_images = any(file.lower().endswith(OTHER_IMAGES) for file in files)
        yield Finding(
            "ignored files",
            "warning" if are_images else "note",
            f"{len(files):,} beside the images of a kind that is not read",
            files,
            "store images as .jpg or .png, or delete them",
        )


@check(brief=False)
def odd_images(subject: Subject) -> Iterator[Finding]:
    """Image files that are smaller than the trained size, very long, or of another kind of colour than most."""
    height, width = subject.spec.input_shape[:2] if subject.spec.is_image else (0, 0)
    small, long, kinds = [], [], []
    for name in subject.files:
        inputs = subject.parts[name].inputs
        for path, header in zip(subject.files[name], inputs.headers(), strict=True):
            if header is None:
                continue
            sides, place = header[:2], f"{path} ({header[0]}x{header[1]})"
            if sides[0] < height and sides[1] < width:
                small.append(place)
            if max(sides) > ODD_SHAPE * min(sides):
                long.append(place)
            kinds.append((header[2], str(path)))
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
            "look at them; dataset.resize=fit shows all of an image, crop only its centre",
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
            "look at them: a class that differs in this is told apart by it",
        )


def _images(count: int, one: str, several: str) -> str:
    return f"1 image {one}" if count == 1 else f"{count:,} images {several}"
