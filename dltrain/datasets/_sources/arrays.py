"""How a user's own arrays become parts of a dataset: checks, and classes from labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from dltrain.data import DataSpec, Feature, Provenance, Split, Splits
from dltrain.data.noticing import notice, noticing
from dltrain.data.request import Reader
from dltrain.data.size_limit import SizeLimit
from dltrain.datasets._sources.splitting import sizes_of, split_into_parts
from dltrain.errors import DataError
from dltrain.features._arrays.encoding import LOSES, are_finite, is_lost_in_float32
from dltrain.features._arrays.files import Header, Origin
from dltrain.features._arrays.reader import ArrayReader
from dltrain.features._series.whole_reader import WholeSeriesReader
from dltrain.features.class_label import ClassLabel
from dltrain.features.vector import of_shape
from dltrain.features.whole_series import Scaling, WholeSeries
from dltrain.fields import HeldOut
from dltrain.lazy import np

CHUNK = 1024
"""Number of examples checked at a time, so that a memory map may be large."""


@dataclass(frozen=True)
class Part:
    """Arrays of one part of a dataset, before any check.

    Args:
        inputs_name: the origin of the inputs, for messages.
        targets_name: the origin of the labels.
        inputs: one row per example, or only its header.
        targets: one label per example.
        series: how inputs are scaled that are series, (examples, steps, channels) or (examples, steps); else none.
    """

    inputs_name: Origin
    targets_name: Origin
    inputs: np.ndarray | Header
    targets: np.ndarray
    series: Scaling | None = None

    def feature(self, shape: tuple[int, ...]) -> Feature:
        """Returns what the inputs are, of examples of a shape."""
        if self.series is None:
            return of_shape(shape)
        return WholeSeries(steps=shape[0], channels=shape[1], scaling=self.series)


@contextmanager
def refusing() -> Iterator[None]:
    """Turns problems of a key of the dataset block into DataErrors."""
    try:
        yield
    except ValueError as error:
        raise DataError(f"dataset.{error}") from error


def describe(parts: Mapping[str, Part], like: DataSpec | None = None) -> tuple[DataSpec, dict[str, np.ndarray]]:
    """Checks headers and labels, and numbers the classes.

    Args:
        parts: `train`, and `validation` and `test` where the source has its own.
        like: the data that a run was trained on, whose classes are used; none to learn them.

    Returns:
        the description of the data; each part's labels as int32, the positions of their classes among the sorted
        training ones.

    Raises:
        ValueError: at the first problem.
    """
    train = parts["train"]
    labels = {name: _labels(part) for name, part in parts.items()}
    shape = _example_shape(train)
    classes = np.unique(labels["train"])
    if like is None and len(classes) < 2:
        raise train.targets_name.problem(f"must contain at least 2 classes, got only {classes[0]!s}")
    names = [str(label) for label in classes] if like is None else list(like.target.class_names)
    targets = {}
    for name, part in parts.items():
        if _example_shape(part) != shape:
            raise part.inputs_name.problem(
                f"must contain examples of shape {shape} as the train part does, got {_example_shape(part)}"
            )
        if _kind(labels[name]) != _kind(classes):
            raise part.targets_name.problem(
                f"must contain {_kind(classes)} as the train part does, got {_kind(labels[name])}"
            )
        held, codes = np.unique(labels[name], return_inverse=True)
        unknown = [label for label in held if str(label) not in names]
        if unknown:
            whose = "the train part" if like is None else "the run"
            raise part.targets_name.problem(f"has labels that {whose} does not have: {_few(unknown)}")
        targets[name] = np.array([names.index(str(label)) for label in held], np.int32)[codes]
    return DataSpec.of(train.feature(shape), ClassLabel(class_names=tuple(names))), targets


def sizes_of_parts(parts: Mapping[str, Part], validation_fraction: HeldOut, test_fraction: HeldOut) -> dict[str, int]:
    """Returns how many examples each part has that `assemble` makes, from headers and labels; raises as `describe`."""
    targets = describe(parts)[1]
    own = {part: len(labels) for part, labels in targets.items()}
    counts = np.bincount(targets["train"]).tolist()
    return sizes_of(counts, own.get("validation", validation_fraction), own.get("test", test_fraction))


def assemble(
    parts: Mapping[str, Part],
    validation_fraction: HeldOut,
    test_fraction: HeldOut,
    split_seed: int,
    like: DataSpec | None = None,
) -> Splits:
    """Builds the parts of a dataset; splits off those that the source does not have.

    Args:
        parts: `train`, and `validation` and `test` where the source has its own.
        validation_fraction: the share held out for validation.
        test_fraction: the share held out for testing.
        split_seed: seed of both splits.
        like: the data that a run was trained on, whose classes are used; none to learn them.

    Raises:
        ValueError: at the first problem.
    """
    spec, targets = describe(parts, like)
    with noticing() as noticed:
        splits = {
            name: Split(
                _inputs(part), targets[name], provenance=Provenance(_row_of(part), np.arange(len(targets[name])))
            )
            for name, part in parts.items()
        }
    made = split_into_parts(
        spec,
        splits["train"],
        validation=splits.get("validation", validation_fraction),
        test=splits.get("test", test_fraction),
        split_seed=split_seed,
        like=like,
    )
    return replace(made, noticed=(*noticed, *made.noticed))


def reader_within(limit: SizeLimit, spec: DataSpec) -> Reader:
    """Returns what reads further arrays for a network.

    Args:
        limit: the most that a file may have.
        spec: the data that the network was trained on.
    """
    reader = spec.inputs.reader()
    return replace(reader, limit=limit) if isinstance(reader, ArrayReader | WholeSeriesReader) else reader


def _row_of(part: Part) -> Callable[[int], str]:
    return lambda row: f"{part.inputs_name.words} row {row} (from 0)"


def _example_shape(part: Part) -> tuple[int, ...]:
    shape, dtype = part.inputs.shape, part.inputs.dtype
    if dtype.kind not in "uifb":
        raise part.inputs_name.problem(f"must contain numbers, got {dtype}")
    if part.series is not None and len(shape) not in (2, 3):
        words = f"must be (examples, steps, channels) or (examples, steps), as series are, got shape {shape}"
        raise part.inputs_name.problem(words)
    if len(shape) not in (2, 3, 4):
        raise part.inputs_name.problem(
            f"must be (examples, features), (examples, height, width) or "
            f"(examples, height, width, channels), got shape {shape}"
        )
    if 0 in shape:
        raise part.inputs_name.problem(f"contains no values: its shape is {shape}")
    if shape[0] != len(part.targets):
        raise part.inputs_name.problem(f"and the labels must be equally many, got {shape[0]} and {len(part.targets)}")
    return (*shape[1:], 1) if len(shape) == _bare(part) else shape[1:]


def _bare(part: Part) -> int:
    """Returns how many axes inputs have that lack the one of channels, of which they have one."""
    return 3 if part.series is None else 2


def _labels(part: Part) -> np.ndarray:
    labels = part.targets
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise part.targets_name.problem(
            f"must be one label per example, got shape {labels.shape}: for one-hot rows store their argmax(axis=1)"
        )
    if labels.ndim not in (1, 2):
        raise part.targets_name.problem(f"must be one label per example, got shape {labels.shape}")
    if labels.dtype.kind not in "uibU":
        raise part.targets_name.problem(f"must contain whole numbers or strings, got {labels.dtype}")
    return labels.reshape(-1)


def _inputs(part: Part) -> np.ndarray:
    inputs = part.inputs
    if isinstance(inputs, Header):
        raise TypeError(f"{part.inputs_name.key}: the array itself is needed, not its header")
    if inputs.dtype != np.uint8 or part.series is not None:
        if is_lost_in_float32(inputs):
            notice(f"{part.inputs_name.words or part.inputs_name.key} {LOSES}", is_warning=True)
        with np.errstate(over="ignore"):  # what float32 cannot hold is found below
            inputs = inputs.astype(np.float32, copy=False)
        for start in range(0, len(inputs), CHUNK):
            chunk = inputs[start : start + CHUNK]
            finite = are_finite(chunk)
            if not finite.all():
                first = start + int(finite.argmin())
                raise part.inputs_name.problem(f"contains NaN or infinite values, first in row {first} (from 0)")
    return inputs[..., np.newaxis] if inputs.ndim == _bare(part) else inputs


def _kind(labels: np.ndarray) -> str:
    return "strings" if labels.dtype.kind == "U" else "whole numbers"


def _few(labels: list[Any]) -> str:
    shown = ", ".join(str(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"
