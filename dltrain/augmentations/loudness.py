"""Sounds made louder or softer, and noise beside them."""

from typing import Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.augmentations._drawing import happens, normal, require_order, uniform
from dltrain.augmentations._on_sounds import on_sounds, require_sounds
from dltrain.data import Change, DataSpec
from dltrain.data.random_draws import folded
from dltrain.errors import KeyProblem
from dltrain.features.audio import Audio
from dltrain.fields import Probability
from dltrain.lazy import tf
from dltrain.registry import AUGMENTATIONS


@AUGMENTATIONS.register("gain")
class Gain(Augmentation):
    """Makes each sound louder or softer; what goes beyond -1 to 1 is not cut off.

    Args:
        decibels: the least and the most, evenly drawn: 6 doubles the samples, -6 halves them.
    """

    accepts: ClassVar = (Audio,)

    decibels: tuple[float, float] = (-6.0, 6.0)

    def __post_init__(self) -> None:
        require_order("decibels", self.decibels)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are sounds whose loudness the network sees."""
        if all(each.front_end == "spectrogram" for each in require_sounds("gain", data)):
            raise KeyProblem("name", "gain changes nothing: front_end spectrogram brings each clip to one scale")

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def gain(clips: Any, seed: Any, feature: Audio) -> Any:
            return clips * _factors(uniform((tf.shape(clips)[0], 1), seed, *self.decibels))

        return on_sounds(data, gain)


@AUGMENTATIONS.register("white_noise")
class WhiteNoise(Augmentation):
    """Adds noise of all frequencies to some sounds, at a ratio to the power of each: a silent clip stays silent.

    Args:
        snr: the least and the most signal-to-noise ratio in decibels, evenly drawn: at 0 noise is as loud as the sound,
            at 20 a tenth of it. The sound's power is the mean square of the whole clip.
        probability: how many of the sounds, 0 to 1.
    """

    accepts: ClassVar = (Audio,)

    snr: tuple[float, float] = (5.0, 30.0)
    probability: Probability = 0.5

    def __post_init__(self) -> None:
        require_order("snr", self.snr)

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are sounds."""
        require_sounds("white_noise", data)

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch."""

        def white_noise(clips: Any, seed: Any, feature: Audio) -> Any:
            draws = uniform((2, tf.shape(clips)[0], 1), folded(seed, 0))
            loudness = tf.sqrt(tf.reduce_mean(tf.square(clips), axis=1, keepdims=True))
            deviation = loudness * _factors(-(self.snr[0] + (self.snr[1] - self.snr[0]) * draws[0]))
            noise = deviation * normal(clips, folded(seed, 1))
            return tf.where(happens(self.probability, draws[1]), clips + noise, clips)

        return on_sounds(data, white_noise)


def _factors(decibels: Any) -> Any:
    return tf.pow(10.0, decibels / 20.0)
