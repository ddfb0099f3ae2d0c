"""The base of the small tables that scikit-learn contains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from dltrain.data import DataSpec, Split, Splits
from dltrain.datasets import Dataset
from dltrain.datasets._sources.splitting import sizes_of, split_into_parts
from dltrain.features.class_label import ClassLabel
from dltrain.features.numbers import Numbers
from dltrain.features.table import Column, Table
from dltrain.lazy import np


@dataclass(frozen=True, kw_only=True)
class ScikitTable(Dataset):
    """A table of `sklearn.datasets`, all of its columns numbers in their own units.

    Args:
    """

    settings: ClassVar[dict[str, Any]] = {}
    columns: ClassVar[tuple[str, ...]]
    class_names: ClassVar[tuple[str, ...]] = ()
    # The examples of each class; one number where there are no classes.
    counts: ClassVar[tuple[int, ...]]
    target: ClassVar[str] = ""

    def spec(self) -> DataSpec:
        """Describes columns and classes, without reading anything."""
        columns = tuple(Column(name, name) for name in self.columns)
        target = Numbers(names=(self.target,)) if self.target else ClassLabel(class_names=self.class_names)
        return DataSpec.of(Table(columns=columns), target)

    def sizes(self) -> dict[str, int]:
        """Returns how many examples each part has, without reading anything."""
        return sizes_of(self.counts, self.validation_fraction, self.test_fraction)

    def load(self, like: DataSpec | None = None) -> Splits:
        """Loads the three parts, numbers float32."""
        from sklearn import datasets

        inputs, targets = getattr(datasets, f"load_{self.registered_name}")(return_X_y=True, **self.settings)
        targets = targets[:, None].astype(np.float32) if self.target else targets.astype(np.int32)
        return split_into_parts(
            self.spec(),
            Split(inputs.astype(np.float32), targets),
            validation=self.validation_fraction,
            test=self.test_fraction,
            split_seed=self.split_seed,
            like=like,
        )
