"""Sources that must be read as a whole to be described: once, for description and data alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dltrain.data import DataSpec, Splits
from dltrain.data.noticing import noticing
from dltrain.datasets import Dataset
from dltrain.datasets._sources.arrays import refusing


@dataclass(frozen=True, kw_only=True)
class Whole(Dataset):
    """A source whose description comes from all of its values."""

    def files(self) -> list[Path]:
        """Returns the files that are read.

        Raises:
            ValueError: if there are none.
        """
        raise NotImplementedError(f"{type(self).__name__} must have files()")

    def splits(self, like: DataSpec | None) -> Splits:
        """Reads all of it.

        Args:
            like: the data that a run was trained on; none to learn from these.

        Raises:
            ValueError: if the data cannot be used.
        """
        raise NotImplementedError(f"{type(self).__name__} must have splits(like)")

    def spec(self) -> DataSpec:
        """Describes the data, from all of their values.

        Raises:
            KeyProblem: if they cannot be used.
        """
        return self._known[0]

    def sizes(self) -> dict[str, int]:
        """Returns how many examples each part has, from all of the data; raises as `spec`."""
        return self._known[1]

    def load(self, like: DataSpec | None = None) -> Splits:
        """Returns the parts.

        Args:
            like: what was learnt from other data; none to learn it from these.

        Raises:
            DataError: if the data cannot be used.
        """
        with refusing():
            splits = self._own if like is None else self._read(like)
        self.__dict__.pop("_own", None)  # the training data must not be kept twice
        return splits

    @property
    def _known(self) -> tuple[DataSpec, dict[str, int]]:
        """The description; made once for all configs of a process with the same files and settings."""
        stamps = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in self.files())
        if (self, stamps) not in _KNOWN:
            splits = self._own
            _KNOWN[self, stamps] = splits.spec, {name: len(part) for name, part in splits.parts.items()}
        return _KNOWN[self, stamps]

    @cached_property
    def _own(self) -> Splits:
        return self._read(None)

    def _read(self, like: DataSpec | None) -> Splits:
        with noticing() as noticed:
            splits = self.splits(like)
        return replace(splits, noticed=(*splits.noticed, *noticed))


_KNOWN: dict[Any, tuple[DataSpec, dict[str, int]]] = {}
