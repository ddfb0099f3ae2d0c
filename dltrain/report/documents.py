"""A figure and a table of a report on vectors of documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dltrain.data import Groups, spaced
from dltrain.data.statistics import of_length_1
from dltrain.figures.plane import Plane
from dltrain.report.parts import WIDE, Figure, Table

MOST_READ = 2000
"""Documents among which neighbours are looked for."""

_ASKED, _NEAREST = 12, 3


def plane(vectors: np.ndarray, groups: Groups | None, part: str) -> Figure:
    """Returns documents in the plane in which their vectors differ most: principal components.

    Args:
        vectors: (documents, numbers).
        groups: their classes; none where there are none.
        part: of the data.
    """
    units = of_length_1(vectors)
    centred = units - units.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    points = centred @ axes[:2].T
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    shares = np.square(sizes) / max(float(np.square(sizes).sum()), 1e-12)
    note = (
        f"{part} part, {len(vectors):,} documents; principal components of vectors of length 1, with "
        f"{' and '.join(f'{share:.0%}' for share in shares[:2])} of their variance"
    )
    members = np.zeros(len(vectors), np.int64) if groups is None else groups.members
    return Figure("documents", Plane("Documents", note, points, members, groups.names if groups else ()), WIDE)


def neighbours(vectors: np.ndarray, texts: Sequence[str], classes: Sequence[str]) -> Table:
    """Returns the nearest documents of some, evenly spaced ones.

    Args:
        vectors: (documents, numbers).
        texts: of the first documents, at most `MOST_READ`: neighbours are looked for among these.
        classes: of all documents, in words; empty where there are none.
    """
    units = of_length_1(vectors[: len(texts)])
    rows = []
    for place in spaced(len(texts), _ASKED):
        cosines = units @ units[place]
        cosines[place] = -np.inf
        for rank, near in enumerate(np.argsort(-cosines, kind="stable")[: min(_NEAREST, len(texts) - 1)]):
            of = (classes[place] if not rank else "", classes[near]) if len(classes) else ()
            rows.append((texts[place] if not rank else "", texts[near], *of, f"{cosines[near]:.3f}"))
    columns = ("document", "near it", *(("its class", "class of the near one") if len(classes) else ()), "cosine")
    note = f"looked for among {len(texts):,} documents"
    return Table("Nearest documents", columns, rows, note, words=len(columns) - 1, shown=36)
