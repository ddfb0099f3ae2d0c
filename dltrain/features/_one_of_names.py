"""A feature that is one of some names."""

from __future__ import annotations

from typing import Any, ClassVar

from dltrain.data.feature import Feature
from dltrain.lazy import np


class OneOfNames(Feature):
    """What is stored as the position of a name, int32; a feature of this kind has `class_names`."""

    dtype: ClassVar = "int32"
    class_names: tuple[str, ...]

    @property
    def shape(self) -> tuple[()]:
        """A whole number."""
        return ()

    @property
    def has_columns(self) -> bool:
        """Always."""
        return True

    def columns_of(self, stored: Any) -> np.ndarray:
        """Returns the position of each class, (examples, 1)."""
        return np.asarray(stored)[:, None]

    def identity(self) -> tuple[str, ...]:
        """Returns the names."""
        return self.class_names
