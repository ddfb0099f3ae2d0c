"""What `dltrain init` sees in a path: a folder of images, a table, arrays; and the dataset's block that reads it.

Each returns none for what is not its kind, and raises a ValueError where it is, and cannot be used as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dltrain.data.proposal import Proposal
from dltrain.datasets._images.archives import KINDS as ARCHIVES
from dltrain.datasets._images.listing import PARTS, Listing
from dltrain.datasets._images.table import KINDS as TABLES
from dltrain.datasets._sources.arrays import Part
from dltrain.errors import KeyProblem
from dltrain.features._images.headers import SUFFIXES, Header, read_header
from dltrain.features._tables.files import BadRows, read
from dltrain.lazy import np
from dltrain.registry import suggestion

SIZES = (32, 48, 64, 96, 128, 160, 192, 224)
"""Sides that images are brought to: networks halve them several times."""

_LOOKED_AT = 64
_TARGETS = ("target", "label", "labels", "class", "y", "outcome", "response", "diagnosis", "species", "price")
_SPLITS = ("split", "part", "subset", "set", "partition")
_FILES = (".csv", ".tsv", ".tab", ".parquet", ".pq", ".jsonl", ".ndjson", ".csv.gz", ".tsv.gz", ".txt")
_PAIRS = (("inputs", "targets"), ("images", "labels"), ("x", "y"), ("X", "y"))


def images(path: Path, listing: Callable[[], Listing]) -> Proposal | None:
    """Looks for images: in a folder, an archive, or named by a table.

    Args:
        path: where.
        listing: lists the files and their classes.
    """
    is_archive = path.is_file() and path.name.lower().endswith(tuple(ARCHIVES.split(", ")))
    if not (is_archive or names_images(path) or (path.is_dir() and _has_image(path))):
        return None
    found = listing()
    files = [file for files, _ in found.parts.values() for file in files]
    headers = _headers(files)
    if not headers:
        raise KeyProblem("path", f"holds no image that can be read, of {len(files):,} files that are called so")
    sides = sorted(min(header.upright) for header in headers)
    side = sides[len(sides) // 2]
    size = side if side < SIZES[0] else max(size for size in SIZES if size <= side)
    grey = all(header.colours.startswith("grey") for header in headers)
    labels = np.concatenate([labels for _, labels in found.parts.values()])
    counts = np.bincount(labels, minlength=len(found.class_names)).tolist()
    heights, widths = zip(*(header.upright for header in headers), strict=True)
    keys: dict[str, Any] = {"path": path, "size": size}
    remarks = {
        "path": "a folder per class; or a .csv of file and label",
        "size": f"pixels of a side (half of the images have {side} or more), or [height, width]",
    }
    if grey:
        keys["color_mode"], remarks["color_mode"] = "grayscale", "as all that were looked at; or rgb"
    if len(set(zip(heights, widths, strict=True))) > 1 or heights[0] != widths[0]:
        keys["resize"], remarks["resize"] = "crop", "cuts what is not square; fit shows all, stretch changes the shape"
    parts = ", ".join(f"{part} {len(files):,}" for part, (files, _) in found.parts.items())
    own = f", of which {parts}" if len(found.parts) > 1 else ""
    return Proposal(
        keys,
        remarks | _held_out(keys, found.parts),
        (
            f"{len(files):,} images of {len(counts)} classes{own}",
            f"from {min(heights)}x{min(widths)} to {max(heights)}x{max(widths)} pixels (height x width)",
        ),
        len(files),
        dict(zip(found.class_names, counts, strict=True)),
        photographs=side > 96,
    )


def names_images(path: Path) -> bool:
    """Whether a file is a table whose second line names an image."""
    if not path.is_file() or path.suffix.lower() not in TABLES:
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        beginning = [file.readline(10_000) for _ in range(2)]
    return any(suffix in beginning[1].lower() for suffix in SUFFIXES)


def table(path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...]) -> Proposal | None:
    """Looks for a table with a header: one file, or all of a folder that are of one kind.

    Args:
        path: where.
        target: the column to predict; none to guess it by its name, else the last one.
        make: returns the dataset of some keys.
        missing: what stands for a missing value.
    """
    if path.is_dir():
        kinds = [kind for kind in _FILES if any(_files(path, kind))]
        if not kinds or _has_image(path):
            return None
        files = list(_files(path, kinds[0]))
        path = files[0] if len(files) == 1 else path / f"*{kinds[0]}"
    elif not path.name.lower().endswith(_FILES) or names_images(path):
        return None
    try:
        return _of_table(path, target, make, missing, skip=False)
    except BadRows:
        return _of_table(path, target, make, missing, skip=True)


def _of_table(
    path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...], skip: bool
) -> Proposal:
    whole = read(path, "auto", "utf-8", missing, skip)
    names = whole.frame.columns
    if len(names) < 2:
        raise KeyProblem("path", f"needs a column to predict and others to predict it from, has only {names[0]!r}")
    if target is not None and target not in names:
        raise KeyProblem("target", f"is no column of {path.name}: {target!r}{suggestion(target, names)}")
    lower = {name.lower(): name for name in reversed(names)}
    splits = [lower[name] for name in _SPLITS if name in lower and lower[name] != target]
    split = next((name for name in splits if _are_parts(whole.frame[name].unique().to_list())), None)
    guess = next((lower[name] for name in _TARGETS if name in lower and lower[name] != split), None)
    chosen = target or guess or next(name for name in reversed(names) if name != split)
    others = [name for name in names if name not in (chosen, split)]
    keys: dict[str, Any] = {"path": path, "target": chosen}
    remarks = {
        "path": "CSV, TSV, Parquet or JSON lines; a pattern, such as data/*.csv, for several",
        "target": f"what is predicted from {_few(others)}",
    }
    if split:
        keys["split"], remarks["split"] = split, "the column that says which part a row belongs to"
    if skip:
        keys["on_bad_example"], remarks["on_bad_example"] = "skip", "rows that cannot be used are left out and named"
    block = make(**keys)
    spec, kind = block.spec(), {"classification": "classes", "multilabel": "labels"}.get(block.task, "numbers")
    keys["kind"] = kind
    remarks["kind"] = "classes, or numbers: seen from the target's values"
    used = {column.source for column in spec.input.columns}
    unused = [name for name in others if name not in used]
    values = whole.frame[chosen].drop_nulls()
    counts = dict(values.cast(str).value_counts().sort(chosen).rows()) if kind == "classes" else {}
    told = [
        f"{len(whole.frame):,} rows of {len(names)} columns",
        f"target {chosen!r}: {_target_words(values, kind, counts)}",
    ]
    if unused:
        told.append(f"left out, as they tell nothing: {_few(unused)}")
    if skip:
        told.append(f"rows that cannot be used (no target, too many fields ...): {len(block.load().skipped):,}")
    if target is None:
        told.append(f"for another target say --target: {_few(others)}")
    parts = dict.fromkeys(PARTS) if split else {"train": None}
    return Proposal(keys, remarks | _held_out(keys, parts), tuple(told), len(whole.frame), counts)


def one_file(path: Path) -> tuple[dict[str, Any], dict[str, str]] | None:
    """Returns the keys of an .npz file and what is to be said of them."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return None
    return {"path": path}, {"path": "with x and y, or x_train, y_train, x_test, y_test in it"}


