"""A figure and a table of a report on vectors of documents."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from dltrain.data import Groups, spaced
from dltrain.data.statistics import of_length_1
from dltrain.figures.plane import POINTS, Plane
from dltrain.report.parts import WIDE, Figure, Table

MOST_READ = 2000
"""Documents among which neighbours are looked for."""

_ASKED, _NEAREST = 12, 3

_NEIGHBOURS, _FEWEST = 15, 5
"""UMAP's neighbours of each document, as it is published; and the fewest documents that it can place."""

_log = logging.getLogger("dltrain")


def plane(vectors: np.ndarray, groups: Groups | None, part: str, method: str = "pca") -> Figure:
    """Returns documents in the plane: principal components of their vectors, or UMAP.

    Where UMAP cannot be used, a warning says why, and principal components stand there.

    Args:
        vectors: (documents, numbers).
        groups: their classes; none where there are none.
        part: of the data.
        method: pca or umap.
    """
    units = of_length_1(vectors)
    members = np.zeros(len(vectors), np.int64) if groups is None else groups.members
    if method == "umap" and (why := _without_umap(len(units))):
        _log.warning("%s", f"task.plane: the plane of documents has principal components: {why}")
        method = "pca"
    if method == "umap":
        drawn = spaced(len(units), POINTS)  # the time grows with the documents
        points, members, how = (
            _neighbourly(units[drawn]),
            members[drawn],
            "UMAP of vectors of length 1: near stays near",
        )
    else:
        points, how = _principal(units)
    note = f"{part} part, {len(vectors):,} documents; {how}"
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


def _principal(units: np.ndarray) -> tuple[np.ndarray, str]:
    """Returns documents in the plane in which they differ most, (documents, 2), and what it shows of them."""
    centred = units - units.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    points = centred @ axes[:2].T
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    shares = np.square(sizes) / max(float(np.square(sizes).sum()), 1e-12)
    of_variance = " and ".join(f"{share:.0%}" for share in shares[:2])
    return points, f"principal components of vectors of length 1, with {of_variance} of their variance"


def _without_umap(documents: int) -> str | None:
    """Returns why UMAP cannot be used; none where it can."""
    if find_spec("umap") is None:
        return "umap needs the package umap-learn: pip install 'dltrain[umap]'"
    return f"umap needs {_FEWEST} documents, the part has {documents}" if documents < _FEWEST else None


def _neighbourly(units: np.ndarray) -> np.ndarray:
    """Returns documents in the plane by UMAP (L. McInnes, J. Healy and J. Melville, 2018), (documents, 2)."""
    from umap import UMAP

    count = min(_NEIGHBOURS, len(units) - 1)
    return np.asarray(UMAP(n_neighbors=count, random_state=0, n_jobs=1).fit_transform(units.astype(np.float32)))
