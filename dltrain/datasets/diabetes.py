"""Diabetes: how far the disease went within a year."""

from typing import Any, ClassVar

from dltrain.datasets._tables.scikit import ScikitTable
from dltrain.registry import DATASETS


@DATASETS.register("diabetes")
class Diabetes(ScikitTable):
    """442 patients by age, sex and 8 measures; how far diabetes went within a year; from scikit-learn: no download.

    B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, "Least angle regression", 2004. In their own units.

    Args:
        test_fraction: share of all rows held out for testing, 0 to below 1.
        validation_fraction: share of the remaining rows held out for tuning, 0 to below 1.
    """

    task: ClassVar[str] = "regression"
    settings: ClassVar[dict[str, Any]] = {"scaled": False}
    target: ClassVar[str] = "progression"
    counts: ClassVar[tuple[int, ...]] = (442,)
    columns: ClassVar[tuple[str, ...]] = (
        "age",
        "sex",
        "bmi",
        "blood_pressure",
        "total_cholesterol",
        "ldl",
        "hdl",
        "cholesterol_by_hdl",
        "log_triglycerides",
        "blood_sugar",
    )
