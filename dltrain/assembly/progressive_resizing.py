"""Training images shrunk for a stage: first small and fast, later large, the same network."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from dltrain.config.blocks import Stage
from dltrain.data import DataSpec
from dltrain.lazy import tf


def seen(spec: DataSpec, stage: Stage | None) -> DataSpec:
    """Returns what the network is trained on in a stage: the data, or smaller images of them."""
    if stage is None or stage.image_size is None:
        return spec
    height, width = (stage.image_size,) * 2 if isinstance(stage.image_size, int) else stage.image_size
    return spec.with_input(dataclasses.replace(spec.input, shape=(height, width, *spec.input.shape[2:])))


def shrinking(spec: DataSpec, smaller: DataSpec) -> list[Callable[[Any, Any], Any]]:
    """Returns the function of (images, seed) that brings images to a smaller size; none if the size is the same.

    Each new pixel is the mean of the area that it covers.
    """
    if spec.input_shape == smaller.input_shape:
        return []
    rows, columns = (_areas(*sizes) for sizes in zip(spec.input_shape[:2], smaller.input_shape[:2], strict=True))

    def shrink(images: Any, seed: Any) -> Any:
        return tf.einsum("hi,bijc,wj->bhwc", tf.constant(rows), images, tf.constant(columns))

    return [shrink]


def _areas(old: int, new: int) -> np.ndarray:
    """Returns the share of each old pixel in each new one, (new, old), float32."""
    edges = np.arange(new + 1) * old / new
    starts, ends = np.arange(old), np.arange(1, old + 1)
    overlaps = np.minimum(edges[1:, None], ends) - np.maximum(edges[:-1, None], starts)
    return (np.maximum(overlaps, 0.0) * new / old).astype(np.float32)
