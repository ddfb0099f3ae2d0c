"""What `dltrain init` sees in a table whose rows follow each other in time, at equal distances."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dltrain.data.noticing import noticing
from dltrain.data.proposal import Proposal
from dltrain.datasets._tables.rows_in_time import seen_in
from dltrain.datasets._tables.whole_series_proposal import is_whole
from dltrain.errors import KeyProblem
from dltrain.features._tables.files import OTHER_KINDS, read

_SUFFIXES = (".csv", ".tsv", ".tab", ".parquet", ".pq", ".jsonl", ".ndjson", ".csv.gz", ".tsv.gz", ".txt")


def series_table(path: Path, target: str | None, make: Callable[..., Any], missing: tuple[str, ...]) -> Proposal | None:
    """Looks for a table of series.

    Args:
        path: where.
        target: the column to forecast; none for the first that is a number.
        make: makes the dataset from its keys.
        missing: texts that mean a missing value.
    """
    if not path.is_file() or not path.name.lower().endswith(_SUFFIXES) or path.suffix.lower() in OTHER_KINDS:
        return None
    try:
        with noticing():
            table = read(path, "auto", "utf-8", missing, skip=False)
            seen = seen_in(table)
    except KeyProblem:
        return None
    if seen is None or (target is not None and target not in seen.numbers) or is_whole(table.frame, target):
        return None
    chosen = target or seen.numbers[0]
    others = [name for name in seen.numbers if name != chosen]
    horizon = max(1, min(12, seen.longest // 12))
    keys: dict[str, Any] = {"path": path, "time": seen.time, "target": chosen}
    remarks = {
        "path": "CSV, TSV, Parquet or JSON lines; rows one by one, in no order: name: csv",
        "time": f"{seen.words} apart",
        "target": "or a list" + (f"; others: {', '.join(others[:6])}" if others else ""),
    }
    if seen.series:
        keys["series"], remarks["series"] = seen.series, "the column that says which series a row is of"
    keys["window"] = max(2 * horizon, 2)
    keys["horizon"] = horizon
    keys["on_gap"] = "fill"
    keys["test"], keys["validation"] = 0.2, 0.1
    remarks |= {
        "window": "steps of the past that a forecast is made from; two seasons or more",
        "horizon": "steps that are forecast",
        "on_gap": "repeats the value before where one is missing; or error, split",
        "test": "the last share of the time; or a number of steps, or a date",
        "validation": "likewise, before the test part: chooses the best epoch",
    }
    if others:
        remarks["target"] += "; name those that help as past or known covariates"
    block = make(**keys)
    sizes = block.sizes()
    told = (f"{len(table.frame):,} rows, {seen.names:,} series of up to {seen.longest:,} steps, {seen.words} apart",)
    return Proposal(keys, remarks, told, sum(sizes.values()))
