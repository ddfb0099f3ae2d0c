"""Wine: chemical analyses of the wines of three growers."""

from typing import ClassVar

from dltrain.datasets._tables.scikit import ScikitTable
from dltrain.registry import DATASETS


@DATASETS.register("wine")
class Wine(ScikitTable):
    """178 wines of 3 growers by 13 chemical measures, from scikit-learn: no download.

    S. Aeberhard and M. Forina, 1991, UCI Machine Learning Repository.
    """

    counts: ClassVar[tuple[int, ...]] = (59, 71, 48)
    columns: ClassVar[tuple[str, ...]] = (
        "alcohol",
        "malic_acid",
        "ash",
        "alcalinity_of_ash",
        "magnesium",
        "total_phenols",
        "flavanoids",
        "nonflavanoid_phenols",
        "proanthocyanins",
        "color_intensity",
        "hue",
        "od280/od315_of_diluted_wines",
        "proline",
    )
    class_names: ClassVar[tuple[str, ...]] = (
        "class 0",
        "class 1",
        "class 2",
    )
