"""Fashion-MNIST, as `keras.datasets.fashion_mnist` has it."""

from typing import ClassVar

from dltrain.datasets._sources.keras_download import KerasDownload
from dltrain.registry import DATASETS


@DATASETS.register("fashion_mnist")
class FashionMNIST(KerasDownload):
    """60,000 and 10,000 pictures of clothes in 10 classes, 28x28 pixels, grey; downloads 30 MB.

    H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", 2017.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (28, 28, 1)
    train_counts: ClassVar[tuple[int, ...]] = (6000,) * 10
    class_names: ClassVar[tuple[str, ...]] = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    by_hand: ClassVar[str] = (
        "train-labels-idx1-ubyte.gz, train-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz and "
        "t10k-images-idx3-ubyte.gz in {folder}/fashion-mnist"
    )
