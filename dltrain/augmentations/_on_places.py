"""What moves images, as a change of batches that moves the boxes of their objects with them.

A function of (images, seed) returns the images and a move: a function of corners, (batch, objects, 4), as shares of the
image, to where they are then, perhaps outside of it.
"""

from collections.abc import Callable
from typing import Any

from dltrain.augmentations._sampling import moved
from dltrain.data import Batch, Change, DataSpec, named, unnamed
from dltrain.features._boxes.columns import CLASS, CORNERS, PADDING
from dltrain.features.boxes import Boxes
from dltrain.lazy import tf

LEAST_SIDE = 1e-3
"""Of a box, as a share of the image: of what is narrower, nothing is left."""

Move = Callable[[Any], Any]


def on_places(data: DataSpec, function: Callable[[Any, Any], tuple[Any, Move]]) -> Change:
    """Returns the change of a batch that moves its images, several inputs in the same way, and their boxes with them.

    Args:
        data: which inputs are images, and which targets boxes.
        function: of (images, seed), images (batch, height, width, channels), float32; returns such images and a move.
    """

    def both(images: Any, boxes: dict[str, Any], seed: Any) -> tuple[Any, dict[str, Any]]:
        made, move = function(images, seed)
        return made, moved_rows(boxes, move)

    return with_boxes(data, both)


def with_boxes(data: DataSpec, function: Callable[[Any, Any, Any], tuple[Any, Any]]) -> Change:
    """Returns the change of a batch that makes other images and boxes of both, several inputs in the same way.

    Args:
        data: which inputs are images, and which targets boxes.
        function: of (images, boxes, seed), boxes a dict by name of rows (batch, objects, 7); returns the same.
    """
    images = [name for name, feature in data.inputs.items() if len(feature.model_shape) == 3]
    boxes = [name for name, feature in data.targets.items() if isinstance(feature, Boxes)]

    def change(batch: Batch, seed: Any) -> Batch:
        inputs = named(data.inputs, batch.inputs)
        targets = named(data.targets, batch.targets) if boxes else {}
        own = {name: targets[name] for name in boxes}
        made = {name: function(inputs[name], own, seed) for name in images}
        batch = batch._replace(inputs=unnamed({**inputs, **{name: each[0] for name, each in made.items()}}))
        if not boxes or not made:
            return batch
        return batch._replace(targets=unnamed({**targets, **next(iter(made.values()))[1]}))

    return change


def moved_rows(boxes: dict[str, Any], move: Move) -> dict[str, Any]:
    """Returns rows of boxes, by name, with their corners moved, cut at the edges of the image.

    A box whose centre has left the image, or of which nothing is left, becomes a row of -1: no object.
    """
    return {name: placed(rows, move(rows[..., CORNERS])) for name, rows in boxes.items()}


def placed(rows: Any, corners: Any, within: Any = (0.0, 0.0, 1.0, 1.0)) -> Any:
    """Returns rows with other corners, cut at the edges of a rectangle.

    Args:
        rows: (batch, objects, 7).
        corners: (batch, objects, 4).
        within: corners of the rectangle, (4,) or (batch, 1, 4).
    """
    within = tf.convert_to_tensor(within, tf.float32)
    low, high = within[..., :2], within[..., 2:]
    centres = (corners[..., :2] + corners[..., 2:]) / 2.0
    cut = tf.concat([tf.clip_by_value(corners[..., place : place + 2], low, high) for place in (0, 2)], axis=-1)
    is_inside = tf.reduce_all((centres >= low) & (centres <= high), axis=-1)
    is_left = tf.reduce_all(cut[..., 2:] - cut[..., :2] >= LEAST_SIDE, axis=-1)
    kept = is_inside & is_left & (rows[..., CLASS] >= 0.0)
    return tf.where(kept[..., None], tf.concat([cut, rows[..., CLASS:]], axis=-1), PADDING)


def mapped_corners(corners: Any, maps: Any, height: int, width: int) -> Any:
    """Returns corners after `_sampling.moved` by maps: of a turned box, those of the smallest around its corners.

    Args:
        corners: (batch, objects, 4), as shares.
        maps: (batch, 2, 3), which tell for each place of the result which one of the image it shows.
        height: of the images, in pixels.
        width: likewise.
    """
    x_min, y_min, x_max, y_max = tf.unstack(corners, axis=-1)
    a, b, c, d, e, f = (maps[:, row, column, None] for row in range(2) for column in range(3))
    determinant = a * e - b * d
    ys, xs = [], []
    for x, y in ((x_min, y_min), (x_max, y_min), (x_min, y_max), (x_max, y_max)):
        row, column = (y - 0.5) * height - c, (x - 0.5) * width - f
        ys.append((e * row - b * column) / determinant / height + 0.5)
        xs.append((a * column - d * row) / determinant / width + 0.5)
    lows = [tf.reduce_min(tf.stack(each), axis=0) for each in (xs, ys)]
    highs = [tf.reduce_max(tf.stack(each), axis=0) for each in (xs, ys)]
    return tf.stack([*lows, *highs], axis=-1)


def sampled(images: Any, maps: Any, fill: Any) -> tuple[Any, Move]:
    """Returns images as `moved` does, and how their boxes move.

    Args:
        images: (batch, height, width, channels), float32.
        maps: (batch, 2, 3).
        fill: as `moved` takes it.
    """
    height, width = images.shape[1:3]
    return moved(images, maps, fill), lambda corners: mapped_corners(corners, maps, height, width)
