"""The user's own TFRecord files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal

from dltrain.data import DataSpec, Split, Splits
from dltrain.data.proposal import Proposal
from dltrain.data.size_limit import SizeLimit, reason
from dltrain.datasets import Dataset
from dltrain.datasets._sources.arrays import Part, assemble, refusing
from dltrain.datasets._sources.records import DamagedRecord, check_records
from dltrain.datasets._sources.splitting import split_into_parts
from dltrain.errors import KeyProblem
from dltrain.features._arrays.encoding import LOSES, is_lost_in_float32
from dltrain.features._arrays.files import Origin
from dltrain.features._images.decoding import Decoding
from dltrain.features._tables.files import matching
from dltrain.features.numbers import Numbers
from dltrain.features.vector import of_shape
from dltrain.fields import PositiveInt
from dltrain.lazy import np, tf
from dltrain.registry import DATASETS, suggestion
from dltrain.untrusted import Unreadable


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One entry of each `tf.train.Example`.

    Args:
        kind: floats or ints, with the given `shape`; text; or image, an encoded JPEG, PNG, GIF or BMP.
        shape: shape of the numbers, empty for a single one; for an image [height, width, channels], to which it is
            resized.
    """

    kind: Literal["floats", "ints", "image", "text"]
    shape: tuple[PositiveInt, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == "image" and (len(self.shape) != 3 or self.shape[2] not in (1, 3)):
            raise KeyProblem("shape", "must be [height, width, 1 or 3] where kind is image")
        if self.kind == "text" and self.shape:
            raise KeyProblem("shape", "must be left out where kind is text")


@DATASETS.register("tfrecord")
class TFRecord(Dataset):
    """Your own TFRecord files of `tf.train.Example`, plain or gzip, one or several by a pattern.

    All examples are read into memory. The inputs are one image, or all features of numbers side by side in the order
    of the config.

    Args:
        path: the file, relative to the config's folder; or a pattern, for example data/train-*.tfrecord.gz.
        features: the features of the examples, for example {image: {kind: image, shape: [28, 28, 1]}, label: {kind:
            ints}}.
        target: the feature to predict: ints or text for classes, floats for numbers.
        test_path: files of the test part; none to split it off.
        test_fraction: share of all examples held out for testing, 0 to below 1, stratified by class; unused with
            `test_path`.
        validation_fraction: share of the remaining examples held out for tuning, likewise.
        max_megabytes: the most that a file may have, also unpacked, in megabytes; none for 8,192, and for gzip no more
            than 100 times the file's size.
    """

    reads_with_tensorflow: ClassVar[bool] = True

    path: Path
    features: dict[str, Feature]
    target: str = "label"
    test_path: Path | None = None
    max_megabytes: PositiveInt | None = None

    @classmethod
    def proposed(cls, path: Path, target: str | None) -> Proposal | None:
        """Refuses TFRecord files, which do not describe themselves; none for other paths.

        Raises:
            ValueError: if the path is of TFRecord files.
        """
        if ".tfrecord" in path.name.lower() or (path.is_dir() and any(path.glob("*.tfrecord*"))):
            raise KeyProblem(
                "path",
                "names TFRecord files, which do not describe their examples: `dltrain init digits_tfrecord` "
                "writes a config to start from",
            )
        return None

    def __post_init__(self) -> None:
        if self.target not in self.features:
            raise KeyProblem(
                "target", f"is not one of the features: {self.target!r}{suggestion(self.target, [*self.features])}"
            )
        target = self.features[self.target]
        if target.kind == "image" or (target.kind != "floats" and target.shape):
            raise KeyProblem("target", f"must be floats, one of ints, or text, got {target.kind} {list(target.shape)}")
        kinds = [feature.kind for feature in self._inputs.values()]
        if not kinds or "text" in kinds or ("image" in kinds and len(kinds) > 1):
            raise KeyProblem("features", f"must be one image, or numbers, beside the target, got {', '.join(kinds)}")

    @property
    def task(self) -> str:
        """Regression for a target of floats, else classification."""
        return "regression" if self.features[self.target].kind == "floats" else "classification"

    @property
    def _inputs(self) -> dict[str, Feature]:
        return {name: feature for name, feature in self.features.items() if name != self.target}

    def spec(self) -> None:
        """Returns none: the files can only be read with TensorFlow.

        Raises:
            ValueError: if there are no files.
        """
        self._files()

    def load(self, like: DataSpec | None = None) -> Splits:
        """Returns the parts.

        Args:
            like: the data that a run was trained on, whose classes are used.

        Raises:
            DataError: if a file cannot be used.
        """
        with refusing():
            parts = {name: self._part(name, files) for name, files in self._files().items()}
            if self.task == "classification":
                return assemble(parts, self.validation_fraction, self.test_fraction, self.split_seed, like)
            splits = {name: _numbers(part) for name, part in parts.items()}
            return split_into_parts(
                self._described(splits["train"]),
                splits["train"],
                validation=self.validation_fraction,
                test=splits.get("test", self.test_fraction),
                split_seed=self.split_seed,
                like=like,
            )

    def _files(self) -> dict[str, list[Path]]:
        found = {"train": matching(self.path)}
        if self.test_path is not None:
            try:
                found["test"] = matching(self.test_path)
            except KeyProblem as error:
                raise KeyProblem(f"test_{error.key}", error.words) from None
        return found

    def _part(self, name: str, files: list[Path]) -> Part:
        key = "path" if name == "train" else "test_path"
        inputs, targets = [], []
        for values in self._examples(key, files):
            targets.append(values.pop(self.target))
            inputs.append(np.concatenate([*values.values()], axis=-1))
        if not inputs:
            raise KeyProblem(key, f"contains no examples: {files[0]}")
        names = Origin(key, f"{files[0]}: the inputs"), Origin(key, f"{files[0]}: feature {self.target}")
        return Part(*names, np.stack(inputs), np.array(targets))

    def _examples(self, key: str, files: list[Path]) -> Iterator[dict[str, Any]]:
        """Yields the values of each example."""
        for file in files:
            is_gzip, number = self._checked(key, file), 0
            try:
                with tf.device("CPU:0"):
                    records = tf.data.TFRecordDataset(str(file), "GZIP" if is_gzip else "")
                    records = records.map(self._parsed, num_parallel_calls=2, deterministic=True)
                    for values in records.as_numpy_iterator():
                        yield {name: self._value(feature, values[name]) for name, feature in self.features.items()}
                        number += 1
            except (tf.errors.OpError, ValueError) as error:
                misfit = self._misfit(file, is_gzip, number)
                if misfit and not number:  # the config is wrong, or all examples are
                    raise KeyProblem(misfit.key, f"{misfit.words}, {file}") from None
                words = str(misfit or _told(error))
                raise KeyProblem(key, f"{file}: example {number} (from 0) cannot be used: {words}") from None

    def _checked(self, key: str, file: Path) -> bool:
        """Returns whether a file is packed, if TensorFlow may read it."""
        try:
            return check_records(file, SizeLimit(self.max_megabytes))
        except DamagedRecord as error:
            words = f"{file}: example {error.number} (from 0) cannot be used: {error}"
            raise KeyProblem(key, words) from None
        except (OSError, Unreadable) as error:
            raise KeyProblem(key, f"cannot be read: {file}: {reason(error)}") from None

    def _parsed(self, record: Any) -> Any:
        types = {"floats": tf.float32, "ints": tf.int64, "image": tf.string, "text": tf.string}
        wanted = {
            name: tf.io.FixedLenFeature(() if feature.kind == "image" else feature.shape, types[feature.kind])
            for name, feature in self.features.items()
        }
        return tf.io.parse_single_example(record, wanted)

    def _misfit(self, file: Path, is_gzip: bool, number: int) -> KeyProblem | None:
        """Returns how an example differs from the config; none where that is not the problem."""
        try:
            with tf.device("CPU:0"):
                (record,) = tf.data.TFRecordDataset(str(file), "GZIP" if is_gzip else "").skip(number).take(1)
                held = tf.train.Example.FromString(record.numpy()).features.feature
        except Exception:  # damaged, which TensorFlow's message says; protobuf's errors have no common parent
            return None
        lists = {"floats": "float_list", "ints": "int64_list", "image": "bytes_list", "text": "bytes_list"}
        words = {"float_list": "floats", "int64_list": "ints", "bytes_list": "image or text", None: "nothing"}
        for name, feature in self.features.items():
            if name not in held:
                hint = suggestion(name, sorted(held), "it has")
                return KeyProblem(f"features.{name}", f"is not in the example{hint}")
            kind = held[name].WhichOneof("kind")
            if kind != lists[feature.kind]:
                return KeyProblem(f"features.{name}.kind", f"is {feature.kind}, but the example contains {words[kind]}")
            count, wanted = len(getattr(held[name], kind).value), 1 if feature.kind == "image" else prod(feature.shape)
            if count != wanted:
                shape = list(feature.shape)
                asks = f"{shape} asks for {_values(wanted)}, but the example contains {_values(count)}"
                return KeyProblem(f"features.{name}.shape", asks)
        return None

    def _value(self, feature: Feature, value: Any) -> Any:
        if feature.kind == "image":
            height, width, channels = feature.shape
            return Decoding(height, width, channels, "crop", fast=False).decoded(value)
        if feature.kind == "text":
            return value.decode()
        return value.reshape(-1) if feature is not self.features[self.target] or feature.kind == "floats" else value

    def _described(self, train: Split) -> DataSpec:
        count = train.targets.shape[1]
        names = [f"{self.target} {number}" for number in range(1, count + 1)] if count > 1 else [self.target]
        return DataSpec.of(of_shape(train.inputs.shape[1:]), Numbers(names=tuple(names)))


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"


def _told(error: Exception) -> str:
    """Returns the part of TensorFlow's message about the data."""
    words = " ".join(str(getattr(error, "message", error)).split())
    return re.sub(r"^\{\{.*?\}\} | \[Op:.*", "", words.rpartition("::")[2].strip())[:300]


def _numbers(part: Part) -> Split:
    """Returns inputs and numbers to predict.

    Raises:
        ValueError: if some are not finite.
    """
    inputs = np.asarray(part.inputs)
    if is_lost_in_float32(np.asarray(part.targets)):
        raise part.targets_name.problem(LOSES)
    if inputs.dtype != np.uint8:
        inputs = inputs.astype(np.float32)
    for name, values in ((part.inputs_name, inputs), (part.targets_name, part.targets)):
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if not finite.all():
            raise name.problem(f": NaN or infinite values, first in example {int(finite.argmin())} (from 0)")
    return Split(inputs, part.targets.astype(np.float32))
