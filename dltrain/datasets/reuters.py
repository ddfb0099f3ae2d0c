"""News of Reuters, as `keras.datasets.reuters` has them."""

from typing import ClassVar

from dltrain.datasets._texts.keras_texts import KerasTexts
from dltrain.registry import DATASETS


@DATASETS.register("reuters")
class Reuters(KerasTexts):
    """8,982 and 2,246 items of news in 46 topics; downloads 3 MB.

    D. Lewis et al., Reuters-21578, 1987; the part that Keras holds out for testing, a random fifth.
    """

    class_names: ClassVar[tuple[str, ...]] = (
        *("cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing", "money-supply", "coffee"),
        *("sugar", "trade", "reserves", "ship", "cotton", "carcass", "crude", "nat-gas", "cpi", "money-fx"),
        *("interest", "gnp", "meal-feed", "alum", "oilseed", "gold", "tin", "strategic-metal", "livestock", "retail"),
        *("ipi", "iron-steel", "rubber", "heat", "jobs", "lei", "bop", "zinc", "orange", "pet-chem", "dlr", "gas"),
        *("silver", "wpi", "hog", "lead"),
    )
