"""The parts of a dataset, with what several checks need, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dltrain.data import DataSpec, Feature, Finding, Groups, Parts, Split, Splits, digests, named
from dltrain.data.trees import Tree, leaves
from dltrain.lazy import np

BRIEF_BYTES = 2**28
"""Larger arrays are left to `inspect`: reading them would be felt at the start of a fit."""
BRIEF_FILES = 2_000
"""Likewise for examples in files."""


@dataclass(frozen=True)
class InspectedData:
    """Loaded data.

    Args:
        splits: the parts.
        brief: whether there is only a moment.
        skips: whether the config asks to leave out what cannot be used.
        of_source: what the source found odd about raw values.
    """

    splits: Splits
    brief: bool = False
    skips: bool = False
    of_source: tuple[Finding, ...] = ()

    @property
    def spec(self) -> DataSpec:
        """The description of inputs and targets."""
        return self.splits.spec

    @cached_property
    def parts(self) -> dict[str, Split]:
        """The parts that there are, by name."""
        return self.splits.parts

    @cached_property
    def inputs(self) -> list[tuple[Feature, Parts]]:
        """The features of the inputs, each with its values."""
        return self._with_values(self.spec.inputs, {name: part.inputs for name, part in self.parts.items()})

    @cached_property
    def targets(self) -> list[tuple[Feature, Parts]]:
        """The features of the targets, each with its values."""
        data = self.spec
        return self._with_values(data.targets, {name: part.targets for name, part in self.parts.items()})

    def _with_values(self, features: Mapping[str, Feature], trees: dict[str, Tree]) -> list[tuple[Feature, Parts]]:
        values = {part: named(features, tree) for part, tree in trees.items()}
        return [
            (feature, Parts({part: values[part][name] for part in values}, self.place))
            for name, feature in features.items()
        ]

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The files of the parts whose examples are files of their own."""
        return next((parts.files for _, parts in self.inputs if parts.files), {})

    @property
    def is_small(self) -> bool:
        """Whether all inputs may be read now."""
        if not self.brief:
            return True
        if self.files:
            return sum(map(len, self.files.values())) <= BRIEF_FILES
        return sum(array.nbytes for part in self.parts.values() for array in leaves(part.inputs)) <= BRIEF_BYTES

    def place(self, part: str, index: int) -> str:
        """Returns where an example came from: its file, its line, or its position in the part."""
        if part in self.files:
            return str(self.files[part][index])
        provenance = self.parts[part].provenance
        return f"{part}[{index}]" if provenance is None else provenance[index]

    def owner(self, position: int) -> tuple[str, int]:
        """Returns the part of an example, and its position there, where all parts are counted through."""
        return self.inputs[0][1].owner(position)

    @property
    def has_columns(self) -> bool:
        """Whether examples are rows of numbers, which may be equal by chance."""
        return all(feature.has_columns for feature, _ in self.inputs)

    @cached_property
    def groups(self) -> list[dict[str, Groups]]:
        """Which examples have each class or label, by part, of each target that has some."""
        found = [{part: feature.groups(values) for part, values in parts.items()} for feature, parts in self.targets]
        return [groups for groups in found if groups["train"] is not None]  # type: ignore[misc]

    @cached_property
    def digests(self) -> dict[str, np.ndarray]:
        """A number for each example of each part, the same for the same content alone, (examples,), uint64."""
        each = [parts.digests for _, parts in self.inputs]
        return {name: digests.combined(*(found[name] for found in each)) for name in self.parts}

    @cached_property
    def has_repeats(self) -> bool:
        """Whether any example is there twice; one sort, where finding out which takes several."""
        every = np.sort(np.concatenate(list(self.digests.values())))
        return bool((every[1:] == every[:-1]).any())
