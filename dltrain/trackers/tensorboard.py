"""TensorBoard."""

from pathlib import Path
from typing import Any

from dltrain.fields import NonNegativeInt
from dltrain.lazy import tf
from dltrain.registry import TRACKERS
from dltrain.trackers import Tracker
from dltrain.trackers._tracking import check_installed, flat, measured, results


@TRACKERS.register("tensorboard")
class TensorBoard(Tracker):
    """Curves for TensorBoard in the run's folder: `tensorboard --logdir runs`.

    Training and validation share one chart. Needs TensorBoard: pip install 'dltrain[tensorboard]'.

    Args:
        histogram_epochs: epochs between two histograms of all weights, 0 for none.
    """

    histogram_epochs: NonNegativeInt = 0

    def check_installed(self) -> None:
        """Raises KeyProblem where its package is not installed."""
        check_installed("tensorboard", "TensorBoard")

    def start(self, run: Path, config: dict[str, Any]) -> "_Curves":
        """Starts the files of curves."""
        return _Curves(run / "tensorboard", config, self.histogram_epochs)


class _Curves:
    def __init__(self, folder: Path, config: dict[str, Any], histogram_epochs: int) -> None:
        self._histogram_epochs = histogram_epochs
        self._train = tf.summary.create_file_writer(str(folder / "train"))
        self._validation = tf.summary.create_file_writer(str(folder / "validation"))
        rows = "".join(f"| {key} | {text} |\n" for key, text in flat(config).items())
        with self._train.as_default(step=0):
            tf.summary.text("config", f"| key | value |\n| --- | --- |\n{rows}")

    def epoch(self, row: dict[str, Any], model: Any) -> None:
        """Writes an epoch's numbers and, every so often, the weights."""
        for name, value in measured(row).items():
            writer = self._validation if name.startswith("val_") else self._train
            with writer.as_default(step=row["epoch"]):
                tf.summary.scalar(name.removeprefix("val_"), value)
        if self._histogram_epochs and row["epoch"] % self._histogram_epochs == 0:
            with self._train.as_default(step=row["epoch"]):
                for weight in model.weights:
                    tf.summary.histogram(weight.path, weight)
        self._train.flush()
        self._validation.flush()

    def end(self, summary: dict[str, Any]) -> None:
        """Writes the results, at the last epoch."""
        with self._validation.as_default(step=summary["epochs"]):
            for name, value in results(summary).items():
                tf.summary.scalar(name, value)
        self._train.close()
        self._validation.close()
