"""Film reviews of IMDB, as `keras.datasets.imdb` has them."""

from typing import ClassVar

from dltrain.datasets._texts.keras_texts import KerasTexts
from dltrain.registry import DATASETS


@DATASETS.register("imdb")
class IMDB(KerasTexts):
    """25,000 and 25,000 film reviews, positive or negative; downloads 19 MB.

    A. L. Maas et al., "Learning word vectors for sentiment analysis", 2011, section 4.1.
    """

    class_names: ClassVar[tuple[str, ...]] = ("negative", "positive")
