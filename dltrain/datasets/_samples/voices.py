"""Real voices: the telephone prompts that Debian ships for Asterisk, read by five people in five languages."""

from __future__ import annotations

import csv
import shutil
import wave
from pathlib import Path

from dltrain.datasets._samples.samples import Sample
from dltrain.errors import DataError
from dltrain.lazy import np
from dltrain.registry import SAMPLES

ROOT = Path("/usr/share/asterisk/sounds")
LICENCES = Path("/usr/share/doc")
"""Where Debian's packages put the licence that comes with each."""
VOICES = {
    "en_US_f_Allison": "asterisk-core-sounds-en-wav",
    "es_MX_f_Allison": "asterisk-core-sounds-es-wav",
    "fr_CA_f_June": "asterisk-core-sounds-fr-wav",
    "it_IT_f_Menardi": "asterisk-prompt-it-menardi-wav",
    "it_IT_m_Carlo": "asterisk-core-sounds-it-wav",
    "ru_RU_f_IvrvoiceRU": "asterisk-core-sounds-ru-wav",
}
"""The package of each folder. The English and the Spanish voice are one person, the Italian ones are two."""
SHORTEST = 0.3
"""Seconds of a sound in which somebody speaks; shorter ones are beeps and clicks."""
QUIET = 4
"""Of 32,768: what never goes beyond it is silence."""
_SHARES = {"test": 0.2, "validation": 0.1}


@SAMPLES.register("voices")
class Voices(Sample):
    """3,400 telephone prompts in six voices, of Debian's asterisk-core-sounds packages, and a table of 3,291.

    The table, voices.csv, leaves out what is silent or shorter than 0.3 s. A prompt is in the same part in all voices,
    so that no words of the test part are heard in training. Licences (CC BY-SA 3.0, CC BY 3.0) lie beside them.
    """

    def write(self, folder: Path) -> None:
        """Writes voices/<voice>/<prompt>.wav, 16-bit WAV files at 8,000 samples a second, and voices.csv.

        Raises:
            DataError: where packages are not installed; it names them.
        """
        absent = [package for voice, package in VOICES.items() if not any((ROOT / voice).rglob("*.wav"))]
        if absent:
            these = "these packages of Debian, which are not installed" if len(absent) > 1 else "a package of Debian"
            raise DataError(f"voices needs {these} (sounds in {ROOT}): sudo apt install {' '.join(absent)}")
        prompts: dict[str, list[str]] = {}
        for voice, package in VOICES.items():
            for file in sorted((ROOT / voice).rglob("*.wav")):
                prompt = file.relative_to(ROOT / voice).as_posix()
                target = folder / "voices" / voice / prompt
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
                if _speaks(target):
                    prompts.setdefault(prompt, []).append(voice)
            licence = LICENCES / package / "copyright"
            if licence.is_file():
                (folder / "licences").mkdir(exist_ok=True)
                shutil.copyfile(licence, folder / "licences" / f"{package}.txt")
        parts = self._parts(sorted(prompts))
        with (folder / "voices.csv").open("w", newline="", encoding="utf-8") as table:
            writer = csv.writer(table, lineterminator="\n")
            writer.writerow(["path", "label", "split"])
            for voice in VOICES:
                names = [prompt for prompt in sorted(prompts) if voice in prompts[prompt]]
                writer.writerows([f"voices/{voice}/{prompt}", voice, parts[prompt]] for prompt in names)

    def _parts(self, prompts: list[str]) -> dict[str, str]:
        """Returns the part of each prompt, drawn by the seed."""
        order = np.random.RandomState(self.seed).permutation(len(prompts))
        parts, first = dict.fromkeys(prompts, "train"), 0
        for part, share in _SHARES.items():
            end = first + round(share * len(prompts))
            parts |= {prompts[place]: part for place in order[first:end]}
            first = end
        return parts


def _speaks(path: Path) -> bool:
    """Whether a 16-bit WAV file lasts long enough and is not silent."""
    try:
        with wave.open(str(path)) as file:
            lasts = file.getnframes() / file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    except (wave.Error, EOFError, ValueError) as error:
        raise DataError(f"{path.name}: is no 16-bit WAV file: {error}: install the package again") from None
    return lasts >= SHORTEST and bool(np.abs(samples.astype(np.int32)).max(initial=0) >= QUIET)
