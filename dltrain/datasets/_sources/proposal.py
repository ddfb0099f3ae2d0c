"""What `dltrain init` sees in a path of arrays, and which shares of any data it holds out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dltrain.data.proposal import Proposal
from dltrain.data.splits import PART_NAMES
from dltrain.datasets._sources.arrays import Part
from dltrain.errors import KeyProblem
from dltrain.lazy import np

_PAIRS = (("inputs", "targets"), ("images", "labels"), ("x", "y"), ("X", "y"))


def one_file(path: Path) -> tuple[dict[str, Any], dict[str, str]] | None:
    """Returns the keys of an .npz file and remarks on them."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    return {"path": path}, {"path": "contains x and y, or x_train, y_train, x_test, y_test"}


def two_files(path: Path) -> tuple[dict[str, Any], dict[str, str]] | None:
    """Returns the keys of a pair of .npy files, given one of them, and remarks on them."""
    if path.suffix.lower() != ".npy" or not path.is_file():
        return None
    inputs, targets = _pair(path)
    return {"inputs": inputs, "targets": targets}, {"targets": "a label for each of the inputs"}


def arrays(
    chosen: tuple[dict[str, Any], dict[str, str]] | None, read_parts: Callable[..., dict[str, Part]]
) -> Proposal | None:
    """Looks at arrays.

    Args:
        chosen: the keys that name the files, and remarks on them; none where there are no such files.
        read_parts: reads the parts of a dataset with such keys.
    """
    if chosen is None:
        return None
    keys, remarks = chosen
    parts = read_parts(**keys)
    labels = np.concatenate([np.asarray(part.targets).reshape(-1) for part in parts.values()])
    names, counts = np.unique(labels, return_counts=True)
    shape = "x".join(map(str, parts["train"].inputs.shape[1:]))
    return Proposal(
        keys,
        remarks | held_out(keys, parts),
        (f"{len(labels):,} examples of shape {shape}, {len(names)} classes",),
        len(labels),
        dict(zip(map(str, names), counts.tolist(), strict=True)),
    )


def _pair(path: Path) -> tuple[Path, Path]:
    """Returns the files of inputs and targets, given one of them."""
    for inputs, targets in _PAIRS:
        for ours, theirs, is_inputs in ((inputs, targets, True), (targets, inputs, False)):
            other = path.with_name(path.name.replace(ours, theirs, 1))
            if ours in path.stem and other.is_file() and other != path:
                return (path, other) if is_inputs else (other, path)
    raise KeyProblem("path", "needs a file of labels beside the one of inputs, for example x.npy and y.npy")


def held_out(keys: dict[str, Any], parts: Any) -> dict[str, str]:
    """Adds the shares to hold out for missing parts; returns remarks on them."""
    remarks = {}
    if "test" not in parts:
        keys["test_fraction"], remarks["test_fraction"] = 0.2, "held out to measure the result; the same for every seed"
    if "validation" not in parts:
        keys["validation_fraction"] = 0.1
        remarks["validation_fraction"] = "share of the rest, held out to choose the best epoch"
    return remarks


def are_parts(values: Sequence[Any]) -> bool:
    """Whether values of a column are names of parts."""
    known = {name for names in PART_NAMES.values() for name in names}
    return {str(value).lower() for value in values} <= known and len(values) > 1


def few(names: Sequence[str]) -> str:
    """Returns names, comma-separated, and how many more there are."""
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
