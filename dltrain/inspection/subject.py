"""What is looked at: the parts of a dataset, and what several checks need of them, made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dltrain.data import DataSpec, Split, Splits, spaced
from dltrain.inspection import digests
from dltrain.lazy import np

THUMBNAIL = 32
"""Height and width that images are compared at, at most, in pixels."""
BRIEF_BYTES = 2**28
"""Larger arrays are left to `inspect`: reading them would be felt at the start of a fit."""
BRIEF_FILES = 2_000
"""Likewise for examples in files."""
PLAIN = ("value", "category")
"""The parts of a table's columns that stand for the column itself."""


@dataclass(frozen=True)
class Subject:
    """Loaded data.

    Args:
        splits: the parts.
        brief: whether there is only a moment.
        skips: whether the config asks to leave out what cannot be used.
    """

    splits: Splits
    brief: bool = False
    skips: bool = False

    @property
    def spec(self) -> DataSpec:
        """What the data say of themselves."""
        return self.splits.spec

    @cached_property
    def parts(self) -> dict[str, Split]:
        """The parts that there are, by name."""
        named = {name: getattr(self.splits, name) for name in ("train", "validation", "test")}
        return {name: part for name, part in named.items() if part is not None}

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """The files of the parts whose examples are files of their own."""
        return {name: part.inputs.paths for name, part in self.parts.items() if hasattr(part.inputs, "paths")}

    @property
    def is_small(self) -> bool:
        """Whether all inputs may be read now."""
        if not self.brief:
            return True
        if self.files:
            return sum(map(len, self.files.values())) <= BRIEF_FILES
        return sum(getattr(part.inputs, "nbytes", BRIEF_BYTES + 1) for part in self.parts.values()) <= BRIEF_BYTES

    def place(self, part: str, index: int) -> str:
        """Returns where an example came from: its file, its line, or its position in the part."""
        if part in self.files:
            return str(self.files[part][index])
        provenance = self.parts[part].provenance
        return f"{part}[{index}]" if provenance is None else provenance[index]

    def owner(self, position: int) -> tuple[str, int]:
        """Returns the part of an example, and its position there, where all parts are counted through."""
        for name, part in self.parts.items():
            if position < len(part):
                return name, position
            position -= len(part)
        raise IndexError(position)

    def gathered(self, positions: np.ndarray) -> np.ndarray:
        """Returns the inputs of examples of all parts, counted through; the positions ascend."""
        found, start = [], 0
        for part in self.parts.values():
            inside = positions[(positions >= start) & (positions < start + len(part))] - start
            found.append(np.asarray(part.inputs[inside]))
            start += len(part)
        return np.concatenate(found)

    @cached_property
    def counts(self) -> dict[str, np.ndarray] | None:
        """How often each class or label occurs in each part, (classes,); none where there are none."""
        classes = len(self.spec.class_names)
        if not classes:
            return None
        return {
            name: np.bincount(part.targets[(part.targets >= 0) & (part.targets < classes)], minlength=classes)
            if part.targets.ndim == 1
            else (part.targets > 0.5).sum(axis=0)
            for name, part in self.parts.items()
        }

    @cached_property
    def digests(self) -> dict[str, np.ndarray]:
        """A number for each example of each part, the same for the same content alone, (examples,), uint64."""
        if self.files:
            every = digests.of_files([path for paths in self.files.values() for path in paths])
            ends = np.cumsum([len(paths) for paths in self.files.values()])
            return dict(zip(self.files, np.split(every, ends[:-1]), strict=True))
        return {name: digests.of_rows(part.inputs) for name, part in self.parts.items()}

    @cached_property
    def has_repeats(self) -> bool:
        """Whether any example is there twice; one sort, where finding out which takes several."""
        every = np.sort(np.concatenate(list(self.digests.values())))
        return bool((every[1:] == every[:-1]).any())

    @cached_property
    def thumbnails(self) -> dict[str, np.ndarray]:
        """Every image of each part, small and grey, (examples, height, width), float32 in 0-255."""
        return {
            name: np.concatenate([_small(part.inputs[start : start + 64]) for start in range(0, len(part), 64)])
            for name, part in self.parts.items()
        }

    def table(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns inputs and targets of evenly spaced training examples, where an example is a row of numbers.

        Args:
            rows: how many at most.
        """
        train = self.splits.train
        chosen = spaced(len(train), rows)
        return np.asarray(train.inputs[chosen]), train.targets[chosen]

    @property
    def is_table(self) -> bool:
        """Whether an example is a row of numbers."""
        return len(self.spec.input_shape) == 1

    def column(self, index: int) -> str:
        """Returns what a number of an example is called."""
        columns = self.spec.columns
        return f"column {columns[index].name!r}" if columns else f"feature {index}"


def _small(images: np.ndarray) -> np.ndarray:
    """Returns images as means of boxes of their pixels, grey."""
    grey = np.asarray(images).mean(axis=-1, dtype=np.float32)
    for axis in (1, 2):
        side = grey.shape[axis]
        if side > THUMBNAIL:
            starts = np.arange(THUMBNAIL) * side // THUMBNAIL
            widths = np.diff(np.append(starts, side)).astype(np.float32)
            shape = [1, 1, 1]
            shape[axis] = THUMBNAIL
            grey = np.add.reduceat(grey, starts, axis=axis) / widths.reshape(shape)
    return grey
