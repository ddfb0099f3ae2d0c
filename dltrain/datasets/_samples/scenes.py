"""Scenes of several coloured shapes on textured ground, with clutter and what hides parts of them: to detect."""

from __future__ import annotations

import math
from typing import NamedTuple

from dltrain.lazy import np

CLASSES = ("circle", "square", "star", "triangle")
PARTS = {"train": 1200, "validation": 150, "test": 300}
"""Images of each part."""
SIDES = (96, 128)
"""Pixels of an image's sides, from and to."""
SIZES = (0.11, 0.5)
"""Of a shape, from and to: its diameter as a share of the image's smaller side; half of them are smaller than 0.23."""
MOST = 5
EMPTY = 0.05
"""Share of images without a shape."""
LEAST_SEEN = 0.5
"""Of a shape: what is hidden more is taken out of the scene."""
_DIFFICULT = 0.7
"""Of a shape, what is seen below which it is difficult."""
_CORNERS = {"circle": 0, "square": 4, "triangle": 3, "star": 5}


class Scene(NamedTuple):
    """An image and what is in it.

    Args:
        pixels: (height, width, 3), uint8.
        shapes: the class of each, the corners of the box around its pixels (x_min, y_min, x_max, y_max), and whether
            so much of it is hidden that it is difficult.
    """

    pixels: np.ndarray
    shapes: list[tuple[str, tuple[int, int, int, int], bool]]


def scene(random: np.random.RandomState) -> Scene:
    """Draws a scene.

    Shapes are of any colour, turned by any angle, filled plainly or with stripes, and may cover each other; lines,
    blobs and rings that are none of them lie beneath and above. A box is the smallest around what a shape would show if
    nothing were above it.

    Args:
        random: decides everything.
    """
    height, width = random.randint(SIDES[0], SIDES[1] + 1, 2)
    image = _ground(random, height, width)
    for _ in range(random.randint(2, 7)):
        image = _clutter(random, image)
    count = 0 if random.uniform() < EMPTY else random.randint(1, MOST + 1)
    covers: list[np.ndarray] = []
    names = [CLASSES[number] for number in random.randint(0, len(CLASSES), count)]
    for name in names:
        cover = _cover(random, name, height, width)
        image = _painted(random, image, cover)
        covers.append(cover)
    hidden = np.zeros((height, width))
    for _ in range(random.randint(0, 4)):
        before = image
        image = _clutter(random, image, smaller=True)
        hidden = np.maximum(hidden, (np.abs(image - before).max(axis=2) > 1).astype(float))
    shapes = []
    for place, (name, cover) in enumerate(zip(names, covers, strict=True)):
        above = np.max([hidden, *covers[place + 1 :]], axis=0)
        seen = float((cover * (1 - above)).sum() / max(cover.sum(), 1e-9))
        rows, columns = (np.flatnonzero((cover > 0.5).any(axis=axis)) for axis in (1, 0))
        if seen < LEAST_SEEN or len(rows) < 6 or len(columns) < 6:
            continue
        corners = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
        shapes.append((name, corners, seen < _DIFFICULT))
    if len(shapes) < count:  # an image must show nothing that its boxes leave out
        return scene(random)
    noise = random.normal(0, random.uniform(2, 14), image.shape)
    return Scene(np.clip((image + noise).round(), 0, 255).astype(np.uint8), shapes)


def _ground(random: np.random.RandomState, height: int, width: int) -> np.ndarray:
    """Returns a slope of colours under waves and coarse spots, (height, width, 3)."""
    rows, columns = np.mgrid[:height, :width] / [[[height]], [[width]]]
    image = random.uniform(40, 215, 3) + np.zeros((height, width, 1))
    image += rows[..., None] * random.uniform(-60, 60, 3) + columns[..., None] * random.uniform(-60, 60, 3)
    for _ in range(random.randint(1, 4)):
        angle, waves, phase = random.uniform(0, math.pi), random.uniform(2, 14), random.uniform(0, 2 * math.pi)
        stripes = np.sin(2 * math.pi * waves * (rows * math.sin(angle) + columns * math.cos(angle)) + phase)
        image += stripes[..., None] * random.uniform(-14, 14, 3)
    cells = random.normal(0, 1, (random.randint(4, 12), random.randint(4, 12), 3))
    spots = cells[(rows * cells.shape[0]).astype(int), (columns * cells.shape[1]).astype(int)]
    return np.asarray(image + spots * random.uniform(0, 12))


