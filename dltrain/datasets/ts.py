"""Series with a class or a number each, in files of the UCR/UEA archive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dltrain.data import DataSpec, Feature, Features, Provenance, Split, Splits
from dltrain.data.proposal import Proposal
from dltrain.data.request import Reader
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets._sources.part_files import name_without_part, one_of_each, part_of
from dltrain.datasets._sources.proposal import held_out
from dltrain.datasets._sources.splitting import split_into_parts
from dltrain.datasets._sources.unusable import refuse, refuse_unusable
from dltrain.datasets._sources.whole import Whole
from dltrain.errors import AbsentData, KeyProblem
from dltrain.features._arrays.encoding import LOSES, is_lost_in_float32
from dltrain.features._series.ts_files import SUFFIX, Cases, read, shown
from dltrain.features._series.whole_reader import WholeSeriesReader
from dltrain.features.class_label import ClassLabel
from dltrain.features.numbers import Numbers
from dltrain.features.whole_series import OnMissing, Scaling, WholeSeries, of_arrays
from dltrain.fields import PositiveInt
from dltrain.lazy import np
from dltrain.registry import DATASETS


@DATASETS.register("ts")
class TS(Whole):
    """Series with a class or a number each, in .ts files, as the UCR/UEA archive has them.

    A series per line, its channels separated by colons, its class behind the last one; `?` is a number that is missing.
    Series of one length, or of several. A file with the word TRAIN in its name brings those of the other parts that are
    beside it, such as OSULeaf_TRAIN.ts and OSULeaf_TEST.ts; so does a folder of such. A part without a file is split
    off the train part. Of files with `@targetLabel true` the number is predicted. Times beside the numbers, as
    `@timeStamps true` has them, must be at equal distances, alike in all series; nothing else is made of them.

    Args:
        path: the file or folder, relative to the config's folder.
        scaling: train, by mean and deviation of each channel over the train part; series, by those of each series: then
            only shapes count, not levels.
        on_missing: error, or fill: a straight line between the neighbours takes the place of numbers that are missing,
            at the ends of a series its nearest number.
        max_megabytes: the most that a file may have; none for 8,192.
        test_fraction: share of all series held out for testing, 0 to below 1, stratified by class; unused if there is a
            file of the test part.
        validation_fraction: share of the remaining series held out for tuning, likewise.
    """

    path: Path
    scaling: Scaling = "train"
    on_missing: OnMissing = "error"
    max_megabytes: PositiveInt | None = None

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Proposes the block that reads .ts files; none where there are none.

        Raises:
            ValueError: if it is of this kind, but cannot be used.
        """
        if not (path.suffix.lower() == SUFFIX if path.is_file() else path.is_dir() and _files(path)):
            return None
        keys: dict[str, Any] = {"path": path}
        parts = cls(**keys).parts()
        cases = {part: cls(**keys).cases(file) for part, file in parts.items()}
        remarks = {"path": "and beside it " + ", ".join(file.name for part, file in parts.items() if part != "train")}
        remarks = (remarks if len(parts) > 1 else {"path": "series with a class or a number each"}) | held_out(
            keys, parts
        )
        is_one = cases["train"].header.channels == 1
        keys["scaling"] = "series" if is_one else "train"
        own, alike = "each by its own mean and deviation", "by those of the train part: levels count"
        remarks["scaling"] = f"{own}; train, {alike}" if is_one else f"{alike}; series, {own}"
        if any(np.isnan(row).any() for each in cases.values() for row in each.rows):
            keys["on_missing"] = "fill"
            remarks["on_missing"] = "numbers are missing: draws a line between the neighbours"
        answers = [answer for each in cases.values() for answer in each.answers]
        header, rows = cases["train"].header, [row for each in cases.values() for row in each.rows]
        lengths = [len(row) for row in rows]
        steps = f"{lengths[0]:,}" if len({*lengths}) == 1 else f"{min(lengths):,} to {max(lengths):,}"
        found = f"{len(rows):,} series of {steps} steps, {header.channels} channel{'s' * ((header.channels or 1) > 1)}"
        counts = {name: answers.count(name) for name in _names(cases["train"])} if header.asked == "classes" else {}
        classes = f", {len(counts)} classes" if counts else ", a number to predict"
        return Proposal(keys, remarks, (f"{found}{classes}",), len(rows), counts)

    def files(self) -> list[Path]:
        """Returns the file of each part."""
        return [*self.parts().values()]

    def parts(self) -> dict[str, Path]:
        """Returns the file of each part; the only one is to train on.

        Raises:
            KeyProblem: if there is none to train on, or there are two of a part.
        """
        if self.path.is_file():
            if part_of(self.path) != "train":
                return {"train": self.path}
            mine = name_without_part(self.path)
            there = [file for file in _files(self.path.parent) if name_without_part(file) == mine]
            there = [file for file in there if part_of(file) != "train"] + [self.path]
        elif self.path.is_dir():
            there = _files(self.path)
        else:
            raise AbsentData("path", f"must be a {SUFFIX} file, or a folder of such: {self.path}")
        example = f"TRAIN in its name, such as Leaves_TRAIN{SUFFIX}"
        found = one_of_each(there, self.path, example, "set path to the one to train on")
        if len({name_without_part(file) for file in found.values()}) > 1:
            words = f"has files of several problems, {' and '.join(file.name for file in found.values())}"
            raise KeyProblem("path", f"{words}, in {self.path}: set path to the one to train on")
        return found

    def cases(self, file: Path) -> Cases:
        """Returns the series of a file.

        Raises:
            KeyProblem: if it cannot be used.
        """
        return read(file, SizeLimit(self.max_megabytes))

    def splits(self, like: DataSpec | None) -> Splits:
        """Returns the parts.

        Raises:
            ValueError: if the files cannot be used.
        """
        of_part = {part: self.cases(file) for part, file in self.parts().items()}
        train = of_part["train"]
        for cases in of_part.values():
            _check_alike(cases, train)
        if like is not None and (train.header.asked == "numbers") != isinstance(like.target, Numbers):
            words = f"has {train.header.asked} to predict, the run was trained for {like.target.caption}"
            raise KeyProblem("path", f"{words}: {train.path}")
        if like is None:
            feature = self._feature([row for each in of_part.values() for row in each.rows])
        else:
            feature = like.input.replaced(on_missing=self.on_missing)
        target = like.target if like is not None else _target(train)
        made = {}
        for part, cases in of_part.items():
            encoded = feature.encode(cases.rows)
            refuse_unusable(encoded, cases.place, len(cases.rows))
            rows = np.arange(len(cases.rows))
            made[part] = Split(encoded.stored, _answers(cases, target), provenance=Provenance(cases.place, rows))
        return split_into_parts(
            DataSpec(Features.of(feature), Features.of(target)) if like is None else like,
            made["train"],
            validation=made.get("validation", self.validation_fraction),
            test=made.get("test", self.test_fraction),
            split_seed=self.split_seed,
            like=like,
        )

    def reader(self, spec: DataSpec) -> Reader:
        """Returns a reader of further series."""
        return WholeSeriesReader(spec.input, SizeLimit(self.max_megabytes))

    def _feature(self, rows: Sequence[np.ndarray]) -> WholeSeries:
        return of_arrays(rows, scaling=self.scaling, on_missing=self.on_missing)


