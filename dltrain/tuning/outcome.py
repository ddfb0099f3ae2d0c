"""The outcome of a search: best.yaml, and a page about its trials."""

import datetime
from pathlib import Path
from typing import Any

from dltrain.config import experiment as experiments
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.tuning.search import best
from dltrain.tuning.study import SEARCH, Study

BEST = "best.yaml"
STATUSES = ("finished", "pruned", "failed", "running")
"""Statuses of a trial, in the order in which the page lists them."""


def conclude(place: Path, study: Study, monitor: str) -> dict[str, Any]:
    """Writes best.yaml and report.html; returns what was found.

    Returns:
        {"study", "monitor", "trials": rows, "best": row or none, "config": path or none, "importances", "report"}
    """
    rows = study.rows()
    top, importances = best(rows, study.larger_is_better), study.importances()
    config = None
    if top is not None:
        loaded = experiments.load(place / SEARCH, [*study.arguments(top), "tune=none"], reads_data=False)
        date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
        header = (
            f"# The best of {len(rows)} trials of dltrain tune, {date}: {monitor} {top['value']:.6g}, trial "
            f"{top['trial']}.\n# The best of many trials is also lucky: train more seeds to see by how much.\n"
        )
        config = place / BEST
        folder.write_text(config, header + experiments.dump(loaded.experiment))
    _write_page(place, rows, top, importances, monitor, study.larger_is_better)
    return {
        "study": str(place),
        "monitor": monitor,
        "trials": rows,
        "best": top,
        "config": str(config) if config else None,
        "importances": importances,
        "report": str(Run(place).report),
    }


def _write_page(
    place: Path, rows: list[dict[str, Any]], top: dict[str, Any] | None, importances: dict[str, float], monitor: str,
    larger_is_better: bool
) -> None:  # fmt: skip
    from dltrain.figures.history import History
    from dltrain.figures.importances import Importances
    from dltrain.report.page import Claim, Report, render, write
    from dltrain.report.parts import Chapter, Figure, Table

    figures = []
    values, statuses = [row["value"] for row in rows], [row["status"] for row in rows]
    if any(value is not None for value in values):
        figures.append(Figure("history", History(monitor, values, statuses, larger_is_better)))
    keys = list(dict.fromkeys(key for row in rows for key in row["values"]))
    if importances:
        note = "share of the variance between finished trials that each key explains (fANOVA)"
        note += "; keys that only some trials have are missing" if len(importances) < len(keys) else ""
        figures.append(Figure("importances", Importances("Importance", note, importances)))
    cells = [
        [str(row["trial"]), row["status"], _number(row["value"]), str(row["epochs"])]
        + [_number(row["values"].get(key)) for key in keys]
        for row in _in_order(rows, larger_is_better)
    ]
    table = Table("Best first", ["trial", "status", monitor, "epochs", *keys], cells, words=2)
    failed = [[str(row["trial"]), row["error"].splitlines()[0]] for row in rows if row["error"]]
    chapters = [Chapter("Search", figures), Chapter("Trials", [table])]
    if failed:
        said = Table("Messages", ["trial", "message"], failed, words=2, longest=200)
        chapters.append(Chapter("Failures", [said]))
    claims = []
    if top:
        chosen = ", ".join(f"{key} {_number(value)}" for key, value in top["values"].items())
        claims = [Claim(f"best {monitor}", _number(top["value"]), f"trial {top['trial']}: {chosen}")]
    page, files = render(Report(place.name, summary(rows), claims, [], [each for each in chapters if each.parts]))
    write(Run(place), page, files)


def summary(rows: list[dict[str, Any]]) -> str:
    """Returns how many trials ended how, in words."""
    counts = {how: sum(row["status"] == how for row in rows) for how in STATUSES}
    return f"{len(rows)} trials: {', '.join(f'{count} {how}' for how, count in counts.items() if count)}"


def _in_order(rows: list[dict[str, Any]], larger_is_better: bool) -> list[dict[str, Any]]:
    """Returns the trials that were trained to their end, the best first, then those that were not, likewise."""
    sign = -1 if larger_is_better else 1
    return sorted(
        rows, key=lambda row: (STATUSES.index(row["status"]), row["value"] is None, sign * (row["value"] or 0))
    )


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