def _cover(random: np.random.RandomState, name: str, height: int, width: int) -> np.ndarray:
    """Returns how much of each pixel a shape covers, (height, width), 0 to 1; its centre is within the image."""
    diameter = math.exp(random.uniform(math.log(SIZES[0]), math.log(SIZES[1]))) * min(height, width)
    margin = 0.45 * diameter
    middle = random.uniform(margin, height - margin), random.uniform(margin, width - margin)
    rows, columns = np.mgrid[:height, :width].astype(float)
    rows, columns = rows + 0.5 - middle[0], columns + 0.5 - middle[1]
    stretch = random.uniform(0.85, 1.18)
    rows, columns = rows * stretch, columns / stretch
    radius, start, corners = diameter / 2, random.uniform(0, 2 * math.pi), _CORNERS[name]
    if name == "star":
        angles = np.mod(np.arctan2(rows, columns) - start, 2 * math.pi / corners) - math.pi / corners
        away = np.hypot(rows, columns)
        # Between two tips the edge runs from radius at the tip to 0.42 of it at the notch.
        tip, notch = np.array([math.cos(math.pi / corners), math.sin(math.pi / corners)]) * radius, (0.42 * radius, 0.0)
        across, down = away * np.cos(angles), away * np.abs(np.sin(angles))
        edge = (tip[0] - notch[0]) * (down - notch[1]) - (tip[1] - notch[1]) * (across - notch[0])
        inside = edge / math.hypot(tip[0] - notch[0], tip[1] - notch[1])
        return np.asarray(np.clip(inside + 0.5, 0, 1))
    if not corners:
        return np.asarray(np.clip(radius - np.hypot(rows, columns) + 0.5, 0, 1))
    inner = radius * math.cos(math.pi / corners)
    turns = start + 2 * math.pi * np.arange(corners) / corners
    sides = [rows * math.sin(angle) + columns * math.cos(angle) for angle in turns]
    return np.asarray(np.clip(inner - np.max(sides, axis=0) + 0.5, 0, 1))


def _painted(random: np.random.RandomState, image: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Returns an image with a shape in a colour that differs from what is beneath, plain or in stripes."""
    beneath = (image * cover[..., None]).sum(axis=(0, 1)) / max(cover.sum(), 1e-9)
    direction = random.normal(0, 1, 3)
    colour = beneath + direction / np.abs(direction).max() * random.uniform(40, 120)
    paint = np.broadcast_to(colour, image.shape)
    if random.uniform() < 0.3:
        height, width = cover.shape
        rows, columns = np.mgrid[:height, :width]
        angle, period = random.uniform(0, math.pi), random.uniform(4, 10)
        stripes = np.sin(2 * math.pi * (rows * math.sin(angle) + columns * math.cos(angle)) / period) > 0
        paint = paint + stripes[..., None] * random.uniform(-35, 35, 3)
    return np.asarray(image * (1 - cover[..., None]) + paint * cover[..., None])


def _clutter(random: np.random.RandomState, image: np.ndarray, smaller: bool = False) -> np.ndarray:
    """Returns an image with a line, a ring or a long blob in it, which are none of the shapes."""
    height, width = image.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(float)
    middle, angle = random.uniform(0, 1, 2) * [height, width], random.uniform(0, math.pi)
    rows, columns = rows - middle[0], columns - middle[1]
    along = rows * math.sin(angle) + columns * math.cos(angle)
    across = rows * math.cos(angle) - columns * math.sin(angle)
    size = random.uniform(0.06, 0.16 if smaller else 0.4) * min(height, width)
    kind = random.randint(0, 3)
    if kind == 0:
        inside = random.uniform(0.6, 1.6) - np.abs(across) + np.where(np.abs(along) < 2 * size, 0.0, -1e9)
    elif kind == 1:
        inside = random.uniform(0.8, 1.8) - np.abs(np.hypot(rows, columns) - size / 2)
    else:
        inside = (1 - np.hypot(along / size, across / (0.22 * size))) * 0.22 * size
    cover = np.clip(inside + 0.5, 0, 1)[..., None]
    return np.asarray(image * (1 - cover) + random.uniform(0, 255, 3) * cover)
