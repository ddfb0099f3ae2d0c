"""What the small tables that scikit-learn ships share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from dltrain.data import DataSpec, Split, Splits
from dltrain.datasets._sources.splitting import parted
from dltrain.features.class_label import ClassLabel
from dltrain.features.numbers import Numbers
from dltrain.features.table import Column, Table
from dltrain.fields import HeldOut, Seed
from dltrain.lazy import np


@dataclass(frozen=True, kw_only=True)
class ScikitTable:
    """A table of `sklearn.datasets`, all of its columns numbers in their own units.

    Args:
        test_fraction: share of all rows held out for testing, 0 to below 1, stratified by class.
        validation_fraction: share of the remaining rows held out for tuning, 0 to below 1, stratified by class.
        split_seed: which rows are held out; apart from the experiment's seed, so that runs share one test set.
    """

    task: ClassVar[str] = "classification"
    registered_name: ClassVar[str]
    settings: ClassVar[dict[str, Any]] = {}
    columns: ClassVar[tuple[str, ...]]
    class_names: ClassVar[tuple[str, ...]] = ()
    target: ClassVar[str] = ""

    test_fraction: HeldOut = 0.2
    validation_fraction: HeldOut = 0.1
    split_seed: Seed = 0

    def spec(self) -> DataSpec:
        """Returns columns and classes, without reading anything."""
        columns = tuple(Column(name, name) for name in self.columns)
        target = Numbers(names=(self.target,)) if self.target else ClassLabel(class_names=self.class_names)
        return DataSpec.of(Table(columns=columns), target)

    def load(self) -> Splits:
        """Returns the three parts, numbers float32."""
        from sklearn import datasets

        inputs, targets = getattr(datasets, f"load_{self.registered_name}")(return_X_y=True, **self.settings)
        targets = targets[:, None].astype(np.float32) if self.target else targets.astype(np.int32)
        return parted(
            self.spec(),
            Split(inputs.astype(np.float32), targets),
            validation=self.validation_fraction,
            test=self.test_fraction,
            split_seed=self.split_seed,
        )
