"""What a search found: best.yaml, and a page about its trials."""

import datetime
from pathlib import Path
from typing import Any

from dltrain.config import experiment as experiments
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.tuning.search import best
from dltrain.tuning.study import SEARCH, Study

BEST = "best.yaml"


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
            f"{top['trial']}.\n# Of so many trials the best is lucky too: other seeds tell by how much.\n"
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
    import numpy as np

    from dltrain.figures.curves import Chart, Line
    from dltrain.figures.importances import Importances
    from dltrain.report.page import Claim, Report, render, write
    from dltrain.report.parts import WIDE, Chapter, Figure, Table

    figures = []
    values = np.array([np.nan if row["value"] is None else row["value"] for row in rows], float)
    if np.isfinite(values).any():
        follow = np.fmax.accumulate if larger_is_better else np.fmin.accumulate
        numbers = np.arange(1, len(rows) + 1)
        lines = [Line("a trial's best epoch", numbers, values), Line("best so far", numbers, follow(values), hue=1)]
        figures.append(Figure("history", Chart(monitor, lines, over="trial", is_named=True), WIDE))
    if importances:
        note = "fANOVA: share of each key in how far apart the finished trials are"
        figures.append(Figure("importances", Importances("Importance", note, importances), WIDE))
    sign = -1 if larger_is_better else 1
    ranked = sorted(rows, key=lambda row: (row["value"] is None, sign * (row["value"] or 0)))
    keys = list(dict.fromkeys(key for row in rows for key in row["values"]))
    cells = [
        [str(row["trial"]), row["status"], _number(row["value"]), str(row["epochs"])]
        + [_number(row["values"].get(key)) for key in keys]
        for row in ranked
    ]
    table = Table("Trials, the best first", ["trial", "status", monitor, "epochs", *keys], cells, words=2)
    failed = [[str(row["trial"]), row["error"]] for row in rows if row["error"]]
    chapters = [Chapter("Search", figures), Chapter("Trials", [table])]
    chapters += [Chapter("Failures", [Table("What they said", ["trial", "message"], failed, words=2)])] * bool(failed)
    claims = [Claim(f"best {monitor}", _number(top["value"]), f"trial {top['trial']}")] if top else []
    page, files = render(
        Report(place.name, f"{len(rows)} trials", claims, [], [each for each in chapters if each.parts])
    )
    write(Run(place), page, files)


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
