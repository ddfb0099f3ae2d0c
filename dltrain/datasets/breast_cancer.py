"""Breast cancer: cell nuclei in images of tumours."""

from typing import ClassVar

from dltrain.datasets._tables.scikit import ScikitTable
from dltrain.registry import DATASETS


@DATASETS.register("breast_cancer")
class BreastCancer(ScikitTable):
    """569 tumours, malignant or benign, by 30 measures of their cell nuclei, from scikit-learn: no download.

    W. N. Street, W. H. Wolberg and O. L. Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993.
    """

    counts: ClassVar[tuple[int, ...]] = (212, 357)
    columns: ClassVar[tuple[str, ...]] = (
        "mean radius",
        "mean texture",
        "mean perimeter",
        "mean area",
        "mean smoothness",
        "mean compactness",
        "mean concavity",
        "mean concave points",
        "mean symmetry",
        "mean fractal dimension",
        "radius error",
        "texture error",
        "perimeter error",
        "area error",
        "smoothness error",
        "compactness error",
        "concavity error",
        "concave points error",
        "symmetry error",
        "fractal dimension error",
        "worst radius",
        "worst texture",
        "worst perimeter",
        "worst area",
        "worst smoothness",
        "worst compactness",
        "worst concavity",
        "worst concave points",
        "worst symmetry",
        "worst fractal dimension",
    )
    class_names: ClassVar[tuple[str, ...]] = (
        "malignant",
        "benign",
    )
