"""An invented alphabet, written as if by hand: to train a network on before it learns real writing."""

from __future__ import annotations

import math
from typing import NamedTuple

from dltrain.lazy import np

SIDE = 32
"""Height and width of the page, in dots."""


class Stroke(NamedTuple):
    """What the pen draws without being lifted.

    Args:
        points: where it goes, (points, 2): down and right.
        is_round: with its corners cut off.
        is_loop: back to the first point.
    """

    points: np.ndarray
    is_round: bool
    is_loop: bool


def glyphs(random: np.random.RandomState, letters: int, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Invents an alphabet and writes each of its letters many times.

    A letter is one to three strokes between random points. Each time that it is written, its points tremble, it is made
    wider or narrower, slanted and turned, and the pen is another. It fills the page's height or width, and a pixel is
    the share of inked dots among 4x4, as in scikit-learn's digits.

    Args:
        random: decides everything.
        letters: how many classes there are.
        examples: how often each is written.

    Returns:
        images, (letters * examples, 8, 8), uint8 in 0-255, and their labels, 0 to letters - 1, letter after letter.
    """
    images = [_scanned(random, _written(random, _letter(random), examples)) for _ in range(letters)]
    return np.concatenate(images), np.arange(letters).repeat(examples)


def _letter(random: np.random.RandomState) -> list[Stroke]:
    """Returns the strokes of a new letter, of a height of 1."""
    strokes = random.choice([1, 2, 3], p=[0.5, 0.35, 0.15])
    lengths = random.randint(3, 6, strokes) - (strokes > 1)
    points = random.uniform(0, 1, (lengths.sum(), 2))
    points = (points - points.min(axis=0)) / np.ptp(points, axis=0) * [1, random.uniform(0.4, 1)]
    ways = np.split(points, lengths.cumsum()[:-1])
    return [Stroke(way, random.uniform() < 0.7, random.uniform() < 0.25) for way in ways]


def _written(random: np.random.RandomState, letter: list[Stroke], examples: int) -> np.ndarray:
    """Returns where the pen was each time that the letter was written, (examples, places, 2): down and right."""
    drawn = []
    for stroke in letter:
        way = stroke.points + random.normal(0, 0.05, (examples, *stroke.points.shape))
        if stroke.is_loop:
            way = np.concatenate([way, way[:, :1]], axis=1)
        for _ in range(3 if stroke.is_round else 0):
            way = _rounder(way)
        # Four places for each dot of the page's height: no gaps where the way is a few heights long.
        place = np.linspace(0, way.shape[1] - 1, 4 * SIDE)
        before = np.minimum(place.astype(int), way.shape[1] - 2)
        share = (place - before)[:, None]
        drawn.append((1 - share) * way[:, before] + share * way[:, before + 1])
    down, right = np.moveaxis(np.concatenate(drawn, axis=1), 2, 0)
    width, slant, angle = random.uniform([[0.7], [-0.3], [-0.2]], [[1.3], [0.3], [0.2]], (3, examples))[..., None]
    right = width * right + slant * down
    return np.stack([np.cos(angle) * down - np.sin(angle) * right, np.sin(angle) * down + np.cos(angle) * right], 2)


def _rounder(way: np.ndarray) -> np.ndarray:
    """Returns ways, (examples, points, 2), with each corner cut off (G. Chaikin 1974) and the same ends."""
    cut = [0.75 * way[:, :-1] + 0.25 * way[:, 1:], 0.25 * way[:, :-1] + 0.75 * way[:, 1:]]
    between = np.stack(cut, axis=2).reshape(len(way), -1, 2)
    return np.concatenate([way[:, :1], between, way[:, -1:]], axis=1)


def _scanned(random: np.random.RandomState, way: np.ndarray) -> np.ndarray:
    """Returns what a pen of 1.2 to 2.9 dots to each side leaves on the page, (examples, 8, 8), uint8 in 0-255."""
    pen = random.uniform(1.2, 2.9, len(way))
    low, high = way.min(axis=1, keepdims=True), way.max(axis=1, keepdims=True)
    scale = (SIDE - 5) / (high - low).max(axis=2, keepdims=True)  # two dots on each side are left for the pen
    dots = ((way - (low + high) / 2) * scale + (SIDE - 1) / 2).round().astype(int)
    page = np.zeros((len(way), SIDE, SIDE), np.uint8)
    for down in range(-2, 3):
        for right in range(-2, 3):
            inked = np.flatnonzero(pen >= math.hypot(down, right))
            page[inked[:, None], dots[inked, :, 0] + down, dots[inked, :, 1] + right] = 1
    page &= random.uniform(size=page.shape) > 0.01  # the pen misses a dot here and there: no two images are the same
    ink = page.reshape(len(way), 8, SIDE // 8, 8, SIDE // 8).mean(axis=(2, 4))
    return (ink * 255).round().astype(np.uint8)
