"""Raw objects of an image, as files and requests have them, and rows of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dltrain.data.feature import shortened
from dltrain.features._boxes.columns import CLASS, COLUMNS, CORNERS, of_window
from dltrain.lazy import np

if TYPE_CHECKING:
    from dltrain.features._images.headers import Header

BEYOND = 1.0
"""Pixels that a corner may lie outside of the image, as rounding leaves it: the box is cut."""

ROUNDING = 0.05
"""Pixels that a box may lose at an edge without a word, as shares of six digits are rounded."""

_FLAGS = ("difficult", "crowd")
_KEYS = {"box", "class", *_FLAGS}


@dataclass(frozen=True)
class ObjectEncoding:
    """Takes the objects of one image: `{"size": [height, width], "objects": [{"box": ..., "class": ...}, ...]}`.

    Args:
        class_names: by their places.
    """

    class_names: tuple[str, ...]

    @property
    def nothing(self) -> np.ndarray:
        """No row, (0, 7)."""
        return np.zeros((0, COLUMNS), np.float32)

    def rows(self, raw: Any) -> tuple[np.ndarray, int]:
        """Returns the objects as rows, (objects, 7), float32, and how many boxes are cut at the edges of the image.

        Raises:
            ValueError: if they cannot be used; all reasons in one line.
        """
        rows, cut, faults = self.found(raw)
        if faults:
            raise ValueError("; ".join(f"object {place}: {words}" for place, words in faults.items()))
        return rows, cut

    def found(self, raw: Any) -> tuple[np.ndarray, int, dict[int, str]]:
        """Returns the same of the objects that can be used, and why others cannot, by their position.

        Raises:
            ValueError: if size, window or the list of objects cannot be used.
        """
        if not isinstance(raw, Mapping) or not isinstance(raw.get("objects"), list | tuple):
            raise ValueError(f"must be an object of size and objects, got {shortened(raw)}")
        if strange := [key for key in raw if key not in ("size", "window", "objects")]:
            raise ValueError(f"has {shortened(strange[0])}, which is not one of size, window, objects")
        size = self._numbers(raw, "size", 2)
        if size is not None and not (size >= 1).all():
            raise ValueError(f"size must be height and width in pixels, got {shortened(raw['size'])}")
        height, width = (1.0, 1.0) if size is None else size.tolist()
        whole = np.array([0, 0, width, height], np.float64)
        window = self._numbers(raw, "window", 4)
        if window is not None and not (window[2:] > window[:2]).all():
            raise ValueError(f"window must be x_min, y_min, x_max, y_max, got {shortened(raw['window'])}")
        rows, faults, is_cut = [], dict[int, str](), 0
        beyond = 0.0 if size is None else BEYOND
        words = "the image" if size is None else f"the image of {width:g}x{height:g} pixels (width x height)"
        for place, each in enumerate(raw["objects"]):
            try:
                box, row = self._row(each)
                kept = within(box, whole, beyond, words)
                row[CORNERS] = of_window(kept, whole if window is None else window)
                if not (row[2:4] > row[:2]).all():  # in float32
                    raise ValueError(no_area(box))
            except ValueError as error:
                faults[place] = str(error)
                continue
            is_cut += bool(np.abs(kept - box).max() > ROUNDING)
            rows.append(row)
        return np.stack(rows) if rows else self.nothing, is_cut, faults

    def _row(self, raw: Any) -> tuple[np.ndarray, np.ndarray]:
        """Returns the corners of an object, (4,), float64, and its row without them."""
        if not isinstance(raw, Mapping) or not {"box", "class"} <= raw.keys() <= _KEYS:
            raise ValueError(f"must have box and class, and may have difficult and crowd, got {shortened(raw)}")
        name, box = raw["class"], self._numbers(raw, "box", 4)
        if box is None:
            raise ValueError("box must be x_min, y_min, x_max, y_max, got none")
        if not isinstance(name, str) or name not in self.class_names:
            raise ValueError(f"no class {shortened(name)}: the classes are {', '.join(self.class_names[:10])}")
        flags = [raw.get(flag, False) for flag in _FLAGS]
        if not all(flag is True or flag is False for flag in flags):
            raise ValueError(f"difficult and crowd must be true or false, got {shortened(flags)}")
        return box, np.array([0, 0, 0, 0, self.class_names.index(name), *flags], np.float32)

    @staticmethod
    def _numbers(raw: Mapping[str, Any], key: str, count: int) -> np.ndarray | None:
        """Returns finite numbers, (count,), float64; none where there are none."""
        values = raw.get(key)
        if values is None:
            return None
        if isinstance(values, np.ndarray):
            values = values.tolist()
        if not isinstance(values, list | tuple) or len(values) != count or not all(map(_is_number, values)):
            raise ValueError(f"{key} must be {count} numbers, got {shortened(values)}")
        return np.array(values, np.float64)


def plain(rows: np.ndarray, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Returns rows as an object that `ObjectEncoding` takes: boxes as shares, flags where they are set."""
    objects = []
    for row in np.asarray(rows):
        if row[CLASS] < 0:
            continue
        flags = {flag: True for flag, value in zip(_FLAGS, row[CLASS + 1 :], strict=True) if value > 0}
        objects.append({"box": row[CORNERS].tolist(), "class": class_names[int(row[CLASS])], **flags})
    return {"objects": objects}


def turned(box: np.ndarray, header: Header) -> np.ndarray:
    """Returns corners as they are in an image that is rotated as its EXIF data say.

    Args:
        box: corners in pixels of the image as it is stored, (4,).
        header: of the image.
    """
    x_min, y_min, x_max, y_max = (box[[1, 0, 3, 2]] if header.is_transposed else box).tolist()
    (height, width), (is_down, is_across) = header.upright, header.is_mirrored
    if is_down:
        y_min, y_max = height - y_max, height - y_min
    if is_across:
        x_min, x_max = width - x_max, width - x_min
    return np.array([x_min, y_min, x_max, y_max], np.float64)


def within(box: np.ndarray, whole: np.ndarray, beyond: float, words: str) -> np.ndarray:
    """Returns corners cut at the edges of an image.

    Args:
        box: x_min, y_min, x_max, y_max, (4,), float64.
        whole: those of the image.
        beyond: how far a corner may lie outside.
        words: what the image is called in messages.

    Raises:
        ValueError: if the box has no area, or lies outside.
    """
    if not (box[2:] > box[:2]).all():
        raise ValueError(no_area(box))
    outside = max((whole[:2] - box[:2]).max(), (box[2:] - whole[2:]).max())
    kept = np.clip(box, np.tile(whole[:2], 2), np.tile(whole[2:], 2))
    if outside > beyond or not (kept[2:] > kept[:2]).all():
        raise ValueError(f"the box {corner_words(box)} lies outside of {words}")
    return kept


def no_area(box: np.ndarray) -> str:
    """Returns the message about a box without an area."""
    return f"the box {corner_words(box)} has no area: x_max must be above x_min, and y_max above y_min"


def corner_words(box: np.ndarray) -> str:
    """Returns the corners of a box as messages have them."""
    return "[" + ", ".join(f"{value:g}" for value in np.asarray(box).tolist()) + "]"


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
