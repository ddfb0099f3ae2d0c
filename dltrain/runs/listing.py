"""All runs of a folder with their status; a damaged run is listed as damaged and hides no other."""

import math
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from dltrain.errors import RunError
from dltrain.runs import folder
from dltrain.runs.folder import Run
from dltrain.runs.lock import owner
from dltrain.runs.settings import settings

STATUSES = ("running", "finished", "interrupted", "pruned", "failed", "dead", "empty", "damaged")
"""What a run can be: `pruned` says that a search gave it up; `dead`, that it was running and its process ended without
a message; `empty`, that nothing was trained yet."""

_NUMBERED = re.compile(r".+-\d{3,}")

LARGEST = 1e100
"""No loss or metric is as large, and the logarithmic axes of a page overflow beyond 1e300."""

FOLD = re.compile(r"fold (\d{1,6}) of \d{1,6}")
"""How a config writes a share of the data that is held out; the number differs between the runs of `--folds`."""


@dataclass(frozen=True)
class Entry:
    """A run with its status, config, summary and metrics.

    Args:
        run: its folder.
        status: one of `STATUSES`.
        reason: why it is not simply running or finished; "" if there is nothing to say.
        settings: its config by key path; empty where that cannot be read.
        summary: its summary; empty where that cannot be read.
        rows: its metrics.csv; empty where that cannot be read.
    """

    run: Run
    status: str
    reason: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, str]] = field(default_factory=list)

    @cached_property
    def changed(self) -> float:
        """When something was last written, in seconds since 1970."""
        times = []
        for path in (self.run.path, self.run.config, self.run.summary, self.run.metrics, self.run.log):
            try:
                times.append(path.stat().st_mtime)
            except OSError:
                continue
        return max(times, default=0.0)

    @property
    def seed(self) -> int:
        """The seed."""
        return _whole(self.settings.get("seed"))

    @property
    def fold(self) -> int | None:
        """The number of the fold, one of several shares of the data, that the run held out; none without folds."""
        found = (FOLD.fullmatch(value) for value in self.settings.values() if isinstance(value, str))
        return next((int(match[1]) for match in found if match), None)

    @property
    def best(self) -> dict[str, Any] | None:
        """The best epoch, {"monitor", "value", "epoch"}; of a run that is not done, the best so far."""
        best = self.summary.get("best")
        if _is_best(best) and self.status not in ("running", "dead"):
            return best
        column = self._monitor()
        values = [(as_float(row.get(column)), int(row["epoch"])) for row in self.rows]
        values = [(value, epoch) for value, epoch in values if math.isfinite(value)]
        if not values:
            return best if _is_best(best) else None
        sign = 1 if self.is_better_larger(column) else -1
        value, epoch = max(values, key=lambda item: (sign * item[0], item[1]))
        return {"monitor": column, "value": value, "epoch": epoch}

    @property
    def larger_is_better(self) -> bool:
        """Whether more is better in what says which epoch is best: as the run says; else as its values show."""
        best = self.best or {"monitor": "loss", "value": math.nan}
        if self.directions:
            return self.is_better_larger(best["monitor"])
        values = [as_float(row.get(best["monitor"])) for row in self.rows]
        values = [value for value in values if math.isfinite(value)]
        if values and min(values) < max(values) and best["value"] in (min(values), max(values)):
            return best["value"] == max(values)
        return self.is_better_larger(best["monitor"])

    def is_better_larger(self, column: str) -> bool:
        """Whether more is better in a column of metrics.csv, or in a metric."""
        known = self.directions
        return known.get(column, known.get(column.removeprefix("val_"), _was_better_larger(column)))

    @cached_property
    def directions(self) -> dict[str, bool]:
        """Which columns are better where they are larger, as the run says; nothing of a run of an earlier version."""
        monitor = self.summary.get("monitor") or {}
        is_said = {"column", "larger_is_better"} <= monitor.keys()
        own = {monitor["column"]: monitor["larger_is_better"]} if is_said else {}
        return {**(self.summary.get("larger_is_better") or {}), **own}

    def _monitor(self) -> str:
        """Returns the column that says which epoch is best: as the config says, or as the tasks choose it."""
        columns = [*(self.rows[0] if self.rows else {})]
        if (said := (self.summary.get("monitor") or {}).get("column")) in columns:
            return str(said)
        chosen = self.settings.get("checkpoint.monitor", "none")
        measured = [column for column in columns if column.startswith("val_") and column != "val_loss"]
        wanted = [chosen, *measured[:1], "val_loss"]
        return next((column for column in wanted if column in columns), "loss")

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return int(self.rows[-1]["epoch"]) if self.rows else _whole(self.summary.get("epochs"))

    @property
    def planned(self) -> str:
        """How long it is to train, "30 epochs" or "1000 steps"; "" where that is not known."""
        for unit in ("epochs", "steps"):
            if isinstance(count := self.settings.get(f"train.{unit}"), int):
                return f"{count} {unit}"
        return ""

    @property
    def seconds(self) -> float:
        """How long it has trained."""
        last = as_float(self.rows[-1].get("seconds")) if self.rows else math.nan
        said = self.summary.get("seconds")
        said = float(said) if isinstance(said, int | float) else 0.0
        return max(said, last) if math.isfinite(last) else said

    def to_plain(self) -> dict[str, Any]:
        """Returns it for `--json`."""
        return {
            "run": str(self.run.path),
            "name": self.run.name,
            "status": self.status,
            "reason": self.reason or None,
            "model": self.settings.get("model.name"),
            "data": self.settings.get("dataset.name"),
            "task": self.settings.get("task.name"),
            "seed": self.seed,
            "best": self.best,
            "validation": self.summary.get("validation"),
            "test": self.summary.get("test"),
            "undefined": self.summary.get("undefined") or {},
            "epochs": self.epochs,
            "planned": self.planned or None,
            "seconds": self.seconds,
        }


