"""The user's own sounds, in a folder per class or named by a table."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from dltrain.data import DataSpec, Split, Splits
from dltrain.data.noticing import notice, noticing
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.data.spectra import FrontEnd, empty_bands, fft_size, most_bands
from dltrain.datasets import Dataset
from dltrain.datasets._sources.arrays import refusing
from dltrain.datasets._sources.class_folders import ClassFolders, unpacked
from dltrain.datasets._sources.file_table import FileTable, is_table, names_files
from dltrain.datasets._sources.held_out_classes import Files, with_held_out_classes
from dltrain.datasets._sources.left_out import ignored_words, require_memory
from dltrain.datasets._sources.proposal import held_out
from dltrain.datasets._sources.splitting import sizes_of, split_into_parts
from dltrain.datasets._sources.trial_list import TrialList, plain
from dltrain.datasets._sources.unusable import TO_SKIP, refuse, tell
from dltrain.errors import DataError, KeyProblem
from dltrain.features._audio.clips import Clips, SoundFiles
from dltrain.features._audio.decoding import SUFFIXES, Channel, Decoding, Header, Stretch, check_installed
from dltrain.features._files import files_below
from dltrain.features.audio import Audio
from dltrain.features.class_label import ClassLabel
from dltrain.features.identity import IDENTITY, STRANGER, Identity
from dltrain.fields import HeldOut, PositiveFloat, PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS

_OF_IGNORED = f"sounds end in {', '.join(SUFFIXES)}, and lie in the folder of a class"
_ADVICE = "if this is wrong, set dataset.rate, dataset.channel or dataset.clip_seconds"
_WINDOW_MILLISECONDS, _BANDS = 25.0, 64
_LONGEST_WINDOW = 4096
"""Samples of a stretch that a spectrum is computed of: transforms are matrix multiplications."""

_Parts = dict[str, dict[str, list[Stretch]]]
"""The sounds of each class of each part."""


class _Sound(NamedTuple):
    """A file, and what its place says of it: whose it is, as its number too, and its part."""

    file: Stretch
    owner: str
    label: int
    part: str


class _Found(NamedTuple):
    """The sounds of each class of each part, messages of files that a table names, but which are not there, and
    what no trial names.
    """

    parts: _Parts
    missing: tuple[str, ...]
    unlisted: list[Stretch]


@DATASETS.register("audio_folder")
class AudioFolder(Dataset):
    """Your own sounds (WAV, FLAC, Ogg, MP3), in a folder per class: path/ann/1.wav, path/bob/x/2.flac.

    These folders may be in an archive (.zip, .tar, .tar.gz and so on), which is unpacked once into ~/.cache/dltrain (or
    DLTRAIN_CACHE). Folders called train, validation (or val) and test, with a folder per class in each, are the parts;
    a part without a folder is split off. Names that start with a dot are ignored.

    Or path is a table (.csv, .tsv, .txt; UTF-8; separated by commas, semicolons, tabs or bars). Its first line names
    the columns, each other line a sound: `path`, relative to the table's folder; `label`; optionally `split`, the part;
    and `start` and `end`, the seconds of the file that are meant, of which nothing else is decoded. A file may be named
    by several lines of different seconds.

    Sounds are decoded when they are first needed, in several threads, and resampled by a filter that leaves nothing
    above half the rate. Training sees a clip of each at a place that is drawn anew in each epoch; validation and test
    the middle, or several clips. A sound that is shorter than a clip is repeated.

    Args:
        path: the folder, archive or table, relative to the config's folder.
        rate: samples per second to which sounds are resampled: half of it is the highest frequency that is left.
        channel: mix for the mean of all channels; left or right for one alone.
        clip_seconds: how long a clip is.
        eval_clips: clips of a sound, evenly spaced from its beginning to its end, whose outputs are averaged in
            evaluation; 1 for its middle.
        front_end: what the network sees: log_mel, the logarithms of the power in mel bands over time, as an image of
            one channel; mfcc, their discrete cosine transform; spectrogram, the magnitudes of all frequencies, each in
            its own scale over time, as VGGVox has it; waveform, the samples.
        window_milliseconds: of the stretch that one spectrum is computed of.
        hop_milliseconds: from one such stretch to the next.
        bands: mel bands, of log_mel and mfcc.
        coefficients: of mfcc, from the first, which is the loudness.
        hold_out: sounds for parts that have the same classes; classes for a validation and a test part of whole classes
            that training never hears, as verification asks for: the fractions are then of the classes, and folders of
            the parts may have classes of their own.
        trials: a list of trials, `1 a.wav b.wav` a line for two sounds of one class, 0 for others, relative to `path`,
            or to the table's folder: its files are the test part, and are not trained on; none to draw pairs.
        on_bad_example: error to stop at files that are no sound that can be read, or are empty; skip to leave them out
            and name them.
        cache: where decoded sounds are kept: memory; or none, to decode them in each epoch.
        test_fraction: share of all sounds held out for testing, 0 to below 1, stratified by class; with `hold_out:
            classes` of all classes, two or more; unused if there is a test part or a list of trials.
        validation_fraction: share of the remaining sounds, or classes, held out for tuning; unused if there is such a
            part.
    """

    path: Path
    rate: PositiveInt = 16_000
    channel: Channel = "mix"
    clip_seconds: PositiveFloat = 3.0
    eval_clips: PositiveInt = 1
    front_end: FrontEnd = "log_mel"
    window_milliseconds: PositiveFloat = _WINDOW_MILLISECONDS
    hop_milliseconds: PositiveFloat = 10.0
    bands: PositiveInt = _BANDS
    coefficients: PositiveInt = 20
    hold_out: Literal["sounds", "classes"] = "sounds"
    trials: Path | None = None
    on_bad_example: Literal["error", "skip"] = "error"
    cache: Literal["memory", "none"] = "memory"

    def __post_init__(self) -> None:
        check_installed("name")
        if self.front_end == "mfcc" and self.coefficients > self.bands:
            raise KeyProblem("coefficients", f"must be at most bands, {self.bands}, got {self.coefficients}")
        audio = self._audio
        if audio.window > _LONGEST_WINDOW:
            words = f"must be at most {_LONGEST_WINDOW:,} samples, {1000 * _LONGEST_WINDOW / self.rate:g} ms"
            raise KeyProblem("window_milliseconds", words)
        if audio.window < 2 or audio.hop < 1:
            key = "window_milliseconds" if audio.window < 2 else "hop_milliseconds"
            raise KeyProblem(key, f"must be longer: a sample lasts {1000 / self.rate:.3g} ms")
        if audio.samples < audio.window:
            raise KeyProblem("clip_seconds", f"must be at least window_milliseconds, {self.window_milliseconds:g} ms")

    @property
    def task(self) -> str:
        """Verification, where other parts may have classes of their own."""
        return "verification" if self._is_open else "classification"

    @property
    def _is_open(self) -> bool:
        return self.hold_out == "classes" or self.trials is not None

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads sounds; none where there are none in folders.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        is_named = names_files(path, SUFFIXES)
        if not is_named and (not path.is_dir() or not _below(path) or not _of_classes(path).are_classes()):
            return None
        check_installed("path")
        found = _named(_table(path))[0] if is_named else _stretches(replace(_of_classes(path), is_open=True).parts())
        strangers = {name for of_class in found.values() for name in of_class} - {*found["train"]}
        counts = {name: sum(len(of_class.get(name, ())) for of_class in found.values()) for name in found["train"]}
        files = [file for of_class in found.values() for some in of_class.values() for file in some]
        headers = [each for each in map(_header, files[:: -(-len(files) // 64)]) if each]
        if not headers:
            raise KeyProblem("path", f"contains no sound that can be read among {len(files):,} files")
        rates = sorted(header.rate for header in headers)
        seconds = sorted(header.samples / header.rate for header in headers)
        rate, half = min(rates[len(rates) // 2], 16_000), seconds[len(seconds) // 2]
        keys: dict[str, Any] = {"path": path, "rate": rate, "clip_seconds": round(min(max(half, 0.1), 3.0), 1)}
        remarks = {
            "path": "a .csv of files and labels" if is_named else "a folder of sounds per class",
            "rate": "samples a second to which all are resampled",
            "clip_seconds": f"half of the sounds last {half:.1f} s or more; training sees a clip of each at random",
        } | held_out(keys, found)
        if strangers:
            keys["hold_out"] = "classes"
            plural = "class" if len(strangers) == 1 else "classes"
            remarks["hold_out"] = f"the parts have {len(strangers):,} {plural} of their own, such as {min(strangers)}"
            for key in keys.keys() & {"test_fraction", "validation_fraction"}:
                keys[key] = _share(keys[key], len(found["train"]))
                if not keys[key]:
                    remarks[key] = f"{len(found['train'])} classes to train on are too few to hold out 2"
        window = round(_WINDOW_MILLISECONDS * rate / 1000)
        if (bands := most_bands(rate, window, _BANDS)) < _BANDS:
            keys["bands"] = bands
            remarks["bands"] = "mel bands: of more, some would hold no frequency at this rate"
        beside = [] if is_named else _of_classes(path).beside()
        told = (
            *(
                [f"not used, as they are in no class: {len(beside):,} files, such as {beside[0].name}"]
                if beside
                else []
            ),
            f"{len(files):,} sounds of {len(counts)} classes",
            f"from {seconds[0]:.1f} to {seconds[-1]:.1f} s, {' and '.join(f'{each:,}' for each in sorted({*rates}))} "
            f"samples a second in {len(headers):,} that were looked at",
        )
        return Proposal(keys, remarks, told, len(files), counts)

    def spec(self) -> DataSpec:
        """Describes clips and classes, from the names of the folders; opens no file.

        Raises:
            ValueError: if there are no classes, or the path cannot be used.
        """
        if self._is_open:
            return self._spec(tuple(self._parts()[0]["train"]))
        return self._spec(_table(self.path).class_names() if is_table(self.path) else _of_classes(self._root).classes())

    def sizes(self) -> dict[str, int] | None:
        """Returns how many sounds each part has, none of them opened; none where bad ones are skipped. Raises as
        `spec`."""
        if self.on_bad_example == "skip":
            return None
        found = {part: [*map(len, of_class.values())] for part, of_class in self._parts()[0].items()}
        own = {part: sum(counts) for part, counts in found.items()}
        left = self._left
        held = own.get("validation", left["validation"]), own.get("test", left["test"])
        return sizes_of(found["train"], *held)

    def load(self, like: DataSpec | None = None) -> Splits:
        """Lists the files, reads what each says of itself, and decodes some for mean and deviation.

        Args:
            like: the data that a run was trained on, whose classes are used.

        Raises:
            DataError: if folders or files cannot be used.
        """
        with refusing(), noticing() as noticed:
            found, missing, unlisted = self._parts(like.target.class_names if like else (), is_said=True)
            classes = tuple(found["train"]) if like is None else like.target.class_names
            each = [
                _Sound(file, name, label, part)
                for part, of_class in found.items()
                for name, files in of_class.items()
                for label in (self._label(name, classes),)
                for file in files
            ]
            headers = self._headers([sound.file for sound in each])
            problems = [*missing] + [
                f"{sound.file}: {words}" for sound, words in zip(each, headers, strict=True) if isinstance(words, str)
            ]
            if self.on_bad_example == "error":
                refuse(problems, "files", TO_SKIP)
            heard = [(sound, header) for sound, header in zip(each, headers, strict=True) if isinstance(header, Header)]
            self._notice([(sound.file, header) for sound, header in heard])
            self._notice_bands()
            used = {sound.file.path for sound in each} | {sound.path for sound in unlisted}
            ignored = [] if is_table(self.path) else self._ignored(used)
            if ignored:
                words = f"{ignored_words(ignored)}, in no class or no sound: {ignored[0]}"
                notice(words, advice=_OF_IGNORED)
            spec = self._spec(classes)
            audio = spec.input
            clips_of_each = audio.clips if like is None else like.input.clips
            if clips_of_each != audio.clips:
                words = f"dataset.eval_clips is {audio.clips}: it stays {clips_of_each}, as the run was trained"
                notice(words, is_warning=True, advice="train a run with these eval_clips")
        if self.cache == "memory":
            samples = sum(header.samples * self.rate // header.rate for _, header in heard)
            require_memory(4 * samples, "sounds", "cache: none")
        usable = [sound for sound, _ in heard]
        sounds = SoundFiles([sound.file for sound in usable], self._decoding, self.cache)
        if self.on_bad_example == "skip":
            broken = sounds.problems()
            problems += [broken[place] for place in sorted(broken)]
            sounds, usable = sounds.without(broken), [each for place, each in enumerate(usable) if place not in broken]
        clips = Clips(sounds, audio.samples, clips_of_each)
        labels = np.array([sound.label for sound in usable], np.int32)
        _require_classes(each, usable)
        whole = Split(clips, labels)
        if self._is_open:
            whole.metadata[IDENTITY] = np.array([sound.owner for sound in usable])
        splits = {
            part: whole.take(rows)
            for part in found
            if len(rows := np.array([row for row, sound in enumerate(usable) if sound.part == part], np.int64))
        }
        if self.trials and "test" in splits:
            with noticing() as lost:
                splits["test"] = self._listed.beside(splits["test"])
            noticed += lost
        if "train" not in splits:
            raise DataError("dataset.path has no sound that can be used in the train part")
        parts = split_into_parts(
            spec,
            splits["train"],
            validation=splits.get("validation", self._left["validation"]),
            test=splits.get("test", self._left["test"]),
            split_seed=self.split_seed,
            like=like,
            skipped=tuple(problems),
        )
        return replace(parts, ignored=tuple(map(str, ignored)), noticed=(*parts.noticed, *noticed))

    def _ignored(self, used: set[Path]) -> list[Path]:
        """Returns the files below the root that are not used, without those whose names start with a dot."""
        known = used | ({plain(self.trials.absolute())} if self.trials else set())
        return [file for file in files_below(self._root) if file not in known and plain(file.absolute()) not in known]

    @property
    def _left(self) -> dict[str, HeldOut]:
        """The shares of sounds that are held out of the train part, where there is no such part yet."""
        test = 0.0 if self.trials else self.test_fraction
        if self.hold_out == "classes":
            return {"test": 0.0, "validation": 0.0}
        return {"test": test, "validation": self.validation_fraction}

    def _parts(self, known: tuple[str, ...] = (), is_said: bool = False) -> _Found:
        """Returns the sounds of each class of each part, and what is not used.

        Args:
            known: the classes, of which some may have no sound; empty for those of the train part.
            is_said: whether it is said what a list of trials leaves of the parts.

        Raises:
            ValueError: if folders, table, or the list of trials, cannot be used.
        """
        missing: tuple[str, ...] = ()
        if is_table(self.path):
            table = replace(_table(self.path), is_open=self._is_open)
            found, missing = _named(table, self.on_bad_example == "skip", () if self._is_open else known)
        else:
            found = _stretches(replace(_of_classes(self._root), is_open=self._is_open).parts())
        before = found
        if self.trials:
            found = self._with_trials(found)
        if self.hold_out == "classes":
            shares = {"test": self.test_fraction, "validation": self.validation_fraction}
            found = with_held_out_classes(found, shares, self.split_seed)
        if self.trials and is_said:
            self._listed.say(before, found, known or None)
        unlisted = _unlisted(before, found) if self.trials else []
        if is_said:
            self._say_unused(before, unlisted)
        return _Found(found, missing, unlisted)

    def _say_unused(self, before: _Parts, unlisted: list[Stretch]) -> None:
        """Says which sounds of a test part are in no trial, and which shares of parts decide nothing."""
        if unlisted:
            many = (
                "1 sound of the test part is"
                if len(unlisted) == 1
                else f"{len(unlisted):,} sounds of the test part are"
            )
            words = f"{many} in no trial and not used, such as {unlisted[0]}"
            notice(words, advice="dataset.trials names those that are")
        for part, share, usual in (
            ("validation", self.validation_fraction, AudioFolder.validation_fraction),
            ("test", self.test_fraction, AudioFolder.test_fraction),
        ):
            own = "the list of trials" if self.trials and part == "test" else "a part" if part in before else ""
            if own and share != usual:
                words = f"dataset.{part}_fraction is not used: there is {own} for {part}"
                notice(words, is_warning=True, advice="leave it out")

    def _with_trials(self, found: _Parts) -> _Parts:
        """Returns the sounds of each part where the files of the list of trials are the test part.

        Raises:
            KeyProblem: if a table names stretches, of which a list does not say which it means.
        """
        sounds = [sound for of_class in found.values() for some in of_class.values() for sound in some]
        if any(sound.start or sound.end is not None for sound in sounds):
            words = f"names whole files, {self.path} has stretches of some: give these in files of their own"
            raise KeyProblem("trials", words)
        files = {
            part: {name: [sound.path for sound in some] for name, some in of_class.items()}
            for part, of_class in found.items()
        }
        named = {plain(sound.path): sound for sound in sounds}
        listed = self._listed.as_test_part(files, are_strangers=self.hold_out == "classes")
        return {
            part: {
                name: [replace(named.get(file, Stretch(file)), path=file) for file in some]
                for name, some in of_class.items()
            }
            for part, of_class in listed.items()
        }

    @cached_property
    def _listed(self) -> TrialList:
        path: Any = self.trials
        return TrialList.read(path, self.path.absolute().parent if is_table(self.path) else self._root)

    def _label(self, name: str, classes: tuple[str, ...]) -> int:
        """Returns the number of a class."""
        if name not in classes and not self._is_open:
            raise KeyProblem("path", f"has a class that the run does not know: {name!r} ({', '.join(classes)})")
        return classes.index(name) if name in classes else STRANGER

    def describe(self, spec: DataSpec) -> list[str]:
        """Returns how a file becomes samples."""
        how = "the mean of its channels" if self.channel == "mix" else f"its {self.channel} channel"
        words = f"Before the network: decode the file, take {how}, resample it to {self.rate:,} samples a second."
        return [words, ""]

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of other sounds for a network that was trained on `spec`."""
        return spec.inputs.reader()

    @property
    def _audio(self) -> Audio:
        return Audio(
            rate=self.rate,
            samples=max(1, round(self.clip_seconds * self.rate)),
            front_end=self.front_end,
            window=round(self.window_milliseconds * self.rate / 1000),
            hop=round(self.hop_milliseconds * self.rate / 1000),
            bands=self.bands,
            coefficients=self.coefficients,
            clips=self.eval_clips,
            channel=self.channel,
        )

    def _spec(self, classes: tuple[str, ...]) -> DataSpec:
        target = Identity(class_names=classes) if self._is_open else ClassLabel(class_names=classes)
        return DataSpec.of(self._audio, target)

    @property
    def _decoding(self) -> Decoding:
        return Decoding(self.rate, self.channel)

    @property
    def _root(self) -> Path:
        return unpacked(self.path, "a folder of a folder per class")

    def _headers(self, files: list[Stretch]) -> list[Header | str]:
        """Returns what each file says of itself, or why it cannot be used."""

        def one(file: Stretch) -> Header | str:
            try:
                header = self._decoding.header(file)
            except ValueError as error:
                return str(error)
            return header if header.samples * self.rate // header.rate else "has no samples"

        with ThreadPoolExecutor(os.cpu_count(), "headers") as threads:
            return [*threads.map(one, files)]

    def _notice_bands(self) -> None:
        """Says how many mel bands are always silent, as no frequency of the transform lies in them."""
        audio = self._audio
        if self.front_end not in ("log_mel", "mfcc"):
            return
        if empty := empty_bands(audio.rate, audio.window, self.bands):
            some = "1 of the mel bands holds" if empty == 1 else f"{empty} of the mel bands hold"
            apart = f"{audio.rate / fft_size(audio.window):g} hertz apart"
            words = f"{some} no frequency, as those of {self.window_milliseconds:g} ms are {apart}: always silent"
            fitting = most_bands(audio.rate, audio.window, self.bands)
            advice = f"set dataset.bands to {fitting} or less, or dataset.window_milliseconds to more"
            notice(words, is_warning=True, advice=advice)

    def _notice(self, files: list[tuple[Stretch, Header]]) -> None:
        """Says how many sounds are resampled, have several channels, or are shorter than a clip, in a line each."""
        kinds: dict[str, list[str]] = {}
        for stretch, header in files:
            file = str(stretch)
            if header.rate != self.rate:
                kinds.setdefault(f"resampled from {header.rate:,} to {self.rate:,} samples a second", []).append(file)
            if header.channels > 1:
                how = "the mean of them" if self.channel == "mix" else f"the {self.channel} one"
                kinds.setdefault(f"of {header.channels} channels, of which {how} is taken", []).append(file)
            if header.samples < header.named_samples:
                kinds.setdefault("which end before their header says", []).append(file)
            if header.samples < self.clip_seconds * header.rate:
                words = f"shorter than clip_seconds, {self.clip_seconds:g} s, which are repeated"
                kinds.setdefault(words, []).append(file)
        tell(kinds, len(files), "sounds", lambda _: _ADVICE)


