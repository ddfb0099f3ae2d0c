"""MNIST, as `keras.datasets.mnist` has it."""

from typing import ClassVar

from dltrain.datasets._sources.keras_download import KerasDownload
from dltrain.registry import DATASETS


@DATASETS.register("mnist")
class MNIST(KerasDownload):
    """60,000 and 10,000 handwritten digits, 28x28 pixels, grey; downloads 11 MB.

    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document recognition", 1998.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    train_counts: ClassVar[tuple[int, ...]] = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
    class_names: ClassVar[tuple[str, ...]] = tuple("0123456789")
    by_hand: ClassVar[str] = "mnist.npz as {folder}/mnist.npz"
