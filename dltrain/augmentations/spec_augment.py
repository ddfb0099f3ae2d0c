"""SpecAugment: parts of a spectrogram hidden."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dltrain.augmentations import Augmentation
from dltrain.data import Batch, Change, DataSpec
from dltrain.errors import KeyProblem
from dltrain.features.audio import Audio
from dltrain.fields import NonNegativeInt, PositiveInt, Share
from dltrain.lazy import np
from dltrain.registry import AUGMENTATIONS

if TYPE_CHECKING:
    from dltrain.data.showing import Shown


@AUGMENTATIONS.register("spec_augment")
class SpecAugment(Augmentation):
    """Hides bands of frequencies and stretches of time of each spectrogram: there it is at its mean.

    D. S. Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition", 2019, section
    2 and table 1, for 80 mel bands and 100 frames a second: LibriSpeech basic (LB) has one mask each of at most 27
    bands and 100 frames, LibriSpeech double (LD) two of these each; Switchboard mild (SM) two each of 15 and 70, at
    most a fifth of all frames, Switchboard strong (SS) the same with 27. Left out is time warping, which in the paper
    helps least and costs most. It is done inside the network, behind the front end, wherever it stands in the list;
    its draws are kept in the checkpoint. Needs front_end log_mel or spectrogram, where a row counts as a band and a
    mask hides the mirrored half too.

    Args:
        frequency_masks: bands of frequencies that are hidden in each clip, 0 or more.
        frequency_width: the widest in mel bands (of a spectrogram in its rows); each is drawn evenly from 0 on.
        time_masks: stretches of time likewise.
        time_width: the longest in frames.
        time_share: the longest as a share of all frames, above 0, at most 1: the lesser of both counts.
    """

    accepts: ClassVar = (Audio,)

    frequency_masks: NonNegativeInt = 2
    frequency_width: PositiveInt = 27
    time_masks: NonNegativeInt = 2
    time_width: PositiveInt = 100
    time_share: Share = 0.2

    def __post_init__(self) -> None:
        if not self.frequency_masks and not self.time_masks:
            raise KeyProblem("time_masks", "must be 1 or more where frequency_masks is 0: nothing would be hidden")

    def check(self, data: DataSpec) -> None:
        """Raises KeyProblem unless the examples are spectrograms behind their front end that masks leave a part of."""
        sound: Any = data.alone("spec_augment")
        if not isinstance(sound, Audio):
            raise KeyProblem("name", f"spec_augment needs sounds, got {sound.registered_name} of shape {sound.shape}")
        if sound.front_end not in ("log_mel", "spectrogram"):
            words = "spec_augment needs dataset.front_end log_mel or spectrogram, whose rows are frequencies"
            raise KeyProblem("name", f"{words}, got {sound.front_end}")
        rows = self._frequencies(sound)
        if self.frequency_masks and self.frequency_width >= rows:
            words = f"must be below the {rows} frequencies that there are, got {self.frequency_width}"
            raise KeyProblem("frequency_width", words)
        if self.time_masks and not self._frames(sound):
            frames = sound.model_shape[1]
            raise KeyProblem("time_share", f"of {frames} frames is less than one: nothing would be hidden in time")

    def build(self, data: DataSpec) -> Change:
        """Returns the change of a batch: none, as `layer` does all."""

        def unchanged(batch: Batch, seed: Any) -> Batch:
            return batch

        return unchanged

    def layer(self, data: DataSpec) -> Any:
        """Returns the layer that hides."""
        return self._layer(data)

    def shown(self, data: DataSpec, items: list[Shown], seed: int) -> list[Shown]:
        """Returns the drawings with masks on them."""
        sound: Any = data.input
        hidden = np.asarray(self._layer(data, seed).hidden(len(items), *sound.model_shape[:2]))
        return [sound.hidden(item, places) for item, places in zip(items, hidden, strict=True)]

    def _layer(self, data: DataSpec, seed: int | None = None) -> Any:
        from dltrain.layers.spectrogram_masks import SpectrogramMasks

        sound: Any = data.input
        is_mirrored = sound.front_end == "spectrogram"
        widths = self.frequency_masks, self.frequency_width, self.time_masks, self._frames(sound)
        return SpectrogramMasks(*widths, mirrored=is_mirrored, seed=seed, name="spec_augment")

    def _frequencies(self, sound: Audio) -> int:
        rows = sound.model_shape[0]
        return rows // 2 + 1 if sound.front_end == "spectrogram" else rows

    def _frames(self, sound: Audio) -> int:
        """Returns the most frames that one mask hides."""
        return min(self.time_width, int(self.time_share * sound.model_shape[1]))