def entries(root: Path) -> list[Entry]:
    """Returns the runs of a folder, the one that was written to last as the last.

    Raises:
        RunError: if there is no such folder, or if it cannot be read.
    """
    if not root.is_dir():
        if root == folder.DEFAULT_ROOT:
            return []
        raise RunError(f"{root}: no such folder; --runs must name the folder of the runs")
    try:
        found = [Run(path) for path in sorted(root.iterdir()) if is_run(path)]
    except OSError as error:
        raise RunError(f"{root}: cannot be read: {error.strerror}") from None
    return sorted([entry(run) for run in found], key=lambda each: each.changed)


def is_run(path: Path) -> bool:
    """Whether a folder is, or was, a run's: it has two or more of what a run leaves, or nothing yet."""
    run = Run(path)
    if path.name.startswith(".") or not path.is_dir():
        return False
    if not is_open(path):
        return bool(_NUMBERED.fullmatch(path.name))  # by its name a run's, which is listed as one that cannot be read
    if sum(each.exists() for each in (run.config, run.summary, run.metrics, run.checkpoints)) >= 2:
        return True
    # Left by a process that was killed before it could write its config.
    is_new = run.checkpoints.is_dir() and bool(_NUMBERED.fullmatch(path.name))
    return is_new and all(each == run.checkpoints or each.name.startswith(".") for each in path.iterdir())


def is_open(path: Path) -> bool:
    """Whether this user may look into a folder."""
    return os.access(path, os.R_OK | os.X_OK)


def entry(run: Run) -> Entry:
    """Returns one run with its status."""
    if not is_open(run.path):
        return Entry(run, "damaged", f"{run.path}: cannot be read: permission denied")
    read: dict[str, Any] = {}
    damages = []
    for key, reader in (
        ("settings", lambda: settings(run)),
        ("summary", run.read_summary),
        ("rows", run.read_metrics),
    ):
        try:
            read[key] = reader()
        except RunError as error:
            damages.append(str(error))
    if read.get("settings") == {} and read.get("summary"):
        damages.insert(0, f"{run.config}: is missing")
    status, reason = _status(run, read.get("summary", {}), damages)
    return Entry(run, status, reason, **read)


def _status(run: Run, summary: dict[str, Any], damages: list[str]) -> tuple[str, str]:
    working = owner(run)
    if damages:
        return "damaged", "; ".join(damages)
    if working is not None:
        return "running", working
    said = summary.get("status")
    if said == "running" or (said is None and run.saved is not None):
        advice = f"resume it with: dltrain fit --resume {run.path}" if run.saved else "nothing was saved"
        return "dead", f"its process ended without a message; {advice}"
    if said is None:
        return "empty", "no step was trained"
    return said, "" if said == "finished" else str(summary.get("error") or "")


def _is_best(best: Any) -> bool:
    return (
        isinstance(best, dict)
        and isinstance(best.get("monitor"), str)
        and isinstance(best.get("value"), int | float)
        and isinstance(best.get("epoch"), int)
    )


def _was_better_larger(column: str) -> bool:
    """Whether more was better in a metric of a run whose version did not say so."""
    return not re.search(r"(^|_)(loss|mae|mse|rmse|error)$", column)


def measured(summary: dict[str, Any], part: str) -> dict[str, float | None] | None:
    """Returns loss and metrics of a part as a summary says; none where the part was not measured.

    Returns:
        none for what is undefined for these data, NaN for what was not finite: both are null in JSON.
    """
    found, undefined = summary.get(part), (summary.get("undefined") or {}).get(part) or {}
    if not isinstance(found, dict) or not found:
        return None
    return {name: math.nan if value is None and name not in undefined else value for name, value in found.items()}


def as_float(text: Any) -> float:
    """Returns the number in a cell of metrics.csv, NaN where there is none; infinite beyond what can be drawn."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return math.nan
    return value if abs(value) < LARGEST else math.copysign(math.inf, value)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
