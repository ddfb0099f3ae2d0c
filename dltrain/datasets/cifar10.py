"""CIFAR-10, as `keras.datasets.cifar10` has it."""

from typing import ClassVar

from dltrain.datasets._sources.keras_download import KerasDownload
from dltrain.registry import DATASETS


@DATASETS.register("cifar10")
class CIFAR10(KerasDownload):
    """50,000 and 10,000 photographs in 10 classes, 32x32 pixels, colour; downloads 170 MB.

    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, chapter 3.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)
    train_counts: ClassVar[tuple[int, ...]] = (5000,) * 10
    class_names: ClassVar[tuple[str, ...]] = (
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    )
    by_hand: ClassVar[str] = "cifar-10-python.tar.gz as {folder}/cifar-10-batches-py-target_archive"
