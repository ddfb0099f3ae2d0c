"""The feature maps of an image network, for what needs several scales of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from dltrain.data import DataSpec
from dltrain.keras_internals import followers, narrow_places

_BORDERS = ("ZeroPadding2D", "Pad")
"""What makes a map of another size by its border alone."""


class _Headless:
    """Stands for a task in the building of a network whose end is not needed."""

    def output_shape(self, data: DataSpec) -> tuple[int]:
        """Returns that of any number: nobody sees it."""
        return (1,)

    def head(self, data: DataSpec, x: Any, inputs: Any = None, **settings: Any) -> Any:
        """Returns what the network has found."""
        return x


def headless(data: DataSpec) -> DataSpec:
    """Returns the same data for a network that ends where its head would begin."""
    return dataclasses.replace(data, task=_Headless())


def maps_of(network: Any) -> list[Any]:
    """Returns the last feature map of each size through which all goes that a network finds, the finest first.

    Such as the end of a stage of residual blocks: what is within a block is not seen by its shortcut. Nothing where a
    network has none: it does not convolve, or makes a sequence of patches of its image.

    Args:
        network: an image network; (batch, rows, columns, channels) each.
    """
    by_size: dict[tuple[int, int], Any] = {}
    before = {id(operation) for operation in _before_convolutions(network)}
    for operation, x in narrow_places(network):
        if len(x.shape) == 3:
            return []
        is_map = len(x.shape) == 4 and None not in x.shape[1:3] and max(x.shape[1:3]) > 1
        if is_map and id(operation) not in before and type(operation).__name__ not in _BORDERS:
            by_size[x.shape[1], x.shape[2]] = x
    return sorted(by_size.values(), key=lambda x: -x.shape[1] * x.shape[2])


def _before_convolutions(network: Any) -> Iterator[Any]:
    """Yields the operations before the first convolution; all where there is none."""
    for operation, _ in followers(network):
        if any(len(weight.shape) == 4 for weight in getattr(operation, "weights", ())):
            return
        yield operation
