"""What data are, in a few letters: to notice that they are no longer those that a run was trained on."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from dltrain.data import Split, Splits, spaced
from dltrain.lazy import np

FULL_BYTES = 2**28
"""Of larger inputs, `SAMPLE` examples stand for all: reading them all would take longer than importing TensorFlow."""
SAMPLE = 4_096
FILES = 256
"""Of examples in files, so many are read; of all of them name and size count."""


def fingerprint(splits: Splits) -> dict[str, str]:
    """Returns a hash of each part: 16 hexadecimal digits, the same on every machine and in every process.

    Classes, columns, targets and weights count in full, and inputs up to 256 MB. Of larger ones 4,096 evenly spaced
    examples do; of examples in files, the name below the folder that they share and the size of each, and the content
    of 256 evenly spaced ones.
    """
    spec = splits.spec
    known = repr((spec.input_shape, spec.class_names, [column.name for column in spec.columns])).encode()
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    return {name: _of_part(part, known) for name, part in parts.items() if part is not None}


def _of_part(part: Split, known: bytes) -> str:
    digest = hashlib.sha256(known)
    for array in (part.targets, part.weights):
        if array is not None:
            _add(digest, array)
    if hasattr(part.inputs, "paths"):
        _add_files(digest, [str(path) for path in part.inputs.paths])
    else:
        digest.update(repr(tuple(part.inputs.shape)).encode())
        size = int(np.prod(part.inputs.shape)) * np.dtype(part.inputs.dtype).itemsize
        # A slice of an array is no copy; positions are.
        whole = slice(None)
        _add(digest, np.asarray(part.inputs[whole if size <= FULL_BYTES else spaced(len(part), SAMPLE)]))
    return digest.hexdigest()[:16]


def _add(digest: Any, array: np.ndarray) -> None:
    little = array.dtype.newbyteorder("<")
    digest.update(f"{little.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array, little).data.cast("B") if array.size else b"")


def _add_files(digest: Any, paths: list[str]) -> None:
    shared = len(os.path.commonpath([os.path.dirname(path) for path in paths]))  # noqa: PTH120  a million names
    for path in paths:
        digest.update(f"{path[shared:]}\0{_size(path)}\0".encode(errors="surrogateescape"))
    for index in spaced(len(paths), FILES).tolist():
        try:
            with open(paths[index], "rb") as file:  # noqa: PTH123
                digest.update(hashlib.sha256(file.read()).digest())
        except OSError:  # decoding will say what is wrong
            digest.update(b"?")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return -1
