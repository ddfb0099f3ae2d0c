"""Repeats a run from its config and compares the two: bit by bit, or within a tolerance in another environment."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dltrain.checkpoints import lineage, store
from dltrain.config import experiment as experiments
from dltrain.config.changes import SAFE, is_under
from dltrain.config.experiment import Config
from dltrain.console import Reporter
from dltrain.errors import CheckpointError, RunError
from dltrain.runs.folder import Run
from dltrain.training import trainer

NOT_COMPARED = ("command", "origins")
"""Keys of environment.json that do not describe the environment."""

UNWEIGHED = ("git", lineage.KEY)
"""Keys whose differences are listed but excuse no difference in results: the commit is that of the working folder, and
a run that builds on other weights, which is not reproduced, is another run."""


def reproduce(
    run: Run, root: Path, tolerance: float, reporter: Reporter, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """Trains a finished run's config again, into a new run, and compares the two.

    Args:
        run: a finished run.
        root: the folder of the new run.
        tolerance: the largest allowed difference of the final metrics in another environment: absolute up to 1,
            relative beyond.
        reporter: for messages and progress.
        overrides: `key.path=value` arguments, such as dataset.path=moved.csv.

    Returns:
        {"run", "again", "reproduced", "exact", "environment": {key: [then, now]}, "metrics": {name: [then, now]},
        "first_difference": {"epoch", "column", "then", "now"} or none, "largest_weight_difference", "notes"}

    Raises:
        RunError: if the run is not finished, or cannot be reproduced: its data, its config or the weights that it was
            built on have changed.
        CheckpointError: if there is nothing to compare the last weights with.
        UserError, TrainingError, Interrupted: as `fit`.
    """
    then = run.read_summary()
    if then.get("status") != "finished":
        raise RunError(
            f"{run.path}: is {then.get('status', 'not begun')}, not finished: only a finished run can be reproduced; "
            f"resume with: dltrain fit --resume {run.path}"
        )
    environment, rows, config = _environment(run), run.read_metrics(), experiments.load(run.config, [*overrides])
    _check(run, config, then)
    now = trainer.fit(config, reporter, root, repeats=run)
    again = Run(Path(now["run"]))
    changed = _differing(environment, _environment(again))
    is_elsewhere = any(key not in UNWEIGHED for key in changed)
    row = _first_difference(rows, again.read_metrics())
    weights = _largest_difference(run, again)
    found, measured = _measured(now), _measured(then)
    metrics = {name: [value, found[name]] for name, value in measured.items() if name in found}
    exact = row is None and weights == 0 and all(before == after for before, after in metrics.values())
    close = all(abs(before - after) <= tolerance * max(1, abs(before)) for before, after in metrics.values())
    return {
        "run": str(run.path),
        "again": now["run"],
        "reproduced": exact or (is_elsewhere and close),
        "exact": exact,
        "environment": changed,
        "metrics": metrics,
        "first_difference": row,
        "largest_weight_difference": weights,
        "notes": _notes(then, is_elsewhere, exact),
    }


def _check(run: Run, config: Config, then: dict[str, Any]) -> None:
    """Finds what keeps a run from being reproduced before it is trained again; raises as `reproduce`."""
    store.load(run, "last")
    changed = {key: change["step"] for change in then.get("changes") or [] for key in change if key != "step"}
    other = [key for key in changed if not is_under(key, SAFE)]
    if other:
        raise RunError(
            f"{run.path}: cannot be reproduced: {', '.join(other)} changed when the run resumed after step "
            f"{changed[other[0]]}, so that its config describes only what came later; `dltrain verify` replays that"
        )
    for key, found in lineage.recorded(run).items():
        if lineage.sources(config.experiment).get(key, found) != found:
            raise RunError(f"{run.path}: cannot be reproduced: the weights that {key} names have changed since the run")


def _notes(then: dict[str, Any], is_elsewhere: bool, exact: bool) -> list[str]:
    notes = []
    if then.get("changes") and not exact:
        steps = ", ".join(str(change["step"]) for change in then["changes"])
        notes.append(
            f"the config was changed when the run resumed (after step {steps}): it describes only "
            "the last part of the run"
        )
    if not exact and not is_elsewhere:
        notes.append("`dltrain verify` names the first step and tensor that differ; deterministic: true may help")
    return notes


def _environment(run: Run) -> dict[str, Any]:
    if found := run.read_environment():
        return found
    raise RunError(f"{run.environment}: cannot be read, so that nobody knows whether this is the same environment")


def _differing(then: dict[str, Any], now: dict[str, Any]) -> dict[str, list[Any]]:
    keys = [key for key in {**then, **now} if key not in NOT_COMPARED]
    return {key: [then.get(key), now.get(key)] for key in keys if then.get(key) != now.get(key)}


def _measured(summary: dict[str, Any]) -> dict[str, float]:
    """Collects the final metrics of the best weights, by part and name."""
    parts = {part: summary.get(part) or {} for part in ("validation", "test")}
    found = {f"{part} {name}": value for part, metrics in parts.items() for name, value in metrics.items()}
    if summary.get("best"):
        found[f"best {summary['best']['monitor']}"] = summary["best"]["value"]
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


def _first_difference(then: list[dict[str, str]], now: list[dict[str, str]]) -> dict[str, Any] | None:
    for before, after in zip(then, now, strict=False):
        for column in before:
            if column != "seconds" and before[column] != after.get(column):
                return {"epoch": before["epoch"], "column": column, "then": before[column], "now": after.get(column)}
    if len(then) != len(now):
        return {"epoch": str(min(len(then), len(now)) + 1), "column": "epoch", "then": len(then), "now": len(now)}
    return None


def _largest_difference(first: Run, second: Run) -> float | None:
    """Returns the largest difference between the variables of the last states; none where they cannot be compared."""
    try:
        one, other = (store.load(run, "last").arrays for run in (first, second))
        return max(
            float(np.max(np.abs(one[name].astype(np.float64) - other[name].astype(np.float64)), initial=0))
            for name in one
        )
    except (CheckpointError, KeyError, ValueError):
        return None
