"""Files of weights in HDF5, as Keras writes them: what they hold is looked at before any of it is read."""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dltrain.untrusted import opened, parsing

_MAX_DEPTH, _MAX_ARRAYS = 16, 100_000
_FREE_CHUNK = 2**20


def load_whole(path: Path, network: Any) -> None:
    """Loads a file of weights into a network of exactly the layers that wrote it.

    Args:
        path: a file that ends in .weights.h5.
        network: a built keras.Model.

    Raises:
        OSError: if it cannot be opened.
        untrusted.Unreadable: if it holds other weights, or something else.
    """
    import h5py

    most = sum(weight.shape.num_elements() for weight in network.weights)
    with parsing():
        with opened(path) as content, h5py.File(content, "r") as file:
            found = sum(array.size for _, array in arrays(file))
            if found != most:
                raise ValueError(f"it holds {found:,} weights, this network has {most:,}")
        network.load_weights(str(path))


def arrays(group: Any, address: str = "", depth: int = 0, count: list[int] | None = None) -> Iterator[tuple[str, Any]]:
    """Yields every array below a group with its address.

    Raises:
        ValueError: if one, or what it is in, lies elsewhere than in its place in this file.
    """
    import h5py

    count = [0] if count is None else count
    for key in group:
        place = f"{address}/{key}" if address else key
        count[0] += 1
        if depth > _MAX_DEPTH or count[0] > _MAX_ARRAYS:
            raise ValueError(f"{address} contains more than a network can")
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise ValueError(f"{place} is a link")
        if place == "optimizer":
            continue
        item = group[key]
        if isinstance(item, h5py.Group):
            yield from arrays(item, place, depth + 1, count)
        elif item.is_virtual or item.external:
            raise ValueError(f"{place} is kept in another file")
        elif item.shape is None:
            raise ValueError(f"{place} is empty")
        elif math.prod(item.chunks or ()) > max(item.size, _FREE_CHUNK):  # which is unpacked whole
            raise ValueError(f"{place} is stored in pieces that are larger than it")
        elif item.dtype.kind == "f":
            yield place, item
        elif not re.search(r"(seed_generator|normalization)\w*/", place):
            raise ValueError(f"{place} contains no numbers")
