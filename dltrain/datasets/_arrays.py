"""How a user's own arrays become parts of a dataset: what is refused, and how labels become classes.

Every message begins with the config key that the array came from.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dltrain.data import DataSpec, Provenance, Split, Splits
from dltrain.datasets._splitting import parted
from dltrain.errors import AbsentData, DataError
from dltrain.features.class_label import ClassLabel
from dltrain.features.vector import of_shape
from dltrain.fields import HeldOut
from dltrain.lazy import np

CHUNK = 1024
"""Examples looked at in one go, so that a memory map may be large."""


@dataclass(frozen=True)
class Header:
    """What the beginning of an .npy file says of its array.

    Args:
        shape: the array's shape.
        dtype: the type of its elements.
    """

    shape: tuple[int, ...]
    dtype: np.dtype


@dataclass(frozen=True)
class Part:
    """Arrays of one part of a dataset, as they were found.

    Args:
        inputs_name: where the inputs come from, beginning with the config's key; messages start with it.
        targets_name: likewise for the labels.
        inputs: one row per example, or only its header.
        targets: one label per example.
    """

    inputs_name: str
    targets_name: str
    inputs: np.ndarray | Header
    targets: np.ndarray


_FAILURES = (
    *(OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error),
    *(MemoryError, OverflowError),  # of a header that claims more than any memory holds
)


@contextmanager
def reading(key: str, path: Path) -> Iterator[None]:
    """Turns the ways in which reading a file fails into ValueErrors that begin with the config's key."""
    try:
        yield
    except FileNotFoundError:
        raise AbsentData(f"{key} no such file: {path}") from None
    except _FAILURES as error:
        if str(error).startswith(f"{key} "):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise ValueError(f"{key} cannot be read: {path}: {reason}") from error


@contextmanager
def refusing() -> Iterator[None]:
    """Turns ValueErrors that begin with a key of the dataset block into DataErrors."""
    try:
        yield
    except ValueError as error:
        raise DataError(f"dataset.{error}") from error


def read_header(file: IO[bytes]) -> Header:
    """Returns the header of an .npy file, without its data.

    Raises:
        ValueError: if it has none.
    """
    if np.lib.format.read_magic(file) == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    return Header(shape, dtype)


def read_array(name: str, file: IO[bytes]) -> np.ndarray:
    """Returns the array of an .npy file.

    Args:
        name: where the array comes from, beginning with the config's key; messages start with it.
        file: at its beginning; must be able to seek.

    Raises:
        ValueError: if it holds pickled objects, whose reading would run code, or is not whole.
    """
    if read_header(file).dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are never read: store numbers or strings (.astype(str))")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def describe(parts: Mapping[str, Part], like: DataSpec | None = None) -> tuple[DataSpec, dict[str, np.ndarray]]:
    """Checks all that headers and labels tell, and numbers the classes.

    Args:
        parts: `train`, and `validation` and `test` where the source has its own.
        like: what a run was trained on, whose classes these are; none to learn them.

    Returns:
        what the data are; each part's labels as int32, the positions of their classes among the sorted training ones.

    Raises:
        ValueError: at the first thing that is wrong.
    """
    train = parts["train"]
    labels = {name: _labels(part) for name, part in parts.items()}
    shape = _example_shape(train)
    classes = np.unique(labels["train"])
    if like is None and len(classes) < 2:
        raise ValueError(f"{train.targets_name} must hold at least 2 classes, got only {classes[0]!s}")
    names = [str(label) for label in classes] if like is None else list(like.target.class_names)
    targets = {}
    for name, part in parts.items():
        if _example_shape(part) != shape:
            raise ValueError(
                f"{part.inputs_name} must hold examples of shape {shape} as the training part, "
                f"got {_example_shape(part)}"
            )
        if _kind(labels[name]) != _kind(classes):
            raise ValueError(
                f"{part.targets_name} must hold {_kind(classes)} as the training part, got {_kind(labels[name])}"
            )
        held, codes = np.unique(labels[name], return_inverse=True)
        unknown = [label for label in held if str(label) not in names]
        if unknown:
            whose = "the training part" if like is None else "the run"
            raise ValueError(f"{part.targets_name} has labels that {whose} has not: {_few(unknown)}")
        targets[name] = np.array([names.index(str(label)) for label in held], np.int32)[codes]
    return DataSpec.of(of_shape(shape), ClassLabel(class_names=tuple(names))), targets


