"""The base of the datasets that Keras downloads."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from gzip import BadGzipFile
from http.client import HTTPException
from typing import Any, ClassVar
from urllib.error import URLError

from dltrain.cache import keras_folder
from dltrain.data import DataSpec, Split, Splits
from dltrain.datasets import Dataset
from dltrain.datasets._sources.splitting import sizes_of, split_into_parts
from dltrain.errors import DataError
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.fields import HeldOut
from dltrain.lazy import keras, np


@dataclass(frozen=True, kw_only=True)
class KerasDownload(Dataset):
    """A dataset of `keras.datasets`, downloaded once and kept in Keras's cache; the test set is the published one.

    Args:
        validation_fraction: share of the training examples held out for tuning, 0 to below 1, stratified by class.
        split_seed: seed of which examples are held out; separate from the experiment's seed, so that runs share one
            split.
    """

    reads_with_tensorflow: ClassVar[bool] = True
    test_fraction: ClassVar[HeldOut] = 0.0  # type: ignore[misc]
    image_shape: ClassVar[tuple[int, int, int]]
    class_names: ClassVar[tuple[str, ...]]
    # The training examples of each class, where the test set has 10,000; empty where only the files know it.
    train_counts: ClassVar[tuple[int, ...]] = ()
    # Which file to save where by hand; {folder} is Keras's folder for datasets.
    by_hand: ClassVar[str]

    def spec(self) -> DataSpec:
        """Describes shape and classes, without reading anything."""
        return DataSpec.of(Image(shape=self.image_shape), ClassLabel(class_names=self.class_names))

    def sizes(self) -> dict[str, int] | None:
        """Returns how many examples each part has, without reading anything; none where only the files know it."""
        return sizes_of(self.train_counts, self.validation_fraction, 10_000) if self.train_counts else None

    def load(self, like: DataSpec | None = None) -> Splits:
        """Loads the three parts, images uint8 in 0-255; downloads files that are not in the cache.

        Raises:
            DataError: if the files cannot be downloaded or read.
        """
        source = getattr(keras.datasets, self.registered_name)
        try:
            with redirect_stdout(sys.stderr):  # Keras shows the download's progress on standard output
                train, test = (self._split(*part) for part in source.load_data())
        except Exception as error:  # whatever it is, it comes from reading these files
            by_hand = self.by_hand.format(folder=keras_folder("datasets"))
            raise DataError(advice(self.registered_name, error, by_hand)) from error
        return split_into_parts(
            self.spec(), train, validation=self.validation_fraction, test=test, split_seed=self.split_seed, like=like
        )

    def _split(self, images: Any, labels: Any) -> Split:
        labels = labels.reshape(-1).astype(np.int32)
        if len(labels) == 0 or labels.min() < 0 or labels.max() >= len(self.class_names):
            raise ValueError(f"labels must be 0 to {len(self.class_names) - 1}")
        return Split(np.ascontiguousarray(images).reshape(-1, *self.image_shape), labels)


def advice(name: str, error: Exception, by_hand: str) -> str:
    """Returns why a dataset of Keras's cannot be read, in a line, and which file to save where."""
    cause = error.__context__  # Keras hides a URLError behind a plain Exception
    if isinstance(cause, URLError):
        error = cause
    reason = " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__
    if isinstance(error, OSError | HTTPException) and not isinstance(error, BadGzipFile):
        return f"dataset {name} cannot be downloaded ({reason}): go online, or save {by_hand}"
    return (
        f"dataset {name} cannot be read: a file is incomplete or damaged ({reason}); "
        f"delete it and run again, or save {by_hand}"
    )
