"""Which image files there are in folders, by the names that annotations have for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dltrain.datasets._boxes.listing import Annotated
from dltrain.features._images.folders import entries, is_image


def by_stem(folder: Path) -> dict[str, Path]:
    """Returns the images in a folder, by their names without suffix; of two of one name the first."""
    found: dict[str, Path] = {}
    for name in sorted(entry.name for entry in entries(folder) if is_image(entry)) if folder.is_dir() else ():
        found.setdefault(Path(name).stem, folder / name)
    return found


def missing(place: str, name: str, folders: Sequence[Path], otherwise: str = "") -> Annotated:
    """Returns what stands for an image that is not there.

    Args:
        place: where it is named.
        name: its name there.
        folders: where it was looked for.
        otherwise: what else to say.
    """
    where = " or ".join(map(str, folders))
    words = f"{place}: there is no image {name} in {where}{otherwise}"
    return Annotated(folders[0] / name, place, problems=(words,))
