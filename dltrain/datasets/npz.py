"""The user's own arrays in one .npz file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import ClassVar

from dltrain.data import DataSpec, Splits
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets import Dataset
from dltrain.datasets._sources.arrays import Part, assemble, describe, reader_within, refusing, sizes_of_parts
from dltrain.datasets._sources.proposal import arrays, one_file
from dltrain.errors import KeyProblem
from dltrain.features._arrays.files import Header, Origin, opened_npz, read_header, read_member, reading
from dltrain.features.whole_series import Scaling
from dltrain.fields import PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS, suggestion


@DATASETS.register("npz")
class NPZ(Dataset):
    """Your own arrays, in one file made by `numpy.savez`.

    The file contains `x` and `y`, or `x_train` and `y_train`; and optionally `x_validation` and `y_validation`,
    `x_test` and `y_test`. x is (examples, features), (examples, height, width) or (examples, height, width, channels);
    images are best stored as uint8, 0 to 255; other inputs become float32. y is one label per example, whole numbers or
    strings; the sorted training labels are the classes. Pickled objects are never read.

    Args:
        path: the file, relative to the config's folder.
        series: none; or train or series, where x is series, (examples, steps, channels) or (examples, steps),
            scaled as in the dataset ts.
        test_fraction: share of all examples held out for testing, 0 to below 1, stratified by class; unused if the file
            has `x_test`.
        validation_fraction: share of the remaining examples held out for tuning, 0 to below 1, stratified by class;
            unused if the file has `x_validation`.
        max_megabytes: the most that the file may have, and the arrays in it, in megabytes; none for 8,192, and for
            compressed arrays no more than 100 times the file's size.
    """

    task: ClassVar[str] = "classification"

    path: Path
    series: Scaling | None = None
    max_megabytes: PositiveInt | None = None

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads an .npz file; none where the path is not one.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        return arrays(one_file(path), lambda **keys: cls(**keys)._parts(with_inputs=False))

    def spec(self) -> DataSpec:
        """Describes shape and classes, from the headers of the inputs and the labels.

        Raises:
            ValueError: if the file cannot be used.
        """
        return describe(self._parts(with_inputs=False))[0]

    def sizes(self) -> dict[str, int]:
        """Returns how many examples each part has; reads the labels."""
        return sizes_of_parts(self._parts(with_inputs=False), self.validation_fraction, self.test_fraction)

    def load(self, like: DataSpec | None = None) -> Splits:
        """Loads the parts in the file, and splits off the others.

        Args:
            like: the data that a run was trained on, whose classes are used.

        Raises:
            DataError: if the file cannot be used.
        """
        with refusing():
            parts = self._parts(with_inputs=True)
            return assemble(parts, self.validation_fraction, self.test_fraction, self.split_seed, like)

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of other arrays for a network that was trained on `spec`."""
        return reader_within(SizeLimit(self.max_megabytes), spec)

    def _parts(self, with_inputs: bool) -> dict[str, Part]:
        with reading("path", self.path), opened_npz(self.path, SizeLimit(self.max_megabytes)) as archive:
            found = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            return {
                part: Part(
                    self._label(x),
                    self._label(y),
                    self._array(archive, x) if with_inputs else self._header(archive, x),
                    self._array(archive, y),
                    self.series,
                )
                for part, (x, y) in self._names(found).items()
            }

    def _names(self, found: list[str]) -> dict[str, tuple[str, str]]:
        """Returns the names of inputs and labels of each part that the file has."""
        split = any(name.endswith("_train") for name in found) or not {"x", "y"} & set(found)
        names = {"train": ("x_train", "y_train") if split else ("x", "y")}
        for part in ("validation", "test"):
            pair = (f"x_{part}", f"y_{part}")
            if set(pair) & set(found):
                names[part] = pair
        wanted = [name for pair in names.values() for name in pair]
        for name in wanted:
            if name not in found:
                near = suggestion(name, [other for other in found if other not in wanted] or found, "it has")
                raise KeyProblem("path", f"{self.path} has no array {name}{near if found else '; it has none'}")
        for name in found:
            if name not in wanted and name.lower().startswith(("x", "y")):
                raise KeyProblem(
                    "path",
                    f"{self.path} has an array {name} that is not used; the names are {', '.join(wanted)} and "
                    "x or y with _validation or _test",
                )
        return names

    def _label(self, name: str) -> Origin:
        return Origin("path", f"array {name} of {self.path.name}")

    def _header(self, archive: zipfile.ZipFile, name: str) -> Header:
        with archive.open(f"{name}.npy") as file:
            return read_header(file)

    def _array(self, archive: zipfile.ZipFile, name: str) -> np.ndarray:
        return read_member(self._label(name), archive, f"{name}.npy")
