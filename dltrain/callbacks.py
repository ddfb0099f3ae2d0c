"""What may be told of a run while it goes on: Keras callbacks, beside those that a plugin defines."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dltrain.fields import NonNegativeInt
from dltrain.lazy import keras
from dltrain.registry import CALLBACKS


@CALLBACKS.register("tensorboard")
class TensorBoard:
    """Curves for TensorBoard in the run's folder: `tensorboard --logdir runs`.

    Needs TensorBoard: pip install 'dltrain[tensorboard]'.

    Args:
        histogram_epochs: epochs between two histograms of all weights, 0 for none.
    """

    histogram_epochs: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if find_spec("tensorboard") is None:  # Keras would find out in the middle of the run
            raise ValueError("name: tensorboard needs TensorBoard: pip install 'dltrain[tensorboard]'")

    def build(self, folder: Path) -> Any:
        """Returns the Keras callback of a run with that folder."""
        place = str(folder / "tensorboard")
        return keras.callbacks.TensorBoard(place, histogram_freq=self.histogram_epochs, write_graph=False)