def _files(folder: Path) -> list[Path]:
    return sorted(
        file for file in folder.iterdir()
        if file.suffix.lower() == SUFFIX and file.is_file() and not file.name.startswith(".")
    )  # fmt: skip


def _check_alike(cases: Cases, train: Cases) -> None:
    """Raises KeyProblem where the series of a part are of another kind than those of the train part."""
    header, of_train = cases.header, train.header
    if header.asked is None:
        words = "has nothing to learn: @classLabel true and the classes, or @targetLabel true, is missing in its header"
        raise KeyProblem("path", f"{words}: {cases.path}")
    if header.asked != of_train.asked:
        raise KeyProblem("path", f"has {header.asked} in {cases.path}, {of_train.asked} in {train.path}")
    if header.channels != of_train.channels:
        words = f"has series of {header.channels} channels in {cases.path}, of {of_train.channels} in {train.path}"
        raise KeyProblem("path", words)


def _names(train: Cases) -> tuple[str, ...]:
    """Returns the classes of the train part, in the order of its header."""
    there = {*train.answers}
    return tuple(name for name in train.header.class_names or sorted(there) if name in there)


def _target(train: Cases) -> Feature:
    if train.header.asked == "numbers":
        return Numbers(names=("target",))
    names = _names(train)
    if len(names) < 2:
        raise KeyProblem("path", f"must have series of at least 2 classes, got only {names[0]!r}: {train.path}")
    return ClassLabel(class_names=names)


def _answers(cases: Cases, target: Any) -> np.ndarray:
    """Returns what is asked of the series, as it is stored.

    Raises:
        KeyProblem: if one is no class, or no number.
    """
    names, header = {name: place for place, name in enumerate(getattr(target, "class_names", ()))}, cases.header
    problems, found = [], []
    for index, answer in enumerate(cases.answers):
        if header.asked == "numbers":
            value = _number(answer)
            found.append(value)
            if not abs(value) <= float(np.finfo(np.float32).max):
                problems.append(f"{cases.place(index)}: the number behind the last : must be one, got {shown(answer)}")
        elif header.class_names and answer not in header.class_names:
            words = f"class {shown(answer)} is not one of @classLabel, {_few(header.class_names)}"
            problems.append(f"{cases.place(index)}: {words}")
        elif answer not in names:
            problems.append(
                f"{cases.place(index)}: class {shown(answer)} has no series to train on, {_few([*names])} have"
            )
        else:
            found.append(names[answer])
    refuse(problems, "series")
    if header.asked == "numbers" and is_lost_in_float32(np.array(found)):
        raise KeyProblem("path", f"{cases.path}: the number behind the last : {LOSES}")
    return np.array(found, np.float32)[:, None] if header.asked == "numbers" else np.array(found, np.int32)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
