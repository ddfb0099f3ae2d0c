"""Sounds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dltrain.data import spectra
from dltrain.data.feature import Encoded, Feature, Notice, Plain, shortened, statistic
from dltrain.data.finding import Finding
from dltrain.data.parts import Parts
from dltrain.data.spectra import FrontEnd
from dltrain.data.statistics import statistics_of
from dltrain.features._audio.clips import Clips, InMemory
from dltrain.features._audio.decoding import LOUDEST, QUIET, Channel, Decoding
from dltrain.features._files import content_in
from dltrain.lazy import np
from dltrain.registry import FEATURES

if TYPE_CHECKING:
    from dltrain.data.proposal import Entries, Keys, Proposal
    from dltrain.data.request import Reader
    from dltrain.data.showing import Picture, Shown
    from dltrain.figures.page import Panel

_BANDS = 64
"""Of the profiles by which sounds are compared."""
_PICTURE_FRAMES = 256
"""Their width, at most."""
_LOUDEST = 60.0
"""Decibels below a picture's loudest place at which it is black."""
_SOME = 2048
"""Sounds of a part whose loudness is drawn, at most."""


@FEATURES.register("audio")
class Audio(Feature):
    """A clip of a sound: samples in -1 to 1, float32.

    Raw values are files (a Path), what is in one (bytes or {"b64": ...}), or lists of samples at the rate of training.

    Args:
        rate: samples per second.
        samples: of a clip.
        front_end: what networks see of it, as `dltrain.layers.sound_front_end.SoundFrontEnd` says.
        window: samples of a frame of a spectrum.
        hop: samples from a frame to the next.
        bands: of log_mel and mfcc.
        coefficients: of mfcc.
        channel: of sounds with several: mix for their mean, left or right for one alone.
        clips: of a sound, evenly spaced, that evaluation averages the outputs of; 1 for its middle.
        mean: of each band, coefficient, or all samples, over the train part.
        deviation: likewise; 1 where it is constant.
    """

    rate: int = 16_000
    samples: int = 16_000
    front_end: FrontEnd = "log_mel"
    window: int = 400
    hop: int = 160
    bands: int = 64
    coefficients: int = 20
    channel: Channel = "mix"
    clips: int = 1
    mean: tuple[float, ...] | None = statistic(None)
    deviation: tuple[float, ...] | None = statistic(None)

    @property
    def shape(self) -> tuple[int]:
        """(samples,)."""
        return (self.samples,)

    @property
    def views(self) -> int:  # type: ignore[override]
        """Clips of a sound."""
        return self.clips

    @property
    def model_shape(self) -> tuple[int, ...]:
        """(samples, 1), or (rows, frames, 1): as an image of one channel."""
        keys = self.samples, self.window, self.hop, self.bands, self.coefficients
        return spectra.output_shape(self.front_end, *keys)

    def preprocess(self, x: Any, name: str = "normalization") -> Any:
        """Returns what the front end makes of samples, (batch, *model_shape)."""
        return self._layer(self.mean, self.deviation, name)(x)

    def _layer(self, mean: Any, deviation: Any, name: str) -> Any:
        from dltrain.layers.sound_front_end import SoundFrontEnd

        keys = self.front_end, self.rate, self.window, self.hop, self.bands, self.coefficients
        moments = (None if each is None else [*each] for each in (mean, deviation))
        return SoundFrontEnd(*keys, *moments, name=name)

    def adapt(self, pieces: Any) -> Self:
        """Returns the feature with mean and deviation of what the front end makes of clips of the train part."""
        if self.front_end == "spectrogram":  # it brings each clip to one scale by itself
            return self
        mean, deviation = statistics_of(map(self._seen, pieces), self._rows)
        return self.replaced(mean=mean, deviation=deviation)

    @property
    def _rows(self) -> int:
        return {"waveform": 1, "mfcc": self.coefficients}.get(self.front_end, self.bands)

    def _seen(self, clips: np.ndarray) -> np.ndarray:
        """Returns what mean and deviation are of, (clips, steps, rows)."""
        if self.front_end == "waveform":
            return clips[..., None]
        found = spectra.log_mel(clips, self.rate, self.window, self.hop, self.bands)
        return found @ spectra.cosine_transform(self.bands)[:, : self._rows] if self.front_end == "mfcc" else found

    def signature(self) -> Plain:
        """Returns what samples and front end are; how long clips are is the network's affair."""
        return {key: value for key, value in super().signature().items() if key not in ("samples", "channel", "clips")}

    def difference(self, other: Any) -> str:
        """Returns which rate or front end is another."""
        names = ("rate", "front_end", "window", "hop", "bands", "coefficients")
        ours, theirs = ({name: getattr(each, name) for name in names} for each in (self, other))
        known = [f"{name} {ours[name]}, got {theirs[name]}" for name in names if ours[name] != theirs[name]]
        return f"it takes sounds of {'; '.join(known)}"

    def encode(self, raws: Sequence[Any]) -> Encoded:
        """Returns sounds as they are stored: (usable, samples), the middle of each; as `Clips` where there are more."""
        sounds: list[np.ndarray] = []
        problems: dict[int, str] = {}
        notices: dict[int, str | Sequence[str]] = {}
        for place, found_or_not in enumerate(self._sounds(raws)):
            if isinstance(found_or_not, str):
                problems[place] = found_or_not
                continue
            samples, noticed = found_or_not
            if noticed := [*noticed, *self._odd(samples)]:
                notices[place] = noticed
            sounds.append(samples)
        found = Clips(InMemory(sounds), self.samples, self.clips)
        return Encoded(found[:] if self.clips == 1 else found, problems, notices)

    def _sounds(self, raws: Sequence[Any]) -> list[tuple[np.ndarray, list[Notice]] | str]:
        """Returns each sound and what was changed, or why it cannot be used; several are decoded at a time."""

        def one(raw: Any) -> tuple[np.ndarray, list[Notice]] | str:
            try:
                return self._sound(raw)
            except ValueError as error:
                return str(error)

        if len(raws) < 2:
            return [one(raw) for raw in raws]
        with ThreadPoolExecutor(os.cpu_count(), "decode") as threads:
            return [*threads.map(one, raws)]

    def _odd(self, sound: np.ndarray) -> list[Notice]:
        found = []
        if len(sound) < self.samples:
            words = f"lasts {len(sound) / self.rate:.2f} s, repeated to fill {self.samples / self.rate:g} s"
            found.append(Notice(words, "sounds shorter than a clip, which are repeated"))
        if np.abs(sound).max() < QUIET:
            found.append(Notice("is silent"))
        return found

    def _sound(self, raw: Any) -> tuple[np.ndarray, list[Notice]]:
        """Returns one sound, (samples,), float32, and what was changed.

        Raises:
            ValueError: if it is none that can be used.
        """
        if isinstance(raw, Path | bytes):
            return self._decoding(raw)
        if isinstance(raw, dict):
            return self._decoding(content_in(raw, 'must be samples or {"b64": "..."}, a sound file in base64'))
        try:
            with np.errstate(over="ignore"):
                array = np.array(raw)
                samples = array.astype(np.float32) if array.dtype.kind in "iuf" else np.zeros(0, np.float32)
        except (ValueError, TypeError, OverflowError):
            samples = np.zeros(0, np.float32)
        if samples.ndim != 1 or not len(samples):
            raise ValueError(f"must be a list of numbers, samples at {self.rate:,} a second, got {shortened(raw)}")
        if not np.abs(samples).max() <= LOUDEST:
            raise ValueError("holds NaN, infinite values, or some beyond 2,147,483,648: samples are -1 to 1")
        return samples, []

    @property
    def _decoding(self) -> Decoding:
        return Decoding(self.rate, self.channel)

    def decode(self, stored: Any) -> list[Any]:
        """Returns samples as lists of numbers."""
        return [each.tolist() for each in (stored.whole() if isinstance(stored, Clips) else np.asarray(stored[:]))]

    def words(self, stored: Any) -> list[str]:
        """Returns how long each clip is."""
        return [f"{self.samples / self.rate:g} s of sound"] * len(stored)

    def reader(self) -> Reader:
        """Returns what reads sound files, folders of them, and requests."""
        from dltrain.features._audio.reader import SoundReader

        return SoundReader(self)

    def vectors(self, stored: Any) -> np.ndarray:
        """Returns mean and deviation over time of the logarithms in mel bands, each of mean 0 and deviation 1."""
        found = [self._profile(np.asarray(stored[start : start + 64])) for start in range(0, len(stored), 64)]
        rows = np.concatenate(found) if found else np.zeros((0, 2 * _BANDS), np.float32)
        return np.asarray((rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-6), np.float32)

    def _profile(self, clips: np.ndarray) -> np.ndarray:
        bands = spectra.log_mel(clips, self.rate, self.window, self.hop, _BANDS)
        return np.concatenate([bands.mean(axis=1), bands.std(axis=1)], axis=1)

    def findings(self, parts: Parts, brief: bool) -> Iterable[Finding]:
        """Returns sounds that are silent, or cut off at the largest value."""
        if brief:
            return
        silent, clipped = [], []
        for part, stored in parts.items():
            for start in range(0, len(stored), 64):
                for shift, clip in enumerate(np.abs(np.asarray(stored[start : start + 64]))):
                    if clip.max() < QUIET:
                        silent.append(parts.place(part, start + shift))
                    elif 0.999 <= clip.max() <= 1.001 and (clip >= 0.999).mean() > 0.001:
                        clipped.append(parts.place(part, start + shift))
        if silent:
            many = "1 sound is" if len(silent) == 1 else f"{len(silent):,} sounds are"
            yield Finding("silence", "warning", f"{many} silent in the clip that is seen", tuple(silent), "delete them")
        if clipped:
            many = "1 sound is" if len(clipped) == 1 else f"{len(clipped):,} sounds are"
            words = f"{many} cut off at the largest value in more than one of 1,000 samples"
            yield Finding("clipped sounds", "note", words, tuple(clipped), "record them with less gain")

    def show(self, stored: Any, weights: Any = None, like: Any = None) -> list[Shown]:
        """Returns the spectrograms of clips, low below high, with what a network looked at in orange on them."""
        from dltrain.data.showing import Picture, Sound
        from dltrain.report.drawing import overlaid

        rows = "frequencies" if self.front_end == "spectrogram" else "mel bands"
        note = f"{rows} over time, low ones below, white is loud; {self.samples / self.rate:g} s each"
        maps = [None] * len(stored) if weights is None else weights
        found: list[Shown] = []
        for clip, of_clip in zip(np.asarray(stored[:]), maps, strict=True):
            pixels = self._picture(clip)
            is_map = of_clip is not None and self.front_end != "waveform"
            overlay = overlaid(pixels, self._as_picture(np.asarray(of_clip), *pixels.shape)) if is_map else None
            found.append(Picture(pixels, overlay, note, Sound(clip, self.rate)))
        return found

    def hidden(self, picture: Picture, places: np.ndarray) -> Picture:
        """Returns a picture of a clip with places of what the network sees painted over by the mean of their row.

        Args:
            picture: as `show` draws it.
            places: which, (rows, frames), bool.
        """
        pixels = picture.pixels
        covered = self._as_picture(places, *pixels.shape)
        means = pixels.mean(axis=1, keepdims=True).round().astype(np.uint8)
        return replace(picture, pixels=np.where(covered, means, pixels), overlay=None)

    def _picture(self, clip: np.ndarray) -> np.ndarray:
        """Returns a spectrogram of one clip as pixels, (rows, frames), uint8, the lowest row last."""
        hop = max(self.hop, -(-self.samples // _PICTURE_FRAMES))
        if self.front_end == "spectrogram":
            power = spectra.power(clip[None], self.window, hop, np.hamming(self.window))[0]
            decibels = 10 * np.log10(power + spectra.FLOOR)
        else:
            decibels = spectra.log_mel(clip[None], self.rate, self.window, hop, self.bands)[0] * (10 / np.log(10))
        loudest = max(float(decibels.max()), 0.0)  # so that silence is black
        shares = 1 + (decibels - loudest) / _LOUDEST
        return np.asarray((np.clip(shares, 0, 1) * 255).round().astype(np.uint8).T[::-1])

    def _as_picture(self, weights: np.ndarray, rows: int, frames: int) -> np.ndarray:
        """Returns how much places of what the network sees mattered, by the places of the picture."""
        weights = weights.reshape(self.model_shape[:2])
        if self.front_end == "spectrogram":  # the mirrored half is that of the same frequencies
            weights = weights[:rows]
        elif self.front_end == "mfcc":  # a coefficient is of all frequencies
            weights = np.broadcast_to(weights.mean(axis=0), (rows, weights.shape[1]))
        return weights[::-1, np.arange(frames) * weights.shape[1] // frames]

    def panels(self, parts: Mapping[str, Any]) -> Sequence[Panel]:
        """Returns how loud clips are, in each part."""
        from dltrain.figures.distributions import compared

        loud = {part: self._decibels(stored) for part, stored in parts.items() if len(stored)}
        first = next(iter(loud.values()))
        title = "Loudness of a clip (decibels below full scale)"
        return [compared(title, loud, float(first.mean()), float(first.std()), "")]

    def _decibels(self, stored: Any) -> np.ndarray:
        some = stored if len(stored) <= _SOME else stored.take(slice(None, None, -(-len(stored) // _SOME)))
        power = [np.square(np.asarray(some[start : start + 64])).mean(axis=1) for start in range(0, len(some), 64)]
        return 10 * np.log10(np.maximum(np.concatenate(power), 1e-10))

    def describe(self, preprocessed: bool = False) -> list[str]:
        """Returns how long clips are, and how a sound becomes one."""
        seconds = f"{self.samples / self.rate:g} s"
        clips = (
            "its middle" if self.clips == 1 else f"{self.clips} clips of it, evenly spaced, whose outputs are averaged"
        )
        return [
            f"sounds of {seconds} at {self.rate:,} samples a second",
            f"{self.samples:,} samples from -1 to 1, {self.rate:,} a second, of one channel: of a longer sound "
            f"{clips}; a shorter one is repeated until it fills that. The network itself computes "
            f"{'what it needs of the waveform' if self.front_end == 'waveform' else self.front_end}.",
        ]

    def request_schema(self) -> dict[str, Any]:
        """Returns the schema of a sound file in base64, or of samples."""
        content = {"type": "string", "contentEncoding": "base64", "contentMediaType": "audio/*"}
        file = {"type": "object", "properties": {"b64": content}, "required": ["b64"], "additionalProperties": False}
        return {"anyOf": [file, {"type": "array", "items": {"type": "number"}, "minItems": 1}]}

    def corners(self) -> list[np.ndarray]:
        """Returns silence, the loudest square wave, and one click."""
        silence = np.zeros(self.samples, np.float32)
        square = np.where(np.arange(self.samples) // 8 % 2, 1, -1).astype(np.float32)
        click = silence.copy()
        click[self.samples // 2] = 1
        return [silence, square, click]

    def starter(self, examples: Proposal) -> dict[str, Keys | Entries]:
        """Returns a convolutional network on the spectrogram."""
        model: Keys = {"name": ("resnet", "any network for images: sounds become spectrograms; or ecapa_tdnn, vggvox")}
        return {"model": model, "optimizer": {"learning_rate": (0.001, "the peak; the first thing to try others of")}}
