"""Handwritten digits that need no download: the test set of UCI's "Optical Recognition of Handwritten Digits"."""

from __future__ import annotations

from typing import Literal

from dltrain.data import DataSpec, Split, Splits
from dltrain.datasets import Dataset
from dltrain.datasets._sources.splitting import sizes_of, split_into_parts
from dltrain.errors import KeyProblem
from dltrain.features.class_label import ClassLabel
from dltrain.features.image import Image
from dltrain.fields import PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS

_COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
"""The scans of each digit."""


@DATASETS.register("digits")
class Digits(Dataset):
    """1,797 scans of handwritten digits, 8x8 pixels, from scikit-learn: no download.

    E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository; `sklearn.datasets.load_digits`. The pixels, 0 to
    16 there, are scaled to 0 to 255.

    Args:
        channels: 1 for grey; 3 to repeat the grey in three channels.
        size: height and width in pixels, a multiple of 8; larger ones repeat each pixel.
    """

    channels: Literal[1, 3] = 1
    size: PositiveInt = 8

    def __post_init__(self) -> None:
        if self.size % 8:
            raise KeyProblem("size", f"must be a multiple of 8, got {self.size}")

    def spec(self) -> DataSpec:
        """Describes shape and classes, without reading anything."""
        image = Image(shape=(self.size, self.size, self.channels))
        return DataSpec.of(image, ClassLabel(class_names=tuple("0123456789")))

    def sizes(self) -> dict[str, int]:
        """Returns how many examples each part has, without reading anything."""
        return sizes_of(_COUNTS, self.validation_fraction, self.test_fraction)

    def load(self, like: DataSpec | None = None) -> Splits:
        """Loads the three parts, images uint8 in 0-255."""
        from sklearn.datasets import load_digits

        scans, labels = load_digits(return_X_y=True)
        images = np.rint(scans.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
        scale = self.size // 8
        images = images.repeat(scale, axis=1).repeat(scale, axis=2).repeat(self.channels, axis=3)
        examples = Split(images, labels.astype(np.int32))
        return split_into_parts(
            self.spec(),
            examples,
            validation=self.validation_fraction,
            test=self.test_fraction,
            split_seed=self.split_seed,
            like=like,
        )
