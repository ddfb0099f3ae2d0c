"""What stands in which column of an image's boxes, and which facts of an image place them in the original."""

from __future__ import annotations

from typing import Any

X_MIN, Y_MIN, X_MAX, Y_MAX, CLASS, DIFFICULT, CROWD = range(7)
"""Corners as shares of the image that a network sees; the class from 0, below 0 where there is no object; 0 or 1."""

COLUMNS = 7
CORNERS = slice(X_MIN, CLASS)
PADDING = -1.0
"""What stands in all columns of a row that is no object."""

SIZE = "size"
"""Metadata: height and width of the original image, the right way up, in pixels, (2,), int32."""

WINDOW = "window"
"""Metadata: where the corners of the network's image lie in the original, in pixels: x_min, y_min, x_max, y_max, (4,),
float32. They lie outside where the image has borders."""


def of_original(boxes: Any, windows: Any) -> Any:
    """Returns corners in pixels of the original.

    Args:
        boxes: corners as shares of the network's image, (..., 4).
        windows: of the images, (..., 4), for the last axis but one of the boxes too.
    """
    return windows[..., [0, 1, 0, 1]] + boxes * (windows[..., [2, 3, 2, 3]] - windows[..., [0, 1, 0, 1]])


def of_window(boxes: Any, windows: Any) -> Any:
    """Returns corners as shares of the network's image; the way back of `of_original`.

    Args:
        boxes: corners in pixels of the original, (..., 4).
        windows: as above.
    """
    return (boxes - windows[..., [0, 1, 0, 1]]) / (windows[..., [2, 3, 2, 3]] - windows[..., [0, 1, 0, 1]])
