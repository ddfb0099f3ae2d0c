"""Images that are nearly the same: resized, saved again, a little brighter.

Of each image a 64-bit difference hash is made (N. Krawetz, "Kind of Like That", 2013: is a box brighter than its left
neighbour, in 8 rows of 9 boxes). Two images whose hashes differ in at most `MOST_BITS` bits are compared at 32x32
pixels, and are near duplicates from a correlation of `LEAST_CORRELATION` on. Not all pairs are looked at: hashes that
differ in 6 bits agree in one of 7 bands of bits, so that sorting by each band brings the candidates together.
"""

from __future__ import annotations

from collections.abc import Iterator

from dltrain.data.finding import Finding
from dltrain.data.parts import Parts
from dltrain.features._images.thumbnails import THUMBNAIL, thumbnails
from dltrain.lazy import np

MOST_BITS = 6
"""Of photographs at half the size or saved again as JPEG, 96 % and more are this near, from 64x64 on."""
LEAST_CORRELATION = 0.98
LEAST_DEVIATION = 4.0
"""Of the pixels of a thumbnail, in levels of 255; what is flatter looks like everything that is flat."""
MOST_ALIKE = 500
"""Neighbours in a sorted band that an image is compared with, beyond which it would take quadratic time."""


def near_copies(parts: Parts) -> Iterator[Finding]:
    """Yields images of at least 32x32 that are nearly the same, exact copies apart."""
    pictures = np.concatenate([thumbnails(images) for images in parts.values()])
    digests = np.concatenate(list(parts.digests.values()))
    across: list[str] = []
    within: list[str] = []
    for first, second in pairs(pictures):
        if digests[first] == digests[second]:
            continue
        (part, at), (other, there) = parts.owner(first), parts.owner(second)
        line = f"{parts.place(other, there)} ~ {parts.place(part, at)}"
        if part != other:
            across.append(f"{line} ({other}, {part})")
        elif part == "train":
            within.append(line)
    if across:
        yield Finding(
            "near leak",
            "warning",
            f"{_pairs(len(across))} of nearly the same images in different parts: metrics on them measure memory",
            tuple(across),
            "check them; keep images of one thing in one part",
        )
    if within:
        yield Finding(
            "near duplicates",
            "note",
            f"{_pairs(len(within))} of nearly the same training images",
            tuple(within),
            "check them; delete unwanted copies",
        )


def pairs(pictures: np.ndarray) -> list[tuple[int, int]]:
    """Returns the positions of images that are nearly the same, the smaller first.

    Args:
        pictures: (images, 32, 32), grey.
    """
    flat = pictures.reshape(len(pictures), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    deviation = flat.std(axis=1)
    usable = np.flatnonzero(deviation >= LEAST_DEVIATION)
    flat /= np.maximum(deviation, LEAST_DEVIATION)[:, None]
    found: set[tuple[int, int]] = set()
    for firsts, seconds in _candidates(hashes(pictures[usable])):
        firsts, seconds = usable[firsts], usable[seconds]
        for start in range(0, len(firsts), 4096):
            one, other = firsts[start : start + 4096], seconds[start : start + 4096]
            alike = np.einsum("ij,ij->i", flat[one], flat[other]) / flat.shape[1] >= LEAST_CORRELATION
            found.update(
                (min(pair), max(pair)) for pair in zip(one[alike].tolist(), other[alike].tolist(), strict=True)
            )
    return sorted(found)


def hashes(pictures: np.ndarray) -> np.ndarray:
    """Returns the difference hash of each image, (images,), uint64."""
    rows = np.add.reduceat(pictures, np.arange(8) * THUMBNAIL // 8, axis=1)
    edges = np.arange(9) * THUMBNAIL // 9
    boxes = np.add.reduceat(rows, edges, axis=2) / np.diff(np.append(edges, THUMBNAIL))
    bits = boxes[:, :, 1:] > boxes[:, :, :-1]
    return np.packbits(bits.reshape(len(bits), 64), axis=1).view(np.uint64).reshape(-1)


def _candidates(found: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields positions of hashes that differ in few bits."""
    edges = np.linspace(0, 64, MOST_BITS + 2).astype(int)
    for low, high in zip(edges, edges[1:], strict=False):
        # The band first, then all bits: equal hashes are neighbours, however many share the band.
        band = (found >> np.uint64(low)) & np.uint64(2 ** int(high - low) - 1)
        order = np.lexsort((found, band))
        alive = np.arange(len(order))
        for step in range(1, MOST_ALIKE + 1):
            alive = alive[alive + step < len(order)]
            alive = alive[band[order[alive]] == band[order[alive + step]]]
            if not len(alive):
                break
            one, other = order[alive], order[alive + step]
            near = np.bitwise_count(found[one] ^ found[other]) <= MOST_BITS
            yield one[near], other[near]


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count:,} pairs"