def two_files(path: Path) -> tuple[dict[str, Any], dict[str, str]] | None:
    """Returns the keys of a pair of .npy files, of which one is given, and what is to be said of them."""
    if path.suffix.lower() != ".npy" or not path.is_file():
        return None
    inputs, targets = _pair(path)
    return {"inputs": inputs, "targets": targets}, {"targets": "a label for each of the inputs"}


def arrays(
    chosen: tuple[dict[str, Any], dict[str, str]] | None, read_parts: Callable[..., dict[str, Part]]
) -> Proposal | None:
    """Looks at arrays.

    Args:
        chosen: the keys that name the files, and what is to be said of them; none where there are no such files.
        read_parts: returns the parts of a dataset of such keys.
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
        remarks | _held_out(keys, parts),
        (f"{len(labels):,} examples of shape {shape}, {len(names)} classes",),
        len(labels),
        dict(zip(map(str, names), counts.tolist(), strict=True)),
    )


def _pair(path: Path) -> tuple[Path, Path]:
    """Returns the files of inputs and targets of which one is given."""
    for inputs, targets in _PAIRS:
        for ours, theirs, is_inputs in ((inputs, targets, True), (targets, inputs, False)):
            other = path.with_name(path.name.replace(ours, theirs, 1))
            if ours in path.stem and other.is_file() and other != path:
                return (path, other) if is_inputs else (other, path)
    raise KeyProblem("path", "needs a file of labels beside the one of inputs, such as x.npy and y.npy")


def _held_out(keys: dict[str, Any], parts: Any) -> dict[str, str]:
    """Adds the shares to hold out for parts that the data have not; returns what is to be said of them."""
    remarks = {}
    if "test" not in parts:
        keys["test_fraction"], remarks["test_fraction"] = 0.2, "held out to measure the result, the same for every seed"
    if "validation" not in parts:
        keys["validation_fraction"] = 0.1
        remarks["validation_fraction"] = "of the rest, to choose the best epoch"
    return remarks


def _headers(files: list[Path]) -> list[Header]:
    """Returns those of some files, evenly over all."""
    headers = []
    for file in files[:: max(1, len(files) // _LOOKED_AT)]:
        with suppress(OSError, ValueError):
            headers.append(read_header(file.read_bytes())[0])
    return headers


def _has_image(folder: Path) -> bool:
    return any(path.suffix.lower() in SUFFIXES for path in folder.rglob("*"))


def _files(folder: Path, kind: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.lower().endswith(kind) and path.is_file())


def _are_parts(values: list[Any]) -> bool:
    known = {name for names in PARTS.values() for name in names}
    return {str(value).lower() for value in values} <= known and len(values) > 1


def _target_words(values: Any, kind: str, counts: dict[str, int]) -> str:
    if kind == "classes":
        most = Counter(counts).most_common(5)
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        return f"{len(counts)} classes ({', '.join(f'{name} {count:,}' for name, count in most)}{more})"
    return f"numbers, {values.n_unique():,} different ones" if kind == "numbers" else "labels of 0 and 1"


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