def _share(usual: float, classes: int) -> float:
    """Returns the share of classes to hold out: the usual one or that of 2; 0 where fewer than 2 would be left."""
    return max(usual, math.ceil(200 / classes) / 100) if classes >= 4 else 0.0


def _require_classes(each: Sequence[_Sound], usable: Sequence[_Sound]) -> None:
    """Raises DataError where files that are left out were all that a class has in a part."""
    kept = {(sound.part, sound.owner) for sound in usable}
    if lost := sorted({(sound.part, sound.owner) for sound in each} - kept):
        words = [f"dataset.path has no sound of {name} that can be used in the {part} part" for part, name in lost]
        raise DataError("\n".join(words))


def _unlisted(before: _Parts, found: _Parts) -> list[Stretch]:
    """Returns the sounds of the test part that a list of trials does not name."""
    listed = {plain(sound.path) for of_class in found.values() for some in of_class.values() for sound in some}
    sounds = (sound for some in before.get("test", {}).values() for sound in some)
    return [sound for sound in sounds if plain(sound.path) not in listed]


def _below(folder: Path) -> list[Path]:
    return files_below(folder, SUFFIXES)


def _of_classes(root: Path) -> ClassFolders:
    advice = "if they are speakers whom training must not hear, set dataset.hold_out: classes"
    return ClassFolders(root, _below, "sound file", advice=advice)


def _table(path: Path) -> FileTable:
    return FileTable("sound", SUFFIXES, path, has_stretches=True)


def _stretches(files: Files) -> _Parts:
    return {part: {name: [*map(Stretch, some)] for name, some in of_class.items()} for part, of_class in files.items()}


def _named(table: FileTable, with_missing: bool = False, known: tuple[str, ...] = ()) -> tuple[_Parts, tuple[str, ...]]:
    """Returns the sounds that a table names, and messages of those that are not there."""
    found = table.found(with_missing, known)
    parts: _Parts = {part: {} for part in found.present}
    parts["train"] = {name: [] for name in found.classes}
    for row in found.each:
        named = f"{table.path}:{row.line}: {Path(row.name).name}"
        parts[row.part].setdefault(row.label, []).append(Stretch(Path(row.name), row.start, row.end, named))
    return parts, found.missing


def _header(file: Stretch) -> Header | None:
    try:
        return Decoding(1).header(file)
    except ValueError:
        return None
