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
_ONE_PERSON = "en_US_f_Allison", "es_MX_f_Allison"
_TWO_PERSONS = "it_IT_f_Menardi", "it_IT_m_Carlo"
_TRIALS = 1_000
"""Of each kind."""
SHORTEST = 0.3
"""Seconds of a sound in which somebody speaks; shorter ones are beeps and clicks."""
QUIET = 4
"""Of 32,768: what never goes beyond it is silence."""
_SHARES = {"test": 0.2, "validation": 0.1}


@SAMPLES.register("voices")
class Voices(Sample):
    """3,400 telephone prompts in six voices, of Debian's asterisk-core-sounds packages, and a table of 3,291.

    The table, voices.csv, leaves out what is silent or shorter than 0.3 s. A prompt is in the same part in all voices,
    so that no words of the test part are heard in training. persons.csv says who speaks, and has the Spanish prompts of
    the person of the English ones in the test part alone; of it trials.txt asks what is hard: 1,000 pairs of this one
    person in two languages, and 1,000 of the two persons who speak Italian. Licences (CC BY-SA 3.0, CC BY 3.0) lie
    beside them.
    """

    def write(self, folder: Path) -> None:
        """Writes voices/<voice>/<prompt>.wav, 16-bit WAV files at 8,000 samples a second, tables and trials of them.

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
        rows = [
            (f"voices/{voice}/{prompt}", voice, parts[prompt])
            for voice in VOICES
            for prompt in sorted(prompts)
            if voice in prompts[prompt]
        ]
        _write(folder / "voices.csv", rows)
        _, unheard = _ONE_PERSON
        persons = [(path, voice.rpartition("_")[2], "test" if voice == unheard else part) for path, voice, part in rows]
        _write(folder / "persons.csv", persons)
        self._write_trials(folder / "trials.txt", [(path, voice) for path, voice, part in rows if part == "test"])

    def _write_trials(self, path: Path, files: list[tuple[str, str]]) -> None:
        """Writes pairs of files of the two voices of one person, and as many of two persons of one language."""
        of = {voice: [file for file, whose in files if whose == voice] for voice in VOICES}
        random, lines = np.random.RandomState(self.seed), list[str]()
        for kind, (first, second) in (("1", _ONE_PERSON), ("0", _TWO_PERSONS)):
            pairs = [f"{kind} {one} {other}" for one in of.get(first, []) for other in of.get(second, [])]
            lines += [pairs[place] for place in sorted(random.permutation(len(pairs))[:_TRIALS].tolist())]
        if lines:
            path.write_text("\n".join([*lines, ""]), encoding="utf-8")

    def _parts(self, prompts: list[str]) -> dict[str, str]:
        """Returns the part of each prompt, drawn by the seed."""
        order = np.random.RandomState(self.seed).permutation(len(prompts))
        parts, first = dict.fromkeys(prompts, "train"), 0
        for part, share in _SHARES.items():
            end = first + round(share * len(prompts))
            parts |= {prompts[place]: part for place in order[first:end]}
            first = end
        return parts


def _write(path: Path, rows: list[tuple[str, str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["path", "label", "split"])
        writer.writerows(rows)


def _speaks(path: Path) -> bool:
    """Whether a 16-bit WAV file lasts long enough and is not silent."""
    try:
        with wave.open(str(path)) as file:
            lasts = file.getnframes() / file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    except (wave.Error, EOFError, ValueError) as error:
        raise DataError(f"{path.name}: is no 16-bit WAV file: {error}: install the package again") from None
    return lasts >= SHORTEST and bool(np.abs(samples.astype(np.int32)).max(initial=0) >= QUIET)
