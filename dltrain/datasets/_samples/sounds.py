"""Sounds that are invented: tones of eight kinds, and speakers whose voices are made of pulses and resonances."""

from __future__ import annotations

from pathlib import Path

from dltrain.data.wav import wav
from dltrain.datasets._samples.samples import Sample
from dltrain.lazy import np
from dltrain.registry import SAMPLES

TONE_RATE, VOICE_RATE = 8_000, 16_000
TONES = 120
"""Of each kind."""
SPEAKERS, SENTENCES, STRANGERS = 30, 30, 80
VOWELS = {
    "i": (270, 2290, 3010, 3700),
    "e": (530, 1840, 2480, 3600),
    "a": (730, 1090, 2440, 3500),
    "o": (570, 840, 2410, 3400),
    "u": (300, 870, 2240, 3400),
    "er": (490, 1350, 1690, 3400),
}
"""Resonances in hertz of a man's vowels: the first three as G. Peterson and H. Barney, "Control methods used in a study
of the vowels", 1952, table II, have them."""
_BANDWIDTHS = (60, 90, 150, 250)


@SAMPLES.register("tones")
class Tones(Sample):
    """960 tones of eight kinds (pure, square, saw, bell, plucked, rising, falling, noise): a folder of WAV files each.

    Pitch, length, loudness and what rustles beneath differ from tone to tone.
    """

    def write(self, folder: Path) -> None:
        """Writes a folder per kind, of 16-bit WAV files at 8,000 samples a second."""
        random = np.random.RandomState(self.seed)
        for kind in ("bell", "falling", "noise", "plucked", "pure", "rising", "saw", "square"):
            for number in range(TONES):
                _write(folder / kind / f"{number:03}.wav", tone(random, kind), TONE_RATE)


@SAMPLES.register("speakers")
class Speakers(Sample):
    """30 invented speakers, 30 sentences each of two seconds: a folder of WAV files per speaker.

    A voice is its pitch, the length of the vocal tract, and how pulses of the glottis fall off; a sentence is an order
    of vowels, whose pitch, pace and loudness differ each time, over some noise.
    """

    def write(self, folder: Path) -> None:
        """Writes a folder per speaker, of 16-bit WAV files at 16,000 samples a second."""
        random = np.random.RandomState(self.seed)
        for number in range(SPEAKERS):
            voice = Voice(random)
            for sentence in range(SENTENCES):
                _write(folder / f"speaker{number:02}" / f"{sentence:02}.wav", voice.sentence(random), VOICE_RATE)


