"""CIFAR-100 with its fine labels, as `keras.datasets.cifar100` has it."""

from typing import ClassVar

from dltrain.datasets._sources.keras_download import KerasDownload
from dltrain.registry import DATASETS

FINE_LABELS = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""


@DATASETS.register("cifar100")
class CIFAR100(KerasDownload):
    """50,000 and 10,000 photographs in 100 classes, 32x32 pixels, colour; downloads 169 MB.

    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009, chapter 3; the 100 fine labels, not
    the 20 coarse ones.
    """

    image_shape: ClassVar[tuple[int, int, int]] = (32, 32, 3)
    train_counts: ClassVar[tuple[int, ...]] = (500,) * 100
    class_names: ClassVar[tuple[str, ...]] = tuple(FINE_LABELS.split())
    by_hand: ClassVar[str] = "cifar-100-python.tar.gz as {folder}/cifar-100-python-target_archive"
