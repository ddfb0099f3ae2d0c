"""The user's own arrays in .npy files, the inputs memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from dltrain.data import DataSpec, Splits
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets import Dataset
from dltrain.datasets._sources.arrays import Part, assemble, describe, reader_within, refusing, sizes_of_parts
from dltrain.datasets._sources.proposal import arrays, two_files
from dltrain.errors import KeyProblem
from dltrain.features._arrays.files import Header, Origin, mapped, read_array, read_header, reading
from dltrain.features.whole_series import Scaling
from dltrain.fields import PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS
from dltrain.untrusted import opened


@DATASETS.register("npy")
class NPY(Dataset):
    """Your own arrays, in files made by `numpy.save`; the inputs may be larger than memory.

    Inputs are (examples, features), (examples, height, width) or (examples, height, width, channels); images are best
    stored as uint8, 0 to 255; other inputs become float32. Targets are one label per example, whole numbers or strings;
    the sorted training labels are the classes. Pickled objects are never read.

    Inputs of type uint8 or float32 stay on disk as a memory map if no part is split off (`test_inputs` given or
    `test_fraction: 0`, and `validation_fraction: 0`); splitting copies them into memory.

    Args:
        inputs: the file of the training inputs, relative to the config's folder.
        targets: the file of the training labels.
        test_inputs: the file of the test inputs; none to split a test part off.
        test_targets: the file of the test labels.
        test_fraction: share of all examples held out for testing, 0 to below 1, stratified by class; unused if
            `test_inputs` is given.
        series: none; or train or series, where inputs are series, (examples, steps, channels) or (examples, steps),
            scaled as in the dataset ts.
        max_megabytes: the most that a file of labels may have, which is read into memory, in megabytes; none for 8,192.
    """

    task: ClassVar[str] = "classification"

    inputs: Path
    targets: Path
    test_inputs: Path | None = None
    test_targets: Path | None = None
    series: Scaling | None = None
    max_megabytes: PositiveInt | None = None

    def __post_init__(self) -> None:
        if self.test_inputs and not self.test_targets:
            raise KeyProblem("test_inputs", "needs test_targets beside it")
        if self.test_targets and not self.test_inputs:
            raise KeyProblem("test_targets", "needs test_inputs beside it")

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads a pair of .npy files; none where the path is not one of them.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        return arrays(two_files(path), lambda **keys: cls(**keys)._parts(with_inputs=False))

    def spec(self) -> DataSpec:
        """Describes shape and classes, from the headers of the inputs and the labels.

        Raises:
            ValueError: if a file cannot be used.
        """
        return describe(self._parts(with_inputs=False))[0]

    def sizes(self) -> dict[str, int]:
        """Returns how many examples each part has; reads the labels."""
        return sizes_of_parts(self._parts(with_inputs=False), self.validation_fraction, self.test_fraction)

    def load(self, like: DataSpec | None = None) -> Splits:
        """Loads the parts that have files, and splits off the others.

        Args:
            like: the data that a run was trained on, whose classes are used.

        Raises:
            DataError: if a file cannot be used.
        """
        with refusing():
            parts = self._parts(with_inputs=True)
            return assemble(parts, self.validation_fraction, self.test_fraction, self.split_seed, like)

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of other arrays for a network that was trained on `spec`."""
        return reader_within(SizeLimit(self.max_megabytes), spec)

    def _parts(self, with_inputs: bool) -> dict[str, Part]:
        parts = {"train": self._part("inputs", self.inputs, "targets", self.targets, with_inputs)}
        if self.test_inputs and self.test_targets:
            parts["test"] = self._part("test_inputs", self.test_inputs, "test_targets", self.test_targets, with_inputs)
        return parts

    def _part(self, inputs_key: str, inputs: Path, targets_key: str, targets: Path, with_inputs: bool) -> Part:
        found: np.ndarray | Header
        with reading(inputs_key, inputs), opened(inputs) as file:
            found = read_header(file)
            # NumPy can map neither objects nor empty arrays; their header is enough to refuse them.
            if with_inputs and not found.dtype.hasobject and 0 not in found.shape:
                file.seek(0)
                found = mapped(file)
        targets_name = Origin(targets_key, targets.name)
        with reading(targets_key, targets), opened(targets, SizeLimit(self.max_megabytes).most) as file:
            labels = read_array(targets_name, file, targets.stat().st_size)
        return Part(Origin(inputs_key, inputs.name), targets_name, found, labels, self.series)
