"""Bands of frequencies and stretches of time that training does not see."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="dltrain")
class SpectrogramMasks(keras.layers.Layer):
    """Puts 0, which is the mean, in bands of frequencies and in stretches of frames, while a network trains.

    Input and output: (batch, frequencies, frames, 1). Draws are those of Keras's seeds, which
    the checkpoint keeps as those of Dropout: a function of (seed, number of the batch).

    Args:
        frequency_masks: bands for each example.
        frequency_width: the widest, in rows; a width is drawn evenly from 0 on, then the place among all that fit.
        time_masks: stretches for each example.
        time_width: the longest, in frames, likewise.
        mirrored: rows of the second half are those of the first again, as a whole transform has them: both are hidden.
        seed: what the draws begin with; none for one of Keras's own.
    """

    def __init__(
        self,
        frequency_masks: int,
        frequency_width: int,
        time_masks: int,
        time_width: int,
        mirrored: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # float32 whatever the precision: it stands behind a front end that is.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.frequency_masks, self.frequency_width = frequency_masks, frequency_width
        self.time_masks, self.time_width = time_masks, time_width
        self.mirrored, self.seed = mirrored, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Hides what is drawn, in training alone."""
        if not training:
            return x
        hidden = self.hidden(keras.ops.shape(x)[0], *x.shape[1:3])
        return keras.ops.where(hidden[..., None], 0.0, x)

    def hidden(self, count: Any, rows: int, frames: int) -> Any:
        """Returns which places are hidden, drawn anew, (count, rows, frames), bool."""
        ops = keras.ops
        frequencies = rows // 2 + 1 if self.mirrored else rows
        places = ops.arange(rows)
        if self.mirrored:
            places = ops.minimum(places, rows - places)
        of_rows = self._stretches(count, self.frequency_masks, self.frequency_width, frequencies, places)
        of_frames = self._stretches(count, self.time_masks, self.time_width, frames, ops.arange(frames))
        return of_rows[:, :, None] | of_frames[:, None]

    def _stretches(self, count: Any, masks: int, width: int, size: int, places: Any) -> Any:
        """Returns which places lie in one of the stretches drawn along an axis of that size, (count, places)."""
        ops = keras.ops
        draws = keras.random.uniform((2, count, masks, 1), seed=self.seed_generator)
        # A product may round to what it must stay below.
        lengths = ops.minimum(ops.floor(draws[0] * (width + 1)), width)
        starts = ops.minimum(ops.floor(draws[1] * (size - lengths + 1)), size - lengths)
        places = ops.cast(places, "float32")
        return ops.any((places >= starts) & (places < starts + lengths), axis=1)

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns the shape of the input."""
        return shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("frequency_masks", "frequency_width", "time_masks", "time_width", "mirrored", "seed")
        return super().get_config() | {name: getattr(self, name) for name in names}
