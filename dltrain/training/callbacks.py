"""Keras callbacks, called as Keras's own `fit` calls them, but for steps only about once a second."""

import math
from collections.abc import Sequence
from typing import Any

from dltrain.lazy import keras
from dltrain.runs.folder import Run
from dltrain.schedules import Plan

PLACE = ("epoch", "step", "seconds")
"""Columns that say where in the run a row is; the others are measurements."""


class CallbackRunner:
    """The callbacks of a run; false where there are none.

    Args:
        blocks: the config's `callbacks`.
        run: the run's folder, for callbacks that write files.
        model: the network that is trained.
        plan: how long the run is.
        epoch: epochs that are done.
    """

    def __init__(self, blocks: Sequence[Any], run: Run, model: Any, plan: Plan, epoch: int) -> None:
        self._model = model
        self._list = None
        self._steps = plan.steps_per_epoch
        if blocks:
            model.stop_training = False
            epochs = -(-plan.total_steps // plan.steps_per_epoch)
            made = [block.build(run.path) for block in blocks]
            self._list = keras.callbacks.CallbackList(made, model=model, epochs=epochs, steps=self._steps)
            self._list.on_train_begin()
            self._list.on_epoch_begin(epoch)

    def __bool__(self) -> bool:
        return self._list is not None

    @property
    def stopped(self) -> bool:
        """Whether a callback asked to stop."""
        return self._list is not None and bool(self._model.stop_training)

    def set_model(self, model: Any) -> None:
        """Gives the callbacks the network that the run continues with."""
        if self._list is not None:
            model.stop_training = self._model.stop_training
            self._model = model
            self._list.set_model(model)

    def steps_done(self, step: int, means: dict[str, float]) -> None:
        """Reports the last of some steps, with the means of the epoch so far."""
        if self._list is not None:
            batch = (step - 1) % self._steps
            self._list.on_train_batch_begin(batch)
            self._list.on_train_batch_end(batch, means)

    def epoch_ended(self, row: dict[str, Any]) -> bool:
        """Reports an epoch's row and the start of the next epoch; returns whether a callback asks to stop.

        What is undefined for the data is NaN there, as Keras's own callbacks compare numbers.
        """
        if self._list is None:
            return False
        logs = {key: math.nan if value is None else value for key, value in row.items() if key not in PLACE}
        self._list.on_epoch_end(row["epoch"] - 1, logs)
        if not self.stopped:
            self._list.on_epoch_begin(row["epoch"])
        return self.stopped

    def end(self) -> None:
        """Reports the end of training."""
        if self._list is not None:
            self._list.on_train_end()
