"""Iris: four measures of flowers of three species."""

from typing import ClassVar

from dltrain.datasets._tables.scikit import ScikitTable
from dltrain.registry import DATASETS


@DATASETS.register("iris")
class Iris(ScikitTable):
    """150 iris flowers of 3 species by four lengths and widths in cm, from scikit-learn: no download.

    R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936.
    """

    counts: ClassVar[tuple[int, ...]] = (50, 50, 50)
    columns: ClassVar[tuple[str, ...]] = (
        "sepal length",
        "sepal width",
        "petal length",
        "petal width",
    )
    class_names: ClassVar[tuple[str, ...]] = (
        "setosa",
        "versicolor",
        "virginica",
    )