def assemble(
    parts: Mapping[str, Part],
    validation_fraction: HeldOut,
    test_fraction: HeldOut,
    split_seed: int,
    like: DataSpec | None = None,
) -> Splits:
    """Returns the parts of a dataset; those that the source does not have are split off.

    Args:
        parts: `train`, and `validation` and `test` where the source has its own.
        validation_fraction: what is held out for tuning.
        test_fraction: what is held out for testing.
        split_seed: of both cuts.
        like: what a run was trained on, whose classes these are; none to learn them.

    Raises:
        ValueError: at the first thing that is wrong.
    """
    spec, targets = describe(parts, like)
    splits = {
        name: Split(_inputs(part), targets[name], provenance=Provenance(_row_of(part), np.arange(len(targets[name]))))
        for name, part in parts.items()
    }
    return parted(
        spec,
        splits["train"],
        validation=splits.get("validation", validation_fraction),
        test=splits.get("test", test_fraction),
        split_seed=split_seed,
    )


def _row_of(part: Part) -> Callable[[int], str]:
    name = part.inputs_name.partition(" ")[2]  # without the config's key
    return lambda row: f"{name} row {row} (from 0)"


def _example_shape(part: Part) -> tuple[int, ...]:
    shape, dtype = part.inputs.shape, part.inputs.dtype
    if dtype.kind not in "uifb":
        raise ValueError(f"{part.inputs_name} must hold numbers, got {dtype}")
    if len(shape) not in (2, 3, 4):
        raise ValueError(
            f"{part.inputs_name} must be (examples, features), (examples, height, width) or "
            f"(examples, height, width, channels), got shape {shape}"
        )
    if 0 in shape:
        raise ValueError(f"{part.inputs_name} holds no values, its shape is {shape}")
    if shape[0] != len(part.targets):
        raise ValueError(
            f"{part.inputs_name} and the labels must be equally many, got {shape[0]} and {len(part.targets)}"
        )
    return (*shape[1:], 1) if len(shape) == 3 else shape[1:]


def _labels(part: Part) -> np.ndarray:
    labels = part.targets
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ValueError(
            f"{part.targets_name} must be one label per example, got shape {labels.shape}: "
            "for one-hot rows store their argmax(axis=1)"
        )
    if labels.ndim not in (1, 2):
        raise ValueError(f"{part.targets_name} must be one label per example, got shape {labels.shape}")
    if labels.dtype.kind not in "uibU":
        raise ValueError(f"{part.targets_name} must hold whole numbers or strings, got {labels.dtype}")
    return labels.reshape(-1)


def _inputs(part: Part) -> np.ndarray:
    inputs = part.inputs
    if isinstance(inputs, Header):
        raise TypeError(f"{part.inputs_name}: the array itself is needed, not its header")
    if inputs.dtype != np.uint8:
        with np.errstate(over="ignore"):  # what float32 cannot hold is found below
            inputs = inputs.astype(np.float32, copy=False)
        for start in range(0, len(inputs), CHUNK):
            chunk = inputs[start : start + CHUNK]
            finite = np.isfinite(chunk).reshape(len(chunk), -1).all(axis=1)
            if not finite.all():
                first = start + int(finite.argmin())
                raise ValueError(f"{part.inputs_name} holds NaN or infinite values, first in row {first} (from 0)")
    return inputs[..., np.newaxis] if inputs.ndim == 3 else inputs


def _kind(labels: np.ndarray) -> str:
    return "strings" if labels.dtype.kind == "U" else "whole numbers"


def _few(labels: list[Any]) -> str:
    shown = ", ".join(str(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"
