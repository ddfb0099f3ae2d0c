"""Tables of vectors that a network has learnt, written and read again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dltrain.inference.export_folder import Written, put, remove
from dltrain.inspection.inspected_data import InspectedData

NO_VECTORS = "holds vectors, and this network has learnt none of documents or words: choose a format of networks"


def names_of(names: Sequence[str] | None, count: int, data: InspectedData | None) -> list[str]:
    """Returns the names of the rows of a table.

    Args:
        names: as the task gave them; none where the rows are the examples of the train part.
        count: how many rows there are.
        data: the run's data, which know where examples came from; none to number them from 0.
    """
    if names is not None:
        return [*names]
    if data is None or len(data.splits.train) != count:
        return [str(row) for row in range(count)]
    return [data.place("train", row) for row in range(count)]


def write_vectors(
    each: Any, tables: Mapping[str, tuple[Sequence[str] | None, np.ndarray]], data: InspectedData | None, place: Path
) -> list[Written]:
    """Writes each table into a file, called after what the vectors are of; it appears only when it is complete.

    Args:
        each: the format.
        tables: names and vectors, by what they are of.
        data: the run's data; none where they are not at hand.
        place: the folder.

    Raises:
        RuntimeError: if a file does not read back as what was written.
    """
    found = []
    for stem, (names, vectors) in tables.items():
        path = place / f"{stem}{each.suffix}"
        aside = path.with_name(f".{stem}.{os.getpid()}{each.suffix}")
        try:
            each.write_vectors(aside, names_of(names, len(vectors), data), vectors)
            apart = float(np.abs(each.read_vectors(aside) - vectors).max())
            if apart > each.tolerance:
                raise RuntimeError(f"{path} does not read back as the vectors that were written")
            size = aside.stat().st_size
            put(aside, path)
        finally:
            remove(aside)
        found.append(Written(each.registered_name, path, size, len(vectors), 0, apart, None, None, each.tolerance))
    return found
