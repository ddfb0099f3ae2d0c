"""Sounds moved in time, or played faster or slower."""

import math
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from dltrain.augmentations import Augmentation
from dltrain.augmentations._drawing import whole
from dltrain.augmentations._on_sounds import on_sounds, require_sounds
from dltrain.data import Change, DataSpec
from dltrain.errors import KeyProblem
from dltrain.features.audio import Audio
from dltrain.fields import PositiveFloat, Range
from dltrain.lazy import np, tf
from dltrain.registry import AUGMENTATIONS

_ZEROS = 24
"""Zeros of the filter on each side."""
_PASSED = 0.9
"""Share of the frequencies that it lets pass; at half the rate all but 80 dB are gone."""

Factor = Annotated[float, Range(minimum=0.5, maximum=2)]


@AUGMENTATIONS.register("time_shift")
class TimeShift(Augmentation):
    """Moves each sound to earlier or later, by whole samples.

    Args:
        seconds: the most, to either side.
        fill: what is heard where the clip has ended: silence, or wrap for its other end.
    """

    accepts: ClassVar = (Audio,)
    moves: ClassVar[bool] = True

    seconds: PositiveFloat = 0.1
    fill: Literal["silence", "wrap"] = "silence"

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are sounds, longer than they are moved, by a sample or more."""
        for each in require_sounds("time_shift", data):
            least, most = 1 / each.rate, (each.samples - 1) / each.rate
            if not least <= self.seconds <= most:
                words = f"must be from a sample, {least:.3g}, to below the clip's {each.samples / each.rate:g}"
                raise KeyProblem("seconds", f"{words}, got {self.seconds:g}")

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def time_shift(clips: Any, seed: Any, feature: Audio) -> Any:
            most, samples = round(self.seconds * feature.rate), feature.samples
            places = tf.range(samples) + whole((tf.shape(clips)[0], 1), seed, -most, most + 1)
            moved = tf.gather(clips, tf.math.floormod(places, samples), axis=1, batch_dims=1)
            if self.fill == "wrap":
                return moved
            return tf.where((places >= 0) & (places < samples), moved, 0.0)

        return on_sounds(data, time_shift)


@AUGMENTATIONS.register("speed")
class Speed(Augmentation):
    """Plays each sound faster or slower, with its pitch: resampled about the clip's middle.

    T. Ko, V. Peddinti, D. Povey and S. Khudanpur, "Audio augmentation for speech recognition", 2015, section 2: each
    of three copies of the data has another speed; here each clip draws one. A clip that becomes shorter is repeated
    before and behind. A filter takes what lies above 90 % of half the rate, so that nothing comes back as lower.

    Args:
        factors: the speeds, each drawn as often, from 0.5 to 2, of two decimals at most; the paper's values.
    """

    accepts: ClassVar = (Audio,)
    moves: ClassVar[bool] = True

    factors: tuple[Factor, ...] = (0.9, 1.0, 1.1)

    def __post_init__(self) -> None:
        if not self.factors:
            raise KeyProblem("factors", "must name one speed at least")
        for factor in self.factors:
            if abs(100 * factor - round(100 * factor)) > 1e-6:
                raise KeyProblem("factors", f"must be of two decimals at most, such as 0.95, got {factor}")

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are sounds."""
        require_sounds("speed", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def speed(clips: Any, seed: Any, feature: Audio) -> Any:
            chosen = whole((tf.shape(clips)[0], 1), seed, 0, len(self.factors))
            found = clips
            for number, factor in enumerate(self.factors):
                if factor != 1:
                    found = tf.where(chosen == number, _at_speed(clips, Fraction(round(100 * factor), 100)), found)
            return found

        return on_sounds(data, speed)


def _at_speed(clips: Any, factor: Fraction) -> Any:
    """Returns clips with time running faster by the factor p / q: sample m is that at the middle + (m - middle) p / q.

    Each q samples are products of the same filters with a stretch of the clip that begins p samples later.
    """
    samples, (p, q) = clips.shape[1], factor.as_integer_ratio()
    passed = _PASSED * min(1.0, q / p)
    half = math.ceil(_ZEROS / passed)
    blocks, width = -(-samples // q), p + 2 * half
    first = round(samples / 2 * (1 - p / q)) - half
    distances = np.arange(q) * p / q - (np.arange(width)[:, None] - half)
    window = np.i0(8 * np.sqrt(np.clip(1 - np.square(distances / half), 0, None))) * (np.abs(distances) <= half)
    filters = np.sinc(passed * distances) * window
    filters = (filters / filters.sum(axis=0)).astype(np.float32)
    pieces = -(-width // p)
    around = tf.gather(clips, (first + np.arange((blocks + pieces - 1) * p)) % samples, axis=1)
    rows = tf.reshape(around, (-1, blocks + pieces - 1, p))
    stretches = tf.concat([rows[:, piece : piece + blocks] for piece in range(pieces)], axis=2)[:, :, :width]
    return tf.reshape(stretches @ filters, (-1, blocks * q))[:, :samples]
