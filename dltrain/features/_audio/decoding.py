"""How a sound file becomes samples at the rate of training, by the soundfile and soxr libraries."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Literal

from dltrain import untrusted
from dltrain.data.feature import Notice
from dltrain.data.size_limit import MEGABYTE
from dltrain.errors import KeyProblem
from dltrain.lazy import np

SUFFIXES = (".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav")
"""Of files that are taken for sounds."""
MOST_MEGABYTES = 512
"""Larger files are refused before they are read."""
MOST_SAMPLES = 2**29
"""Longer sounds are refused before they are decoded: three hours at 48,000 samples a second; 2 GB as float32."""
SLOWEST = 100
"""Samples a second: a header that names fewer is taken for damaged."""
LOUDEST = 2.0**31
"""Samples beyond it are of no sound; front ends compute with their squares."""
QUIET = 1e-4
"""Sounds that never go beyond it are taken for silence: 3 steps of 16 bits."""

_ROUNDED = 0.1
"""Seconds by which a stretch may end behind its sound: tables are rounded."""
_ENDLESS = 2**31 - 64
"""Bytes that streams name whose length was not known when their header was written, or more."""

Channel = Literal["mix", "left", "right"]


def check_installed(key: str) -> None:
    """Raises KeyProblem, which names the extra, where a library is not installed."""
    if find_spec("soundfile") is None or find_spec("soxr") is None:
        raise KeyProblem(key, ": sounds need the packages soundfile and soxr: pip install 'dltrain[audio]'")


@dataclass(frozen=True)
class Stretch:
    """A sound: a file, or a part of one.

    Args:
        path: the file.
        start: where it begins, in seconds.
        end: where it ends; none for the file's end.
        named: what messages call it; empty for its path.
    """

    path: Path
    start: float = 0.0
    end: float | None = None
    named: str = ""

    def __str__(self) -> str:
        """Returns what messages call it."""
        return self.named or str(self.path)


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Args:
        rate: samples per second.
        samples: of each channel, as far as the file goes; of a stretch, those of it.
        channels: how many.
        named_samples: that the header names: more than there are in a file that was cut off.
    """

    rate: int
    samples: int
    channels: int
    named_samples: int


class _Unusable(ValueError):
    """A sound that can be read, but not used."""


@dataclass(frozen=True)
class Decoding:
    """How a file becomes samples.

    Args:
        rate: samples per second of the result.
        channel: mix for the mean of all channels; left or right for the first or second alone.
        most_megabytes: of a file.
    """

    rate: int
    channel: Channel = "mix"
    most_megabytes: int = MOST_MEGABYTES

    def header(self, source: Path | Stretch) -> Header:
        """Reads what a file says of itself, and none of its samples.

        Raises:
            ValueError: if it is no sound that can be used.
        """
        stretch = source if isinstance(source, Stretch) else Stretch(source)
        with self._opened(stretch.path) as sound:
            return self._checked(sound, stretch)[0]

    def __call__(self, source: Path | bytes | Stretch) -> tuple[np.ndarray, list[Notice]]:
        """Decodes a sound.

        Args:
            source: a file, a stretch of one, of which nothing else is decoded, or what is in one.

        Returns:
            samples in about -1 to 1, (samples,), float32; and what was changed or is odd.

        Raises:
            ValueError: if it is none that can be used.
        """
        stretch = source if isinstance(source, Stretch) else None
        with self._opened(source.path if isinstance(source, Stretch) else source) as sound:
            header, first = self._checked(sound, stretch)
            if first:
                sound.seek(first)
            samples = sound.read(header.samples, dtype="float32", always_2d=True)
        notices = []
        if not len(samples):
            raise ValueError("has no samples that can be decoded")
        if len(samples) < header.named_samples:
            words = f"has {len(samples):,} of the {header.named_samples:,} samples that its header names"
            notices.append(Notice(words, "sounds that end before their header says"))
        loudest = float(np.abs(samples).max())
        if not loudest <= LOUDEST:
            raise ValueError("holds NaN, infinite values, or some beyond 2,147,483,648: samples are -1 to 1")
        if loudest > 8:
            words = f"goes to {loudest:,.0f}, where samples are -1 to 1: it is taken as it is"
            notices.append(Notice(words, "sounds that go far beyond 1, which are taken as they are"))
        if header.channels > 1:
            how = "the mean of its channels" if self.channel == "mix" else f"its {self.channel} channel alone"
            notices.append(Notice(f"has {header.channels} channels, taken as {how}"))
        if self.channel == "mix":
            single = samples.mean(axis=1)
        else:
            single = samples[:, min(("left", "right").index(self.channel), header.channels - 1)]
        if header.rate != self.rate:
            import soxr

            notices.append(Notice(f"resampled from {header.rate:,} to {self.rate:,} samples a second"))
            single = soxr.resample(single, header.rate, self.rate)
            if not len(single):
                raise ValueError(f"is shorter than a sample at {self.rate:,} a second")
        return np.ascontiguousarray(single, np.float32), notices

    @contextmanager
    def _opened(self, source: Path | bytes) -> Iterator[Any]:
        import soundfile

        try:
            opened: IO[bytes] = (
                io.BytesIO(source)
                if isinstance(source, bytes)
                else untrusted.opened(source, self.most_megabytes * MEGABYTE)
            )
            with opened as file, untrusted.parsing(), soundfile.SoundFile(file) as sound:
                yield sound
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror or error}") from None
        except untrusted.Unreadable as error:
            if isinstance(error.__cause__, _Unusable):
                raise ValueError(str(error.__cause__)) from None
            words = re.sub(r"^Error opening <[^>]*>: ", "", str(error))
            raise ValueError(f"is no sound that can be read ({', '.join(SUFFIXES)}): {words}") from None

    def _checked(self, sound: Any, stretch: Stretch | None) -> tuple[Header, int]:
        """Returns what the header says of a stretch, and its first sample."""
        rate, samples, channels = int(sound.samplerate), int(sound.frames), int(sound.channels)
        if rate < SLOWEST:
            raise _Unusable(f"names {rate:,} samples a second in its header, expected {SLOWEST} or more")
        named, first = max(samples, _named(sound)), 0
        if stretch is not None and (stretch.start or stretch.end is not None):
            lasts = samples / rate
            if stretch.start >= lasts or (stretch.end or 0) > lasts + _ROUNDED:
                which, at = ("start", stretch.start) if stretch.start >= lasts else ("end", stretch.end)
                raise _Unusable(f"{which} is {at:g} s, the sound lasts {lasts:.6g} s")
            first = round(stretch.start * rate)
            last = samples if stretch.end is None else min(round(stretch.end * rate), samples)
            named = samples = max(last - first, 0)
        needed = max(samples * channels, samples * self.rate // rate)
        if needed > MOST_SAMPLES:
            raise _Unusable(f"has {needed:,} samples, at most {MOST_SAMPLES:,} are read")
        return Header(rate, samples, channels, named), first


def _named(sound: Any) -> int:
    """Returns how many samples of each channel the header of a WAV file names; 0 where it tells no true number."""
    # The library corrects the number, and says so in its log.
    found = re.search(r"data : (\d+) \(should be (\d+)\)", sound.extra_info)
    if found is None or not int(found[2]) or int(found[1]) >= _ENDLESS:
        return 0
    return int(sound.frames * (int(found[1]) / int(found[2])))