@SAMPLES.register("strangers")
class Strangers(Sample):
    """80 invented speakers, 12 sentences each: 58 to train on, 8 for validation, and 14 others with a list of trials.

    Voices as those of `speakers`. A line of trials.txt names two sentences of the test part, and says whether they are
    of one speaker.
    """

    def write(self, folder: Path) -> None:
        """Writes a folder per speaker in those of the parts, of 16-bit WAV files at 16,000 samples a second."""
        random = np.random.RandomState(self.seed)
        names: dict[str, list[str]] = {}
        for number in range(STRANGERS):
            part = "train" if number < 58 else "validation" if number < 66 else "test"
            voice, name = Voice(random), f"speaker{number:02}"
            for sentence in range(12):
                file = Path(part, name, f"{sentence:02}.wav")
                _write(folder / file, voice.sentence(random), VOICE_RATE)
                if part == "test":
                    names.setdefault(name, []).append(file.as_posix())
        lines = []
        for name, listed in names.items():
            others = [each for other, of_other in names.items() if other != name for each in of_other]
            for first in listed:
                own = [each for each in listed if each != first]
                lines += [f"1 {first} {each}" for each in random.choice(own, 4, replace=False)]
                lines += [f"0 {first} {each}" for each in random.choice(others, 4, replace=False)]
        (folder / "trials.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


def tone(random: np.random.RandomState, kind: str) -> np.ndarray:
    """Returns a tone of a kind, 0.3 to 1 s at `TONE_RATE`, (samples,), -1 to 1."""
    count = random.randint(3 * TONE_RATE // 10, TONE_RATE)
    time = np.arange(count) / TONE_RATE
    hertz = 110 * 2 ** random.uniform(0, 3)
    glide = {"rising": 1, "falling": -1}.get(kind, 0) * random.uniform(0.4, 1.2)
    phase = 2 * np.pi * np.cumsum(hertz * 2 ** (glide * (time / time[-1] - 0.5))) / TONE_RATE
    harmonics = np.arange(1, int(0.9 * TONE_RATE / 2 / (hertz * 2 ** abs(glide / 2))) + 1)
    if kind == "noise":
        found = random.standard_normal(count)
    elif kind == "bell":
        parts = np.array([1, 2.76, 5.4, 8.93])
        parts = parts[parts * hertz < TONE_RATE / 2]
        found = (np.sin(np.outer(parts, phase)) * np.exp(-np.outer(parts, 3 * time)) / parts[:, None]).sum(axis=0)
    elif kind == "plucked":
        strengths = np.exp(-np.outer(harmonics, 4 * time)) / harmonics[:, None]
        found = (np.sin(np.outer(harmonics, phase)) * strengths).sum(axis=0)
    else:
        odd = harmonics[harmonics % 2 == 1]
        chosen = {"square": odd, "saw": harmonics}.get(kind, harmonics[:1])
        found = (np.sin(np.outer(chosen, phase)) / chosen[:, None]).sum(axis=0)
    edges = np.minimum(1, np.minimum(time, time[-1] - time) / 0.01)
    found = found * edges / np.abs(found).max()
    rustling = random.standard_normal(count) * 10 ** random.uniform(-2.5, -1)
    return (found + rustling) * random.uniform(0.1, 0.6)


class Voice:
    """A speaker.

    Args:
        random: what draws pitch, length of the vocal tract, and how the pulses of the glottis fall off.
    """

    def __init__(self, random: np.random.RandomState) -> None:
        self.pitch = float(90 * 2 ** random.uniform(0, 1.4))
        self.tract = float(random.uniform(0.85, 1.2))
        self.tilt = float(random.uniform(0.90, 0.985))
        self.formants = {name: np.array(hertz) * random.uniform(0.96, 1.04, 4) for name, hertz in VOWELS.items()}

    def sentence(self, random: np.random.RandomState) -> np.ndarray:
        """Returns some vowels, 1.6 to 2.4 s at `VOICE_RATE`, (samples,), -1 to 1."""
        count = int(random.uniform(1.6, 2.4) * VOICE_RATE)
        vowels = [self.formants[name] for name in random.choice(sorted(VOWELS), random.randint(6, 11))]
        times, steps = np.linspace(0, 1, len(vowels)), np.linspace(0, 1, count)
        melody = np.interp(steps, np.linspace(0, 1, 6), random.uniform(-0.25, 0.25, 6)) - 0.2 * steps
        phase = np.cumsum(self.pitch * 2**melody * (1 + 0.01 * random.standard_normal(count))) / VOICE_RATE
        pulses = np.diff(np.floor(phase), prepend=0.0)
        source = _fallen(pulses, self.tilt) + 0.02 * random.standard_normal(count)
        hop, size = 160, 512
        starts = np.arange(0, count - size, hop)
        frames = source[starts[:, None] + np.arange(size)] * np.hanning(size)
        formants = np.stack([np.interp(starts / count, times, [vowel[each] for vowel in vowels]) for each in range(4)])
        through = _resonance(np.fft.rfftfreq(size, 1 / VOICE_RATE), formants / self.tract)
        found = np.zeros(count)
        for start, frame in zip(starts, np.fft.irfft(np.fft.rfft(frames) * through, size), strict=True):
            found[start : start + size] += frame
        loudness = np.interp(steps, np.linspace(0, 1, 5), random.uniform(0.4, 1, 5))
        found = found * loudness / np.abs(found).max()
        rustling = random.standard_normal(count) * 10 ** random.uniform(-2.8, -1.6)
        return (found + rustling) * random.uniform(0.2, 0.7)


def _fallen(pulses: np.ndarray, tilt: float) -> np.ndarray:
    """Returns pulses that fall off: y[t] = x[t] + tilt y[t-1], cut off behind 256 terms."""
    return np.convolve(pulses, tilt ** np.arange(256))[: len(pulses)]


def _resonance(hertz: np.ndarray, formants: np.ndarray) -> np.ndarray:
    """Returns how much a vocal tract lets through at each frequency, (frames, frequencies).

    Args:
        hertz: the frequencies, (frequencies,).
        formants: of each frame, (4, frames).
    """
    found = np.ones((formants.shape[1], len(hertz)))
    for each, bandwidth in zip(formants[..., None], _BANDWIDTHS, strict=True):
        found *= each**2 / np.sqrt((hertz**2 - each**2) ** 2 + (bandwidth * hertz) ** 2)
    return found


def _write(path: Path, samples: np.ndarray, rate: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav(samples, rate))
