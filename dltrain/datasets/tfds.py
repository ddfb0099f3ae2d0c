"""The datasets of TensorFlow Datasets."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from dltrain.data import DataSpec, Splits
from dltrain.datasets import Dataset
from dltrain.datasets._sources.arrays import Part, assemble
from dltrain.errors import DataError, KeyProblem
from dltrain.features._arrays.files import Origin
from dltrain.features.class_label import ClassLabel
from dltrain.lazy import np, starting
from dltrain.registry import DATASETS


@DATASETS.register("tfds")
class TFDS(Dataset):
    """A dataset of TensorFlow Datasets with one class per example; needs pip install 'dltrain[tfds]'.

    All examples, which must be of one shape, are read into memory.

    Args:
        builder: its name there, for example mnist or mnist:3.0.1.
        train: the split to train on, for example train or train[:10%].
        validation: the split for validation; none to split it off the train part.
        test: the split for testing; none to split it off the train part.
        folder: folder of its files; none for the folder of TensorFlow Datasets.
        test_fraction: share of all examples held out for testing, 0 to below 1, stratified by class; unused with
            `test`.
        validation_fraction: share of the remaining examples held out for tuning, likewise.
    """

    builder: str
    train: str = "train"
    validation: str | None = None
    test: str | None = "test"
    folder: Path | None = None

    def spec(self) -> None:
        """Returns none: the data are known only once they are downloaded."""

    def load(self, like: DataSpec | None = None) -> Splits:
        """Loads the parts; downloads missing files.

        Raises:
            DataError: if TensorFlow Datasets is not installed, or the dataset cannot be downloaded or used.
        """
        try:
            with starting:  # it imports TensorFlow, whose devices are chosen first
                import tensorflow_datasets as tfds
        except ImportError:
            raise DataError("dataset tfds needs TensorFlow Datasets: pip install 'dltrain[tfds]'") from None
        names = {"train": self.train, "validation": self.validation, "test": self.test}
        chosen = {part: split for part, split in names.items() if split is not None}
        try:
            with redirect_stdout(sys.stderr):  # standard output is for results
                read, info = tfds.load(
                    self.builder,
                    split=chosen,
                    data_dir=None if self.folder is None else str(self.folder),
                    batch_size=-1,
                    as_supervised=True,
                    with_info=True,
                )
                arrays = tfds.as_numpy(read)
        except Exception as error:  # whatever it is, it comes from having these data
            words = " ".join(str(error).split())[:300] or type(error).__name__
            raise DataError(f"dataset tfds {self.builder} cannot be loaded: {words}") from error
        parts = {part: self._part(chosen[part], *pair) for part, pair in arrays.items()}
        try:
            splits = assemble(parts, self.validation_fraction, self.test_fraction, self.split_seed)
        except KeyProblem as error:
            raise DataError(f"dataset tfds {error.words}") from error
        named = _named(splits, info)
        return named if like is None else named.with_statistics(like)

    def _part(self, split: str, inputs: Any, targets: Any) -> Part:
        where = f"{self.builder} {split}"
        return Part(
            Origin("builder", f"{where}: the inputs"),
            Origin("builder", f"{where}: the labels"),
            np.asarray(inputs),
            np.asarray(targets),
        )


def _named(splits: Splits, info: Any) -> Splits:
    """Returns the splits with the dataset's own names of its classes."""
    names = getattr(info.features[info.supervised_keys[1]], "names", None)
    if not names:
        return splits
    classes = tuple(names[int(name)] for name in splits.spec.target.class_names)
    return replace(splits, spec=splits.spec.with_target(ClassLabel(class_names=classes)))
