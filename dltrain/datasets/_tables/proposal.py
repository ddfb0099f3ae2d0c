"""What `dltrain init` sees in a path of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dltrain.data.proposal import Proposal
from dltrain.data.splits import PART_NAMES
from dltrain.datasets._images.proposal import has_image, names_images
from dltrain.datasets._sources.proposal import held_out
from dltrain.datasets._tables.time_series_proposal import is_series
from dltrain.errors import KeyProblem
from dltrain.features._tables.files import BadRows, read
from dltrain.registry import suggestion

_TARGETS = ("target", "label", "labels", "class", "y", "outcome", "response", "diagnosis", "species", "price")
_SPLITS = ("split", "part", "subset", "set", "partition")
_FILES = (".csv", ".tsv", ".tab", ".parquet", ".pq", ".jsonl", ".ndjson", ".csv.gz", ".tsv.gz", ".txt")


def table(path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...]) -> Proposal | None:
    """Looks for a table with a header: one file, or all of a folder that are of one kind.

    Args:
        path: where.
        target: the column to predict; none to choose it by its name, or else the last one.
        make: makes the dataset from its keys.
        missing: texts that mean a missing value.
    """
    if path.is_dir():
        kinds = [kind for kind in _FILES if any(_files(path, kind))]
        if not kinds or has_image(path):
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
) -> Proposal | None:
    whole = read(path, "auto", "utf-8", missing, skip)
    if not skip and is_series(whole, target):
        return None
    names = whole.frame.columns
    if len(names) < 2:
        raise KeyProblem("path", f"needs a column to predict and others to predict it from, but has only {names[0]!r}")
    if target is not None and target not in names:
        raise KeyProblem("target", f"is not a column of {path.name}: {target!r}{suggestion(target, names)}")
    lower = {name.lower(): name for name in reversed(names)}
    splits = [lower[name] for name in _SPLITS if name in lower and lower[name] != target]
    split = next((name for name in splits if _are_parts(whole.frame[name].unique().to_list())), None)
    guess = next((lower[name] for name in _TARGETS if name in lower and lower[name] != split), None)
    chosen = target or guess or next(name for name in reversed(names) if name != split)
    others = [name for name in names if name not in (chosen, split)]
    keys: dict[str, Any] = {"path": path, "target": chosen}
    remarks = {
        "path": "CSV, TSV, Parquet or JSON lines; or a pattern, for example data/*.csv",
        "target": f"the column to predict from {_few(others)}",
    }
    if split:
        keys["split"], remarks["split"] = split, "the column with the part of each row"
    if skip:
        keys["on_bad_example"], remarks["on_bad_example"] = (
            "skip",
            "leaves out rows that cannot be used, and names them",
        )
    block = make(**keys)
    spec, kind = block.spec(), {"classification": "classes", "multilabel": "labels"}.get(block.task, "numbers")
    keys["kind"] = kind
    remarks["kind"] = "classes or numbers: inferred from the target's values"
    used = {column.source for column in spec.input.columns}
    unused = [name for name in others if name not in used]
    values = whole.frame[chosen].drop_nulls()
    counts = dict(values.cast(str).value_counts().sort(chosen).rows()) if kind == "classes" else {}
    told = [
        f"{len(whole.frame):,} rows of {len(names)} columns",
        f"target {chosen!r}: {_target_words(values, kind, counts)}",
    ]
    if unused:
        told.append(f"left out, as they contain no information: {_few(unused)}")
    if skip:
        told.append(f"rows that cannot be used (no target, too many fields ...): {len(block.load().skipped):,}")
    if target is None:
        told.append(f"for another target use --target: {_few(others)}")
    parts = dict.fromkeys(PART_NAMES) if split else {"train": None}
    return Proposal(keys, remarks | held_out(keys, parts), tuple(told), len(whole.frame), counts)


def _files(folder: Path, kind: str) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.lower().endswith(kind) and path.is_file())


def _are_parts(values: list[Any]) -> bool:
    known = {name for names in PART_NAMES.values() for name in names}
    return {str(value).lower() for value in values} <= known and len(values) > 1


def _target_words(values: Any, kind: str, counts: dict[str, int]) -> str:
    if kind == "classes":
        most = Counter(counts).most_common(5)
        more = f" and {len(counts) - 5} more" if len(counts) > 5 else ""
        return f"{len(counts)} classes ({', '.join(f'{name} {count:,}' for name, count in most)}{more})"
    return f"numbers, {values.n_unique():,} different ones" if kind == "numbers" else "labels of 0 and 1"


def _few(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
