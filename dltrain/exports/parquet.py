"""Parquet, for tables of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dltrain.exports import VectorExport
from dltrain.lazy import np
from dltrain.registry import EXPORTS


@EXPORTS.register("parquet")
class Parquet(VectorExport):
    """Vectors that a network has learnt, as a table with the columns name and vector: pandas, polars and others."""

    suffix: ClassVar[str] = ".parquet"

    def write_vectors(self, path: Path, names: list[str], vectors: np.ndarray) -> None:
        """Writes the table."""
        import polars

        kind = polars.Array(polars.Float32, vectors.shape[1])
        polars.DataFrame({"name": names, "vector": polars.Series(vectors, dtype=kind)}).write_parquet(path)

    def read_vectors(self, path: Path) -> np.ndarray:
        """Reads the vectors of a written file."""
        import polars

        return np.asarray(polars.read_parquet(path)["vector"].to_numpy())
