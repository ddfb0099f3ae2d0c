"""Fingerprints of data, by which a run notices that its data have changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dltrain import untrusted
from dltrain.data import Examples, Ragged, Split, Splits, spaced, unnamed
from dltrain.data.parts import paths_of
from dltrain.data.size_limit import SizeLimit
from dltrain.data.trees import Array, Tree
from dltrain.lazy import np

FULL_BYTES = 2**28
"""Of larger inputs, `SAMPLE` examples stand for all: reading them all would take longer than importing TensorFlow."""
SAMPLE = 4_096
FILES = 256
"""Of examples in files, so many are read; of all of them name and size count."""


def fingerprint(splits: Splits) -> dict[str, str]:
    """Returns a hash of each part: 16 hexadecimal digits, the same on every machine and in every process.

    Shapes, names of columns and classes, targets, what these are judged by (trials) and weights count in full, and
    inputs up to 256 MB. Of larger ones 4,096 evenly spaced examples do; of examples in files, the name below the folder
    that they share and the size of each, and the content of 256 evenly spaced ones.
    """
    data = splits.spec
    inputs, targets = data.inputs, data.targets
    known = repr(
        (
            unnamed({name: feature.shape for name, feature in inputs.items()}),
            unnamed({name: tuple(feature.identity()) for name, feature in targets.items()}),
            unnamed({name: list(feature.identity()) for name, feature in inputs.items()}),
        )
    ).encode()
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    judged_by = [name for feature in targets.values() for name in feature.judged_by]
    return {name: _of_part(part, known, judged_by) for name, part in parts.items() if part is not None}


def _of_part(part: Split, known: bytes, judged_by: Sequence[str]) -> str:
    digest = hashlib.sha256(known)
    for tree in (part.targets, part.weights):
        if tree is not None:
            _add_tree(digest, tree, _add)
    _add_tree(digest, {name: part.metadata[name] for name in judged_by if name in part.metadata}, _add)
    _add_tree(digest, part.inputs, _add_inputs)
    return digest.hexdigest()[:16]


def _add_tree(digest: Any, tree: Tree, add: Callable[[Any, Array], None]) -> None:
    if not isinstance(tree, dict):
        add(digest, tree)
        return
    for name, array in tree.items():
        digest.update(f"{name}\0".encode())
        add(digest, array)


def _add_inputs(digest: Any, array: Array) -> None:
    paths = paths_of(array)
    if paths is not None:
        _add_files(digest, [str(path) for path in paths])
        return
    digest.update(repr(tuple(array.shape)).encode())
    # A slice of an array is no copy; positions are.
    _add(digest, array[slice(None) if array.nbytes <= FULL_BYTES else spaced(len(array), SAMPLE)])


def _add(digest: Any, array: Array) -> None:
    if isinstance(array, Examples):
        array = array[:]
    if isinstance(array, Ragged):
        _add(digest, array.values)
        _add(digest, array.offsets)
        return
    little = array.dtype.newbyteorder("<")
    digest.update(f"{little.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array, little).data.cast("B") if array.size else b"")


def _add_files(digest: Any, paths: list[str]) -> None:
    shared = len(os.path.commonpath([os.path.dirname(path) for path in paths]))  # noqa: PTH120  a million names
    for path in paths:
        digest.update(f"{path[shared:]}\0{_size(path)}\0".encode(errors="surrogateescape"))
    for index in spaced(len(paths), FILES).tolist():
        try:
            with untrusted.opened(Path(paths[index]), SizeLimit().most) as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError:  # decoding will say what is wrong
            digest.update(b"?")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return -1
